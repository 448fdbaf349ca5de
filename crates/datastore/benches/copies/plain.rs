//! The copy by the tool that comes with a database.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::Server;
use crate::postgres_server::{ADMIN, PASSWORD};

/// Copies the tenant's database into one named `plain` at the target. `None` if no tool copies between the two.
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
