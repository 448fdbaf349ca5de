//! A real etcd for one test, which ends with the value.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use etcd_client::{
    Certificate, Client, ConnectOptions, Identity as ClientIdentity, MemberAddOptions, TlsOptions,
    UserAddOptions,
};
use kamaji_datastore::{Connection, DataStore, Driver, HostPort, Identity, Tls, connect};
use tempfile::TempDir;

use crate::pki::Pki;
use crate::ports::free_ports;
use crate::process::{Launched, Process, start};
use crate::tools::find;

pub struct Server {
    process: Process,
    _files: TempDir,
    pub port: u16,
    peer: String,
    pub pki: Arc<Pki>,
}

/// Start of an etcd: certificates, peers, arguments.
struct Setup<'a> {
    pki: Arc<Pki>,
    peer: String,
    /// Name of the member, its cluster, and further arguments.
    args: &'a [&'a str],
}

impl Launched for Server {
    const NAME: &'static str = "etcd";

    fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    async fn serves(&mut self) -> bool {
        self.client("root").await.get("/", None).await.is_ok()
    }
}

impl Server {
    /// Starts an etcd with access control.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// Starts an etcd with access control and further arguments.
    pub async fn start_with(args: &[&str]) -> Self {
        let binary = find("etcd", "etcd-");
        let server = start(|| Self::launch_alone(&binary, args)).await;
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
        let binary = find("etcd", "etcd-");
        start(|| Self::launch_alone(&binary, &[])).await
    }

    /// A second member of the same cluster, which has no vote and takes no request of the tenants.
    pub async fn learner(&self) -> Self {
        let peer = free_peer();
        let mut admin = self.client("root").await;
        let as_learner = MemberAddOptions::new().with_is_learner();
        let added = admin.member_add([peer.as_str()], Some(as_learner)).await;
        added.unwrap();
        let cluster = format!("--initial-cluster=test={},learner={peer}", self.peer);
        let setup = Setup {
            pki: Arc::clone(&self.pki),
            peer,
            args: &[
                "--name=learner",
                &cluster,
                "--initial-cluster-state=existing",
            ],
        };
        let learner = Self::launch(&find("etcd", "etcd-"), setup);
        let since = Instant::now();
        loop {
            let mut client = learner.client("root").await;
            if client
                .status()
                .await
                .is_ok_and(|status| status.is_learner())
            {
                return learner;
            }
            assert!(
                since.elapsed() < Duration::from_secs(20),
                "it does not serve"
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    fn launch_alone(binary: &Path, args: &[&str]) -> Self {
        let peer = free_peer();
        let cluster = format!("--initial-cluster=test={peer}");
        let args = [&["--name=test", cluster.as_str()], args].concat();
        let setup = Setup {
            pki: Arc::new(Pki::new()),
            peer,
            args: &args,
        };
        Self::launch(binary, setup)
    }

    fn launch(binary: &Path, setup: Setup) -> Self {
        let files = tempfile::tempdir().unwrap();
        let Setup { pki, peer, args } = setup;
        let path = |name: &str| files.path().join(name).display().to_string();
        pki.write_server(files.path());
        let [port] = free_ports();
        let clients = format!("https://127.0.0.1:{port}");
        let mut command = Command::new(binary);
        command
            .args([
                "--unsafe-no-fsync",
                "--client-cert-auth",
                "--log-level=fatal",
            ])
            .arg(format!("--data-dir={}", path("data")))
            .arg(format!("--listen-client-urls={clients}"))
            .arg(format!("--advertise-client-urls={clients}"))
            .arg(format!("--listen-peer-urls={peer}"))
            .arg(format!("--initial-advertise-peer-urls={peer}"))
            .arg(format!("--trusted-ca-file={}", path("ca.crt")))
            .arg(format!("--cert-file={}", path("server.crt")))
            .arg(format!("--key-file={}", path("server.key")))
            .args(args)
            .stderr(Stdio::null());
        Self {
            process: Process::spawn(&mut command, "KILL"),
            _files: files,
            port,
            peer,
            pki,
        }
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

/// An address at which other members of the cluster reach this one.
fn free_peer() -> String {
    let [port] = free_ports();
    format!("http://127.0.0.1:{port}")
}

fn local(port: u16) -> HostPort {
    format!("127.0.0.1:{port}").parse().unwrap()
}
