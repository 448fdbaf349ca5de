//! A MariaDB of this machine's packages on the management node.

use std::time::Duration;

use anyhow::{Context, Result};

use super::{ADMINISTRATOR, Channel, Kind, Server};
use crate::bed::Bed;
use crate::catalogue::program;
use crate::command::{command, output};
use crate::wait::until;

const KIND: Kind = Kind {
    name: "mariadb",
    driver: "MySQL",
    port: 13306,
    password: "kamaji's \"pass\\word\" 100%",
};

/// Privileges that the operator's user has, as the documentation asks for them.
const PRIVILEGES: &str = "CREATE USER, PROCESS, CONNECTION ADMIN, SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, ALTER, INDEX";

/// Starts a server, or returns the one that runs.
pub async fn start(bed: &Bed, channel: Channel) -> Result<Server> {
    let server = Server::new(bed, KIND, channel);
    if server.is_running() {
        return Ok(server);
    }
    server.prepare()?;
    let data = format!("--datadir={}", server.file("data").display());
    let install = ["--no-defaults", &data, "--user=root", "--skip-test-db"];
    let installer = program("mariadb-install-db").context("apt-get install mariadb-server")?;
    output(command(installer, install)).await?;
    server.write("setup.sql", &setup())?;
    let mut mariadbd = server.command("mariadbd")?;
    mariadbd.args(["--no-defaults", &data, "--user=root"]);
    mariadbd.args(settings(&server));
    server.spawn(mariadbd)?;
    until("MariaDB answers", Duration::from_mins(1), || {
        query(&server, "information_schema", "SELECT 1")
    })
    .await
    .with_context(|| bed.processes.log_excerpt(&server.name()))?;
    Ok(server)
}

/// Lines that a statement returns in a database, as the operator's user.
pub async fn query(server: &Server, database: &str, statement: &str) -> Result<Vec<String>> {
    let mut mariadb = command("mariadb", ["--no-defaults", "-N", "-B"]);
    mariadb
        .args(["-h", &server.address(), "-P", &server.port().to_string()])
        .args(["-u", ADMINISTRATOR, "-D", database, "-e", statement]);
    mariadb.arg(format!("--password={}", server.password()));
    if server.channel != Channel::Plain {
        let authority = server.file("ca.crt");
        mariadb.arg("--ssl-verify-server-cert");
        mariadb.arg(format!("--ssl-ca={}", authority.display()));
    }
    let text = output(mariadb).await?;
    Ok(text.lines().map(str::to_owned).collect())
}

/// Statements for each start, one a line: the server takes a line for a statement. Users without a name, which an
/// installation makes, would be taken before the operator's.
fn setup() -> String {
    let password = KIND.password.replace('\\', "\\\\").replace('\'', "''");
    format!(
        "DELETE FROM mysql.global_priv WHERE User = '';\n\
         FLUSH PRIVILEGES;\n\
         CREATE USER IF NOT EXISTS {ADMINISTRATOR}@'%' IDENTIFIED BY '{password}';\n\
         GRANT {PRIVILEGES} ON *.* TO {ADMINISTRATOR}@'%' WITH GRANT OPTION;\n"
    )
}

fn settings(server: &Server) -> Vec<String> {
    let file = |flag: &str, name: &str| format!("--{flag}={}", server.file(name).display());
    let mut settings = vec![
        format!("--bind-address={}", server.address()),
        format!("--port={}", server.port()),
        file("socket", "socket"),
        file("pid-file", "pid"),
        file("init-file", "setup.sql"),
        "--skip-name-resolve".to_owned(),
        "--innodb-buffer-pool-size=32M".to_owned(),
        "--innodb-flush-log-at-trx-commit=0".to_owned(),
    ];
    if server.channel == Channel::Plain {
        settings.push("--skip-ssl".to_owned());
    } else {
        settings.extend([
            "--require-secure-transport=ON".to_owned(),
            file("ssl-ca", "ca.crt"),
            file("ssl-cert", "server.crt"),
            file("ssl-key", "server.key"),
        ]);
    }
    settings
}
