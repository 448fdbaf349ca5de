//! A PostgreSQL of this machine's packages on the management node.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use super::{ADMINISTRATOR, Channel, Kind, Server};
use crate::bed::Bed;
use crate::catalogue::program;
use crate::command::{command, output};
use crate::wait::until;

const KIND: Kind = Kind {
    name: "postgresql",
    driver: "PostgreSQL",
    port: 15432,
    password: "kamaji's \"pass\\word\" 100%",
};

/// Password of the superuser, whom the operator does not know.
const SUPERUSER_PASSWORD: &str = "superuser";

/// Starts a server, or returns the one that runs. Its administrator may create databases and roles and is no
/// superuser.
pub async fn start(bed: &Bed, channel: Channel) -> Result<Server> {
    let server = Server::new(bed, KIND, channel);
    if server.is_running() {
        return Ok(server);
    }
    server.prepare()?;
    server.write("password", SUPERUSER_PASSWORD)?;
    let mut initdb = as_postgres(&server, "initdb")?;
    initdb
        .args(["-U", "postgres", "-A", "scram-sha-256", "-E", "UTF8"])
        .args(["--locale=C", "--no-sync", "-D"])
        .arg(server.file("data"))
        .arg(format!("--pwfile={}", server.file("password").display()));
    output(initdb).await?;
    let access = match channel {
        Channel::Plain => "hostnossl all all all scram-sha-256\n",
        Channel::Tls => "hostssl all all all scram-sha-256\n",
        Channel::MutualTls => "hostssl all all all scram-sha-256 clientcert=verify-ca\n",
    };
    server.write("data/pg_hba.conf", access)?;
    let mut postgres = as_postgres(&server, "postgres")?;
    postgres.arg("-D").arg(server.file("data"));
    for setting in settings(&server) {
        postgres.args(["-c", &setting]);
    }
    server.spawn(postgres)?;
    until("PostgreSQL answers", Duration::from_secs(30), || {
        query(&server, "postgres", "SELECT 1")
    })
    .await
    .with_context(|| bed.processes.log_excerpt(&server.name()))?;
    let create = format!(
        "CREATE ROLE {ADMINISTRATOR} LOGIN CREATEDB CREATEROLE PASSWORD '{}'",
        KIND.password.replace('\'', "''")
    );
    query(&server, "postgres", &create).await?;
    Ok(server)
}

/// Lines that a statement returns in a database, as the superuser.
pub async fn query(server: &Server, database: &str, statement: &str) -> Result<Vec<String>> {
    let mut psql = command("psql", ["-X", "-A", "-t", "-v", "ON_ERROR_STOP=1"]);
    psql.args(["-h", &server.address(), "-p", &server.port().to_string()])
        .args(["-U", "postgres", "-d", database, "-c", statement]);
    psql.env("PGPASSWORD", SUPERUSER_PASSWORD);
    if server.channel == Channel::Plain {
        psql.env("PGSSLMODE", "disable");
    } else {
        psql.env("PGSSLMODE", "verify-full")
            .env("PGSSLROOTCERT", server.file("ca.crt"))
            .env("PGSSLCERT", server.file("client.crt"))
            .env("PGSSLKEY", server.file("client.key"));
    }
    let text = output(psql).await?;
    Ok(text.lines().map(str::to_owned).collect())
}

fn settings(server: &Server) -> Vec<String> {
    let mut settings = vec![
        format!("listen_addresses={}", server.address()),
        format!("port={}", server.port()),
        "unix_socket_directories=".to_owned(),
        "fsync=off".to_owned(),
        "shared_buffers=32MB".to_owned(),
    ];
    if server.channel != Channel::Plain {
        let file = |name: &str| server.file(name).display().to_string();
        settings.extend([
            "ssl=on".to_owned(),
            format!("ssl_ca_file={}", file("ca.crt")),
            format!("ssl_cert_file={}", file("server.crt")),
            format!("ssl_key_file={}", file("server.key")),
        ]);
    }
    settings
}

/// A program of PostgreSQL on the management node. It refuses to run as root: in a user namespace it sees itself as
/// the user `postgres`, and the testbed's folders need no other owner.
fn as_postgres(server: &Server, name: &str) -> Result<Command> {
    let mut command = server.command("unshare")?;
    command.args([
        "--user",
        "--map-user=postgres",
        "--map-group=postgres",
        "--",
    ]);
    command.arg(installed(name)?);
    Ok(command)
}

/// Path of a server program of the newest PostgreSQL that is installed; Debian keeps them outside the `PATH`.
fn installed(name: &str) -> Result<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let mut found: Vec<(u32, PathBuf)> = versions
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let version = entry.file_name().to_str()?.parse().ok()?;
            Some((version, entry.path().join("bin").join(name)))
        })
        .filter(|(_, path)| path.is_file())
        .collect();
    found.sort();
    match found.pop() {
        Some((_, path)) => Ok(path),
        None => program(name).context("apt-get install postgresql"),
    }
}
