//! A real MariaDB for one test, which ends with the value.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use kamaji_datastore::{BasicAuth, Connection, DataStore, Driver, Secret, Tls, connect};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, OptsBuilder};
use tempfile::TempDir;

use crate::disk::Disk;
use crate::pki::Pki;
use crate::ports::free_ports;
use crate::process::{Launched, Process, start};

/// The operator's user, with the privileges that the documentation asks for and no other.
pub const ADMINISTRATOR: &str = "kamaji";
pub const PASSWORD: &str = "administrator's \\ password";

/// Names a folder with `bin/mariadbd` and `scripts/mariadb-install-db`, which `testbed databases` fetches; without it the
/// server is the one that is installed.
const CHOSEN: &str = "KAMAJI_E2E_MARIADB";

const SETUP: &str = "\
CREATE USER kamaji@'%' IDENTIFIED BY 'administrator''s \\\\ password';
GRANT CREATE USER, PROCESS, CONNECTION ADMIN, SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, ALTER, INDEX ON *.* TO kamaji@'%' WITH GRANT OPTION;
";

pub struct Server {
    process: Process,
    /// Unmounted before the files below it are removed.
    pub disk: Option<Disk>,
    files: TempDir,
    pub port: u16,
    pub pki: Pki,
}

impl Launched for Server {
    const NAME: &'static str = "MariaDB";

    fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// True once the server is set up, too.
    async fn serves(&mut self) -> bool {
        self.client(ADMINISTRATOR, PASSWORD).await.is_ok()
    }
}

impl Server {
    /// Starts a server that offers TLS and does not demand it.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// The same with further options.
    pub async fn start_with(options: &[&str]) -> Self {
        start(|| Self::launch(options, None)).await
    }

    /// Starts a server whose databases have a disk of their own, for example of `96m`.
    pub async fn start_on_disk(size: &str) -> Self {
        start(|| Self::launch(&[], Some(size))).await
    }

    fn launch(options: &[&str], disk: Option<&str>) -> Self {
        let files = tempfile::tempdir().unwrap();
        let path = |name: &str| files.path().join(name).display().to_string();
        let data = files.path().join("data");
        std::fs::create_dir(&data).unwrap();
        let disk = disk.map(|size| Disk::mount(&data, size));
        copy(template(), &data);
        let pki = Pki::new();
        pki.write_server(files.path());
        std::fs::create_dir(path("tmp")).unwrap();
        std::fs::write(path("setup.sql"), SETUP).unwrap();
        let [port] = free_ports();
        let mut command = command("mariadbd");
        command
            .arg(format!("--datadir={}", path("data")))
            // A server that starts deletes the temporary tables of every other one in the same folder.
            .arg(format!("--tmpdir={}", path("tmp")))
            .arg(format!("--socket={}", path("socket")))
            .arg(format!("--pid-file={}", path("pid")))
            .arg(format!("--init-file={}", path("setup.sql")))
            .arg(format!("--port={port}"))
            .arg(format!("--ssl-ca={}", path("ca.crt")))
            .arg(format!("--ssl-cert={}", path("server.crt")))
            .arg(format!("--ssl-key={}", path("server.key")))
            .args(QUICK)
            .args(options)
            .stderr(std::fs::File::create(path("log")).unwrap());
        Self {
            process: Process::spawn(&mut command, "KILL"),
            disk,
            files,
            port,
            pki,
        }
    }

    /// A bare connection of a user.
    pub async fn client(&self, user: &str, password: &str) -> mysql_async::Result<Conn> {
        let options = OptsBuilder::default()
            .ip_or_hostname("127.0.0.1")
            .tcp_port(self.port)
            .prefer_socket(false)
            .user(Some(user))
            .pass(Some(password));
        Conn::new(options).await
    }

    /// A bare connection that may do everything.
    pub async fn root(&self) -> Conn {
        self.client("root", "").await.unwrap()
    }

    /// Executes a statement as root.
    pub async fn execute(&self, statement: &str) {
        let mut root = self.root().await;
        root.query_drop(statement).await.unwrap();
        root.disconnect().await.unwrap();
    }

    /// First column of a query by root, as text.
    pub async fn column(&self, query: &str) -> Vec<String> {
        let mut root = self.root().await;
        let found = root.query::<String, _>(query).await.unwrap();
        root.disconnect().await.unwrap();
        found
    }

    /// Connection data of the operator, with TLS and without a client certificate.
    pub fn connection(&self) -> Connection {
        Connection {
            driver: Driver::MySql,
            endpoints: vec![format!("127.0.0.1:{}", self.port).parse().unwrap()],
            tls: Some(Tls {
                ca_pem: self.pki.ca_pem(),
                client: None,
            }),
            basic_auth: Some(BasicAuth {
                user: ADMINISTRATOR.to_owned(),
                password: Secret::new(PASSWORD),
            }),
            without_access_control: false,
        }
    }

    /// The same with another user.
    pub fn connection_as(&self, user: &str, password: &str) -> Connection {
        let basic_auth = Some(BasicAuth {
            user: user.to_owned(),
            password: Secret::new(password),
        });
        Connection {
            basic_auth,
            ..self.connection()
        }
    }

    /// The same through other ports.
    pub fn connection_through(&self, ports: &[u16]) -> Connection {
        let endpoint = |port| format!("127.0.0.1:{port}").parse().unwrap();
        Connection {
            endpoints: ports.iter().map(endpoint).collect(),
            ..self.connection()
        }
    }

    pub async fn store(&self) -> Box<dyn DataStore> {
        connect(&self.connection()).await.unwrap()
    }

    /// Folder of a database.
    pub fn folder(&self, database: &str) -> PathBuf {
        self.files.path().join("data").join(database)
    }

    /// Folder of all databases.
    pub fn data(&self) -> PathBuf {
        self.files.path().join("data")
    }
}

/// What makes a server start at once and use little.
const QUICK: [&str; 16] = [
    "--user=root",
    "--bind-address=127.0.0.1",
    "--skip-name-resolve",
    "--skip-log-bin",
    "--performance-schema=off",
    "--innodb-flush-log-at-trx-commit=0",
    "--innodb-flush-method=nosync",
    "--innodb-log-file-size=4M",
    "--innodb-buffer-pool-size=16M",
    "--innodb-undo-tablespaces=0",
    "--innodb-fast-shutdown=2",
    "--key-buffer-size=1M",
    "--aria-pagecache-buffer-size=1M",
    "--max-connections=60",
    "--character-set-server=latin1",
    "--lock-wait-timeout=20",
];

/// The data of a server that was just installed; made once for all runs.
fn template() -> &'static Path {
    static MADE: OnceLock<PathBuf> = OnceLock::new();
    MADE.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let chosen = chosen();
        let release = chosen.as_ref().and_then(|folder| folder.file_name());
        let release = release.map_or_else(|| "mariadb".into(), |name| name.to_string_lossy());
        let template = folder.join(format!("{release}-template"));
        if !template.is_dir() {
            let fresh = tempfile::tempdir_in(folder).unwrap();
            let data = fresh.path().join("data");
            let made = command("mariadb-install-db")
                .arg(format!("--datadir={}", data.display()))
                .args([
                    "--auth-root-authentication-method=normal",
                    "--skip-test-db",
                    "--skip-name-resolve",
                    "--user=root",
                    "--innodb-log-file-size=4M",
                    "--innodb-undo-tablespaces=0",
                    "--innodb-flush-method=nosync",
                ])
                .output()
                .unwrap();
            assert!(made.status.success(), "{made:?}");
            // Another process may have been quicker: its template is as good.
            if std::fs::rename(&data, &template).is_err() {
                assert!(template.is_dir());
            }
        }
        template
    })
}

/// Copies what is in a folder into another one.
fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            std::fs::create_dir(&target).unwrap();
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Folder of another release than the installed one.
fn chosen() -> Option<PathBuf> {
    let folder = std::env::var_os(CHOSEN).filter(|folder| !folder.is_empty());
    folder.map(PathBuf::from)
}

/// A program of MariaDB, without settings of this machine.
fn command(name: &str) -> Command {
    let folders: Vec<PathBuf> = if let Some(folder) = chosen() {
        ["bin", "scripts"].map(|below| folder.join(below)).into()
    } else {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let further = ["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from);
        std::env::split_paths(&path).chain(further).collect()
    };
    let mut found = folders.iter().map(|folder| folder.join(name));
    let Some(found) = found.find(|path| path.is_file()) else {
        panic!("no {name} in {folders:?}: `make deps` installs MariaDB, {CHOSEN} names another");
    };
    let mut command = Command::new(found);
    command.arg("--no-defaults");
    if let Some(folder) = chosen() {
        command.arg(format!("--basedir={}", folder.display()));
    }
    command
}
