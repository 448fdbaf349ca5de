//! A real PostgreSQL for one test, which ends with the value.

use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use kamaji_datastore::{BasicAuth, Connection, DataStore, Driver, HostPort, Secret, Tls, connect};
use tempfile::TempDir;
use tokio_postgres::{Client, Config, Error, NoTls};

use crate::disk::Disk;
use crate::pki::Pki;
use crate::ports::free_ports;
use crate::process::{Launched, Process, start};

/// Superuser of every test server, and its password.
pub const ADMIN: &str = "postgres";
pub const PASSWORD: &str = "it's \\ a password";
/// Folders with an empty database cluster by that of the programs, shared by the servers that live at the same time.
static TEMPLATES: Mutex<BTreeMap<PathBuf, Weak<TempDir>>> = Mutex::new(BTreeMap::new());
/// Names a folder with `bin/postgres` and `bin/initdb`, which `testbed databases` fetches: the release of every server
/// that is not [`Release::Installed`].
const CHOSEN: &str = "KAMAJI_E2E_POSTGRES";

/// PostgreSQL that a server is of.
#[derive(Clone, Copy)]
pub enum Release {
    /// The one in the folder that `KAMAJI_E2E_POSTGRES` names, else the newest that is installed.
    Chosen,
    /// The newest that is installed.
    Installed,
}

/// How a server is started.
#[derive(Clone, Copy)]
pub struct Setup {
    pub release: Release,
    /// The rules of `pg_hba.conf`.
    pub rules: &'static str,
    /// Settings, `name=value`.
    pub settings: &'static [&'static str],
    /// True for a standby without a primary.
    pub standby: bool,
    /// Size of a disk of its own for everything but the write-ahead log, for example `64m`.
    pub disk: Option<&'static str>,
}

/// Log-ins by password from anywhere, with or without TLS.
pub const USUAL: Setup = Setup {
    release: Release::Chosen,
    rules: "host all all all scram-sha-256\n",
    settings: &[],
    standby: false,
    disk: None,
};

pub struct Server {
    process: Process,
    /// Unmounted before the files below it are removed.
    pub disk: Option<Disk>,
    files: TempDir,
    _template: Arc<TempDir>,
    pub port: u16,
    pub pki: Pki,
}

impl Launched for Server {
    const NAME: &'static str = "PostgreSQL";

    fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// True once the server answers log-ins, if only with a refusal.
    async fn serves(&mut self) -> bool {
        match self.log_in((ADMIN, "wrong"), "postgres").await {
            Ok(_) => true,
            Err(error) => error
                .code()
                .is_some_and(|code| code.code().starts_with("28")),
        }
    }
}

impl Server {
    pub async fn start() -> Self {
        Self::start_with(USUAL).await
    }

    pub async fn start_with(setup: Setup) -> Self {
        start(|| Self::launch(setup)).await
    }

    fn launch(setup: Setup) -> Self {
        let programs = setup.release.programs();
        let template = template(&programs);
        let files = tempfile::tempdir().unwrap();
        let pki = Pki::new();
        let data = files.path().join("data");
        std::fs::create_dir(&data).unwrap();
        let disk = setup.disk.map(|size| Disk::mount(&data, size));
        run(Command::new("cp")
            .arg("-a")
            .arg(template.path().join("data/."))
            .arg(&data));
        if disk.is_some() {
            let log = files.path().join("log");
            run(Command::new("mv").arg(data.join("pg_wal")).arg(&log));
            symlink(log, data.join("pg_wal")).unwrap();
        }
        let path = |name: &str| files.path().join(name);
        pki.write_server(files.path());
        std::fs::write(path("data/pg_hba.conf"), setup.rules).unwrap();
        if setup.standby {
            std::fs::write(path("data/standby.signal"), "").unwrap();
        }
        run(Command::new("chmod").arg("600").arg(path("server.key")));
        let [port] = free_ports();
        let mut command = command(&programs, "postgres");
        command.arg("-D").arg(&data).args(["-p", &port.to_string()]);
        let setting = |name: &str, file: &str| format!("{name}={}", path(file).display());
        let own = [
            "fsync=off",
            "full_page_writes=off",
            "listen_addresses=127.0.0.1,::1",
            "unix_socket_directories=",
            "shared_buffers=8MB",
            "max_wal_size=4MB",
            "ssl=on",
        ];
        let files_of_tls = [
            setting("ssl_ca_file", "ca.crt"),
            setting("ssl_cert_file", "server.crt"),
            setting("ssl_key_file", "server.key"),
        ];
        let own = own
            .iter()
            .chain(setup.settings)
            .map(|text| (*text).to_owned());
        for text in own.chain(files_of_tls) {
            command.args(["-c", &text]);
        }
        command.stderr(Stdio::null());
        Self {
            // At once, but so that it gives back its shared memory.
            process: Process::spawn(&mut command, "QUIT"),
            disk,
            files,
            _template: template,
            port,
            pki,
        }
    }

    /// Folder of all databases.
    pub fn data(&self) -> PathBuf {
        self.files.path().join("data")
    }

    /// A bare session without TLS.
    pub async fn log_in(
        &self,
        (user, password): (&str, &str),
        database: &str,
    ) -> Result<Client, Error> {
        let mut config = Config::new();
        config
            .host("127.0.0.1")
            .port(self.port)
            .user(user)
            .password(password)
            .dbname(database)
            .connect_timeout(Duration::from_secs(10));
        let (client, connection) = config.connect(NoTls).await?;
        tokio::spawn(connection);
        Ok(client)
    }

    /// A bare session of the superuser.
    pub async fn admin(&self, database: &str) -> Client {
        self.log_in((ADMIN, PASSWORD), database).await.unwrap()
    }

    /// Runs a statement as the superuser.
    pub async fn sql(&self, database: &str, statement: &str) {
        let admin = self.admin(database).await;
        admin.batch_execute(statement).await.unwrap();
    }

    /// First columns of what a query finds, sorted.
    pub async fn texts(&self, database: &str, query: &str) -> Vec<String> {
        let admin = self.admin(database).await;
        let rows = admin.query(query, &[]).await.unwrap();
        let mut texts: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
        texts.sort();
        texts
    }

    /// Connection data of the operator, with TLS and without a client certificate.
    pub fn connection(&self) -> Connection {
        Connection {
            driver: Driver::PostgreSql,
            endpoints: vec![local(self.port)],
            tls: Some(Tls {
                ca_pem: self.pki.ca_pem(),
                client: None,
            }),
            basic_auth: Some(credentials(ADMIN, PASSWORD)),
            without_access_control: false,
        }
    }

    /// The same as another user.
    pub fn connection_as(&self, user: &str, password: &str) -> Connection {
        Connection {
            basic_auth: Some(credentials(user, password)),
            ..self.connection()
        }
    }

    /// The same through other ports.
    pub fn connection_through(&self, ports: &[u16]) -> Connection {
        Connection {
            endpoints: ports.iter().map(|port| local(*port)).collect(),
            ..self.connection()
        }
    }

    pub async fn store(&self) -> Box<dyn DataStore> {
        connect(&self.connection()).await.unwrap()
    }

    /// The rules of `pg_hba.conf`, replaced while the server runs.
    pub async fn set_rules(&self, rules: &str) {
        std::fs::write(self.files.path().join("data/pg_hba.conf"), rules).unwrap();
        self.sql("postgres", "SELECT pg_reload_conf()").await;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

pub fn credentials(user: &str, password: &str) -> BasicAuth {
    BasicAuth {
        user: user.to_owned(),
        password: Secret::new(password),
    }
}

pub fn local(port: u16) -> HostPort {
    format!("127.0.0.1:{port}").parse().unwrap()
}

impl Release {
    /// Folder of its programs.
    fn programs(self) -> PathBuf {
        let chosen = std::env::var_os(CHOSEN).filter(|folder| !folder.is_empty());
        match (self, chosen) {
            (Self::Chosen, Some(folder)) => PathBuf::from(folder).join("bin"),
            _ => installed(),
        }
    }
}

/// The shared empty cluster; made anew after the last server that used it.
fn template(programs: &Path) -> Arc<TempDir> {
    let mut shared = TEMPLATES
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(template) = shared.get(programs).and_then(Weak::upgrade) {
        return template;
    }
    let files = tempfile::tempdir().unwrap();
    let password = files.path().join("password");
    std::fs::write(&password, PASSWORD).unwrap();
    let mut initdb = command(programs, "initdb");
    initdb.arg("-D").arg(files.path().join("data"));
    initdb.arg(format!("--username={ADMIN}"));
    initdb.arg(format!("--pwfile={}", password.display()));
    initdb.args([
        "--no-sync",
        "--no-instructions",
        "--locale=C",
        "--wal-segsize=1",
    ]);
    initdb.args(["--encoding=UTF8", "--auth=scram-sha-256"]);
    run(&mut initdb);
    let files = Arc::new(files);
    shared.insert(programs.to_owned(), Arc::downgrade(&files));
    files
}

fn run(command: &mut Command) {
    let done = command.output().unwrap();
    let words = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{command:?}: {words}");
}

/// A program of PostgreSQL, which refuses to run as root: in a user namespace it sees itself as the user `postgres`, and
/// the files of the test need no other owner.
fn command(programs: &Path, name: &str) -> Command {
    let path = programs.join(name);
    assert!(
        path.is_file(),
        "no {}: {CHOSEN} names a folder with bin/{name}",
        path.display()
    );
    if std::fs::metadata("/proc/self").unwrap().uid() != 0 {
        return Command::new(path);
    }
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-user=postgres", "--map-group=postgres"]);
    command.arg("--").arg(path);
    command
}

/// Folder of the programs of the newest PostgreSQL that is installed.
fn installed() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten();
    let newest: Option<PathBuf> = versions
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .max_by_key(|path| {
            let version = path
                .file_name()
                .map(|name| name.to_string_lossy().parse::<u32>());
            version.and_then(Result::ok)
        });
    let folder = newest.expect("no PostgreSQL in /usr/lib/postgresql: `make deps` installs one");
    folder.join("bin")
}
