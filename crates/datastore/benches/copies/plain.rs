//! The copy by the tool that comes with a database.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use etcd_client::GetOptions;
use kamaji_datastore::Identity;

use crate::postgres_server::{ADMIN, PASSWORD};
use crate::process::Process;
use crate::tools::find;
use crate::{Server, server};

/// Most time that etcdctl may take.
const MIRROR: Duration = Duration::from_mins(10);

/// Copies the tenant's database, or prefix, into one named `plain` at the target. `None` if no tool copies between the two.
pub async fn copy(source: &Server, target: &Server) -> Option<Duration> {
    match (source, target) {
        (Server::Postgres(source), Server::Postgres(target)) => {
            target.sql("postgres", "CREATE DATABASE plain").await;
            let tool = |name: &str, port: u16, database: &str| {
                let mut command = Command::new(name);
                command.env("PGPASSWORD", PASSWORD);
                command.args(["-h", "127.0.0.1", "-U", ADMIN, "-d", database]);
                command.args(["-p", &port.to_string()]);
                command
            };
            let mut write = tool("psql", target.port, "plain");
            write.args(["-q", "-v", "ON_ERROR_STOP=1"]);
            let mut read = tool("pg_dump", source.port, "tenant");
            read.args(["--no-owner", "--no-privileges"]);
            Some(pipe(read, write))
        }
        (Server::MySql(source), Server::MySql(target)) => {
            target.execute("CREATE DATABASE plain").await;
            let tool = |name: &str, port: u16| {
                let mut command = Command::new(name);
                command.args(["--no-defaults", "-h", "127.0.0.1", "-u", "root"]);
                command.args(["-P", &port.to_string(), "--max-allowed-packet=64M"]);
                command
            };
            let mut write = tool("mariadb", target.port);
            write.arg("plain");
            let mut read = tool("mariadb-dump", source.port);
            read.args(["--single-transaction", "--hex-blob", "tenant"]);
            Some(pipe(read, write))
        }
        (Server::Etcd(source), Server::Etcd(target)) => Some(mirror(source, target).await),
        _ => None,
    }
}

fn pipe(mut read: Command, mut write: Command) -> Duration {
    let begin = Instant::now();
    let mut reader = read.stdout(Stdio::piped()).spawn().unwrap();
    let input = reader.stdout.take().unwrap();
    let written = write.stdin(input).stdout(Stdio::null()).status().unwrap();
    assert!(reader.wait().unwrap().success() && written.success());
    begin.elapsed()
}

/// Copies by `etcdctl make-mirror`, which goes on until it is ended: once the target has every key.
async fn mirror(source: &server::Server, target: &server::Server) -> Duration {
    let files = tempfile::tempdir().unwrap();
    let path = |name: String| files.path().join(name).display().to_string();
    let write = |name: String, content: &[u8]| {
        let path = path(name);
        std::fs::write(Path::new(&path), content).unwrap();
        path
    };
    let mut command = Command::new(find("etcdctl", "etcdctl-"));
    for (flag, server) in [("--", source), ("--dest-", target)] {
        let Identity { cert_pem, key_pem } = server.pki.client("root");
        for (name, content) in [
            ("cacert", server.pki.ca_pem()),
            ("cert", cert_pem),
            ("key", key_pem),
        ] {
            let file = write(format!("{}-{name}", server.port), &content);
            command.arg(format!("{flag}{name}={file}"));
        }
    }
    command.arg(format!("--endpoints=https://127.0.0.1:{}", source.port));
    command.args(["make-mirror", "--prefix=/tenant/", "--dest-prefix=/plain/"]);
    command.arg(format!("https://127.0.0.1:{}", target.port));
    let command = command.stdout(Stdio::null());
    let keys = count(source, "/tenant/").await;
    let begin = Instant::now();
    let _mirror = Process::spawn(command, "KILL");
    while count(target, "/plain/").await < keys {
        assert!(
            begin.elapsed() < MIRROR,
            "etcdctl has not copied {keys} keys"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    begin.elapsed()
}

async fn count(server: &server::Server, prefix: &str) -> i64 {
    let only = GetOptions::new().with_prefix().with_count_only();
    let answer = server.client("root").await.get(prefix, Some(only)).await;
    answer.unwrap().count()
}
