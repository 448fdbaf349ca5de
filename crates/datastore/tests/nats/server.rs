//! A real nats-server for one test, which ends with the value.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use async_nats::jetstream::{self, Context};
use futures::TryStreamExt;
use kamaji_datastore::{BasicAuth, Connection, DataStore, Driver, Identity, Secret, Tls, connect};
use tempfile::TempDir;

use crate::pki::Pki;
use crate::process::{Launched, Process, start};
use crate::tools::find;

/// Access control of a server of its own, with one user for all.
pub const LOGIN: &str = "authorization { user: kamaji, password: secret }";
/// JetStream with the limits that it has by default.
pub const JETSTREAM: &str = "jetstream { store_dir: STORE }";

pub struct Server {
    process: Process,
    files: TempDir,
    pub port: u16,
    pub pki: Pki,
}

impl Launched for Server {
    const NAME: &'static str = "nats-server";

    fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// True once the server has written its ports down, which it does when it serves.
    async fn serves(&mut self) -> bool {
        let file = format!("nats-server_{}.ports", self.process.id());
        let text = std::fs::read_to_string(self.files.path().join(file)).unwrap_or_default();
        let ports: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
        let Some(url) = ports["nats"][0].as_str() else {
            return false;
        };
        self.port = url.rsplit(':').next().unwrap().parse().unwrap();
        true
    }
}

impl Server {
    /// Starts a server with JetStream and one user.
    pub async fn start() -> Self {
        Self::with(&[LOGIN, JETSTREAM]).await
    }

    /// Starts a server with these settings; `PKI` and `STORE` stand for folders.
    pub async fn with(settings: &[&str]) -> Self {
        start(|| Self::prepare(settings)).await
    }

    fn prepare(settings: &[&str]) -> Self {
        let files = tempfile::tempdir().unwrap();
        let pki = Pki::new();
        let path = |name: &str| files.path().join(name);
        pki.write_server(files.path());
        let quoted = |path: &Path| format!("{:?}", path.display().to_string());
        let text = settings
            .join("\n")
            .replace("PKI/", &format!("{}/", files.path().display()))
            .replace("STORE", &quoted(&path("store")));
        std::fs::write(path("nats.conf"), text).unwrap();
        Self {
            process: Self::launch(files.path(), -1),
            files,
            // The server chooses one.
            port: 0,
            pki,
        }
    }

    /// Ends the server and starts it again at the same port, with its files.
    pub async fn restart(&mut self) {
        self.process.end();
        self.process = Self::launch(self.files.path(), i32::from(self.port));
        assert!(self.wait().await, "it did not come up again");
    }

    /// Ends the server.
    pub fn stop(&mut self) {
        self.process.end();
    }

    fn launch(files: &Path, port: i32) -> Process {
        let mut command = Command::new(find("nats-server", "nats-"));
        command
            .arg("--config")
            .arg(files.join("nats.conf"))
            .arg("--ports_file_dir")
            .arg(files)
            .args(["--addr", "::", "--port", &port.to_string()])
            .stderr(Stdio::null());
        Process::spawn(&mut command, "KILL")
    }

    /// Connection data of the operator for this server.
    pub fn connection(&self) -> Connection {
        Connection {
            driver: Driver::Nats,
            endpoints: vec![local(self.port)],
            tls: None,
            basic_auth: Some(login("kamaji", "secret")),
            without_access_control: false,
        }
    }

    /// The same through other ports.
    pub fn connection_through(&self, ports: &[u16]) -> Connection {
        Connection {
            endpoints: ports.iter().map(|port| local(*port)).collect(),
            ..self.connection()
        }
    }

    /// The same with TLS, and with a client certificate if there is one.
    pub fn connection_with_tls(&self, client: Option<Identity>) -> Connection {
        let tls = Some(Tls {
            ca_pem: self.pki.ca_pem(),
            client,
        });
        Connection {
            tls,
            ..self.connection()
        }
    }

    pub async fn store(&self) -> Box<dyn DataStore> {
        connect(&self.connection()).await.unwrap()
    }

    /// JetStream as the administrator sees it.
    pub async fn admin(&self) -> Context {
        self.admin_as("kamaji").await
    }

    /// JetStream as this user sees it.
    pub async fn admin_as(&self, user: &str) -> Context {
        let options = async_nats::ConnectOptions::with_user_and_password(
            user.to_owned(),
            "secret".to_owned(),
        );
        let address = format!("127.0.0.1:{}", self.port);
        jetstream::new(options.connect(address).await.unwrap())
    }

    /// Folder of the server's files.
    pub fn folder(&self) -> PathBuf {
        self.files.path().join("store")
    }

    /// Buckets with their settings, owner records and keys, a line each.
    pub async fn listing(&self) -> Vec<String> {
        listing(&self.admin().await).await
    }
}

/// Buckets with their settings, owner records and keys, a line each.
pub async fn listing(admin: &Context) -> Vec<String> {
    let mut lines = Vec::new();
    let streams: Vec<_> = admin.streams().try_collect().await.unwrap();
    for info in streams {
        let name = &info.config.name;
        if name != "KV_kamaji_clastix_io" {
            lines.push(format!("bucket {name}: {:?}", info.config));
        }
        let stream = admin.get_stream(name).await.unwrap();
        for sequence in info.state.first_sequence..=info.state.last_sequence {
            if let Ok(message) = stream.get_raw_message(sequence).await {
                let payload = message.payload.escape_ascii();
                lines.push(format!("message {} = {payload}", message.subject));
            }
        }
    }
    lines.sort();
    lines
}

pub fn login(user: &str, password: &str) -> BasicAuth {
    BasicAuth {
        user: user.to_owned(),
        password: Secret::new(password),
    }
}

fn local(port: u16) -> kamaji_datastore::HostPort {
    format!("127.0.0.1:{port}").parse().unwrap()
}
