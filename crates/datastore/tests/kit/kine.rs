//! A real kine for one test, which ends with the value, and writes as an API server makes them.

use std::process::Command;

use etcd_client::{Client, Compare, CompareOp, GetOptions, Txn, TxnOp, TxnOpResponse};
use tempfile::TempDir;

use crate::ports::free_ports;
use crate::process::{Launched, Process, start};
use crate::tools::find;

/// Begin of the error of a write whose key has another revision.
pub const CONFLICT: &str = "another revision";

/// Key, value, revision of creation and revision of the last change.
pub type Version = (Vec<u8>, Vec<u8>, i64, i64);

pub struct Kine {
    process: Process,
    files: TempDir,
    address: String,
    client: Option<Client>,
}

impl Launched for Kine {
    const NAME: &'static str = "kine";

    fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// True once kine shows the key that it creates when it starts.
    async fn serves(&mut self) -> bool {
        let url = format!("http://{}", self.address);
        let Ok(mut client) = Client::connect([url], None).await else {
            return false;
        };
        let health = client.get("/registry/health", None).await;
        let serves = health.is_ok_and(|found| found.count() > 0);
        self.client = serves.then_some(client);
        serves
    }
}

impl Kine {
    /// Starts kine with the URL of a database and further options, and waits until it serves.
    pub async fn start(endpoint: &str, options: &[&str]) -> Self {
        start(|| Self::launch(endpoint, options)).await
    }

    fn launch(endpoint: &str, options: &[&str]) -> Self {
        let files = tempfile::tempdir().unwrap();
        let [port] = free_ports();
        let address = format!("127.0.0.1:{port}");
        let mut command = Command::new(find("kine", "kine-"));
        command
            .args(["--listen-address", &address, "--endpoint", endpoint])
            .args(["--metrics-bind-address", "0"])
            .args(options)
            .stderr(std::fs::File::create(files.path().join("log")).unwrap());
        Self {
            process: Process::spawn(&mut command, "KILL"),
            files,
            address,
            client: None,
        }
    }

    /// A client of kine.
    pub fn client(&self) -> Client {
        self.client.clone().unwrap()
    }

    /// What kine has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.files.path().join("log")).unwrap()
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

/// Every key that kine shows, and the revision of the list.
pub async fn listing(client: &Client) -> (Vec<Version>, i64) {
    let all = Some(GetOptions::new().with_prefix());
    let found = client.clone().get("/registry/", all).await.unwrap();
    let versions = found.kvs().iter().map(|kv| {
        (
            kv.key().to_vec(),
            kv.value().to_vec(),
            kv.create_revision(),
            kv.mod_revision(),
        )
    });
    (versions.collect(), found.header().unwrap().revision())
}
