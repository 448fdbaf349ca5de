//! A real kine for one test, which ends with the value.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use etcd_client::{Client, Compare, CompareOp, GetOptions, Txn, TxnOp, TxnOpResponse};
use kamaji_datastore::Tenancy;
use tempfile::TempDir;

use super::super::{Server, password};
use crate::ports::free_ports;

/// Begin of the error of a write whose key has another revision.
pub const CONFLICT: &str = "another revision";

pub struct Kine {
    _process: Process,
    files: TempDir,
    pub client: Client,
}

/// A process that ends with the value.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // A process that is already gone is what this is for.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Kine {
    /// Starts kine on the tenant's database and waits until it serves.
    pub async fn start(server: &Server, tenancy: &Tenancy) -> Self {
        let files = tempfile::tempdir().unwrap();
        let [port] = free_ports();
        let address = format!("127.0.0.1:{port}");
        let endpoint = format!(
            "mysql://{}:{}@tcp(127.0.0.1:{})/{}",
            tenancy.user,
            password(tenancy),
            server.port,
            tenancy.schema
        );
        let command = Command::new(binary())
            .args(["--listen-address", &address, "--endpoint", &endpoint])
            .args(["--metrics-bind-address", "0"])
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(files.path().join("log")).unwrap())
            .spawn();
        let process = Process(command.unwrap());
        let url = format!("http://{address}");
        for _ in 0..500 {
            if let Ok(mut client) = Client::connect([&url], None).await
                && client
                    .get("/registry/health", None)
                    .await
                    .is_ok_and(|found| found.count() > 0)
            {
                return Self {
                    _process: process,
                    files,
                    client,
                };
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let log = std::fs::read_to_string(files.path().join("log")).unwrap();
        panic!("kine did not come up: {log}");
    }

    /// What kine has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.files.path().join("log")).unwrap()
    }

    pub async fn create(&self, key: &str, value: &[u8]) -> i64 {
        write(&self.client, key, 0, value).await.unwrap()
    }
}

/// Writes a key whose last revision is `revision`, 0 for a new one, as an API server does; returns the new revision.
pub async fn write(client: &Client, key: &str, revision: i64, value: &[u8]) -> Result<i64, String> {
    let put = Txn::new()
        .when([Compare::mod_revision(key, CompareOp::Equal, revision)])
        .and_then([TxnOp::put(key, value, None)]);
    let put = if revision == 0 {
        put
    } else {
        put.or_else([TxnOp::get(key, None)])
    };
    revision_of(client.clone().txn(put).await)
}

/// Deletes a key whose last revision is `revision`.
pub async fn delete(client: &Client, key: &str, revision: i64) -> Result<i64, String> {
    let delete = Txn::new()
        .when([Compare::mod_revision(key, CompareOp::Equal, revision)])
        .and_then([TxnOp::delete(key, None)])
        .or_else([TxnOp::get(key, None)]);
    revision_of(client.clone().txn(delete).await)
}

fn revision_of(
    answer: Result<etcd_client::TxnResponse, etcd_client::Error>,
) -> Result<i64, String> {
    let answer = answer.map_err(|error| error.to_string())?;
    if !answer.succeeded() {
        let other = answer.op_responses();
        let found = other
            .iter()
            .any(|op| matches!(op, TxnOpResponse::Get(got) if got.count() > 0));
        return Err(format!("{CONFLICT}, found: {found}"));
    }
    Ok(answer.header().unwrap().revision())
}

/// Key, value and revisions of every key that kine shows.
pub async fn listing(client: &Client) -> Vec<(Vec<u8>, Vec<u8>, i64, i64)> {
    let all = GetOptions::new().with_range("/registry0");
    let found = client.clone().get("/registry/", Some(all)).await.unwrap();
    found
        .kvs()
        .iter()
        .map(|kv| {
            (
                kv.key().to_vec(),
                kv.value().to_vec(),
                kv.create_revision(),
                kv.mod_revision(),
            )
        })
        .collect()
}

fn binary() -> PathBuf {
    let variable = |name| std::env::var_os(name).map(PathBuf::from);
    let cache = variable("XDG_CACHE_HOME")
        .or_else(|| variable("HOME").map(|home| home.join(".cache")))
        .map(|cache| cache.join("kamaji-e2e"));
    let built = cache
        .and_then(|cache| std::fs::read_dir(cache).ok())
        .into_iter()
        .flatten()
        .filter_map(Result::ok)
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("kine-"))
        .map(|entry| entry.path().join("bin"))
        .max_by_key(|folder| folder.metadata().and_then(|about| about.modified()).ok());
    let found = variable("KAMAJI_E2E_BIN")
        .into_iter()
        .chain(built)
        .map(|folder| folder.join("kine"))
        .find(|path| path.is_file());
    found.expect("no kine in KAMAJI_E2E_BIN or the cache: `make tools` builds one")
}
