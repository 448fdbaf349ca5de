//! A real etcd for one test, which ends with the value.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use etcd_client::{
    Certificate, Client, ConnectOptions, Identity as ClientIdentity, TlsOptions, UserAddOptions,
};
use kamaji_datastore::{Connection, DataStore, Driver, HostPort, Identity, Tls, connect};
use tempfile::TempDir;

use crate::pki::Pki;

pub struct Server {
    process: Child,
    _files: TempDir,
    pub port: u16,
    pub pki: Pki,
}

impl Drop for Server {
    fn drop(&mut self) {
        // A process that is already gone is what this is for.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Server {
    /// Starts an etcd with access control.
    pub async fn start() -> Self {
        let server = Self::start_open().await;
        let mut admin = server.client("root").await;
        let by_certificate = UserAddOptions::new().with_no_pwd();
        admin
            .user_add("root", "", Some(by_certificate))
            .await
            .unwrap();
        admin.role_add("root").await.unwrap();
        admin.user_grant_role("root", "root").await.unwrap();
        admin.auth_client().auth_enable().await.unwrap();
        server
    }

    /// Without access control, as etcd comes: any client certificate may do everything.
    pub async fn start_open() -> Self {
        let binary = find_etcd();
        for _ in 0..5 {
            let mut server = Self::launch(&binary);
            if server.answers().await {
                return server;
            }
        }
        panic!(
            "etcd did not come up in five attempts: {}",
            binary.display()
        );
    }

    fn launch(binary: &Path) -> Self {
        let files = tempfile::tempdir().unwrap();
        let pki = Pki::new();
        let path = |name: &str| files.path().join(name).display().to_string();
        pki.write_server(files.path());
        let (port, peer_port) = free_ports();
        let (clients, peers) = (
            format!("https://127.0.0.1:{port}"),
            format!("http://127.0.0.1:{peer_port}"),
        );
        let process = Command::new(binary)
            .args([
                "--name=test",
                "--unsafe-no-fsync",
                "--client-cert-auth",
                "--log-level=fatal",
            ])
            .arg(format!("--data-dir={}", path("data")))
            .arg(format!("--listen-client-urls={clients}"))
            .arg(format!("--advertise-client-urls={clients}"))
            .arg(format!("--listen-peer-urls={peers}"))
            .arg(format!("--initial-advertise-peer-urls={peers}"))
            .arg(format!("--initial-cluster=test={peers}"))
            .arg(format!("--trusted-ca-file={}", path("ca.crt")))
            .arg(format!("--cert-file={}", path("server.crt")))
            .arg(format!("--key-file={}", path("server.key")))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self {
            process,
            _files: files,
            port,
            pki,
        }
    }

    /// Waits until the etcd serves; false if it has ended, as it does when another process took its port.
    async fn answers(&mut self) -> bool {
        for _ in 0..600 {
            if self.process.try_wait().unwrap().is_some() {
                return false;
            }
            if self.client("root").await.get("/", None).await.is_ok() {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        false
    }

    /// A bare client with a certificate of this name.
    pub async fn client(&self, name: &str) -> Client {
        let Identity { cert_pem, key_pem } = self.pki.client(name);
        let tls = TlsOptions::new()
            .ca_certificate(Certificate::from_pem(self.pki.ca_pem()))
            .identity(ClientIdentity::from_pem(cert_pem, key_pem));
        let options = ConnectOptions::new()
            .with_tls(tls)
            .with_timeout(Duration::from_secs(10));
        let url = format!("https://127.0.0.1:{}", self.port);
        Client::connect([url], Some(options)).await.unwrap()
    }

    /// Connection data of the operator for this server.
    pub fn connection(&self) -> Connection {
        let client = Some(self.pki.client("root"));
        Connection {
            driver: Driver::Etcd,
            endpoints: vec![local(self.port)],
            tls: Some(Tls {
                ca_pem: self.pki.ca_pem(),
                client,
            }),
            basic_auth: None,
            without_access_control: false,
        }
    }

    /// The same with another client certificate.
    pub fn connection_as(&self, identity: Identity) -> Connection {
        let tls = Tls {
            ca_pem: self.pki.ca_pem(),
            client: Some(identity),
        };
        Connection {
            tls: Some(tls),
            ..self.connection()
        }
    }

    /// The same through other ports.
    pub fn connection_through(&self, ports: &[u16]) -> Connection {
        let endpoints = ports.iter().map(|port| local(*port)).collect();
        Connection {
            endpoints,
            ..self.connection()
        }
    }

    pub async fn store(&self) -> Box<dyn DataStore> {
        connect(&self.connection()).await.unwrap()
    }
}

fn local(port: u16) -> HostPort {
    format!("127.0.0.1:{port}").parse().unwrap()
}

/// Two ports that are free.
pub fn free_ports() -> (u16, u16) {
    let bind = || TcpListener::bind("127.0.0.1:0").unwrap();
    let (one, other) = (bind(), bind());
    (
        one.local_addr().unwrap().port(),
        other.local_addr().unwrap().port(),
    )
}

fn find_etcd() -> PathBuf {
    let variable = |name| std::env::var_os(name).map(PathBuf::from);
    let named = ["KAMAJI_E2E_BIN", "KUBEBUILDER_ASSETS"]
        .into_iter()
        .filter_map(variable);
    let cache = variable("XDG_CACHE_HOME")
        .or_else(|| variable("HOME").map(|home| home.join(".cache")))
        .map(|cache| cache.join("kamaji-e2e"));
    let built = cache
        .and_then(|cache| std::fs::read_dir(cache).ok())
        .into_iter()
        .flatten()
        .filter_map(Result::ok)
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("etcd-"))
        .map(|entry| entry.path().join("bin"))
        .max_by_key(|folder| folder.metadata().and_then(|about| about.modified()).ok());
    let found = named
        .chain(built)
        .map(|folder| folder.join("etcd"))
        .find(|path| path.is_file());
    found.expect(
        "no etcd in KAMAJI_E2E_BIN, KUBEBUILDER_ASSETS or the cache: `make tools` builds one",
    )
}
