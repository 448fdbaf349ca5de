//! API server for tests without other components, started within seconds.
//!
//! etcd and kube-apiserver on free ports of the loopback device, in a folder that is removed with
//! them. They end when the value is dropped, and also when the test is killed.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use kube::Client;
use tempfile::TempDir;

use crate::audit::{Audit, policy};
use crate::kubeconfig::{client, kubeconfig};
use crate::pki::{Authority, bare_key};
use crate::ports::free_port;
use crate::process_guard::Guarded;
use crate::tools::Tools;
use crate::wait::until;

/// Options of a lone API server beyond its defaults.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Further arguments of kube-apiserver; the last one of a name wins.
    pub args: Vec<String>,
    /// True writes requests to an audit log.
    pub audit: bool,
}

/// An API server with its etcd.
#[derive(Debug)]
pub struct ApiServer {
    // In the order in which they have to end.
    apiserver: Guarded,
    etcd: Guarded,
    dir: TempDir,
    url: String,
    store: String,
}

impl ApiServer {
    /// Starts both and waits until the API server is ready.
    pub async fn start(tools: &Tools, options: Options) -> Result<Self> {
        let dir = tempfile::tempdir().context("make a folder")?;
        let (etcd, endpoint) = plain_etcd(tools, dir.path())?;
        let port = free_port()?;
        let url = format!("https://127.0.0.1:{port}");
        let files = Files::write(dir.path(), &url)?;
        let mut command = tools.command("kube-apiserver")?;
        command.args(files.args(&endpoint, port));
        if options.audit {
            let path = dir.path().join("policy.yaml");
            std::fs::write(&path, policy())?;
            command.arg(format!("--audit-policy-file={}", path.display()));
            command.arg(format!("--audit-log-path={}", files.audit().display()));
        }
        command.args(&options.args);
        let log = dir.path().join("apiserver.log");
        let apiserver = Guarded::spawn(&command, &log)?;
        let server = Self {
            apiserver,
            etcd,
            dir,
            url,
            store: endpoint,
        };
        server.wait_ready(&log).await?;
        Ok(server)
    }

    async fn wait_ready(&self, log: &Path) -> Result<()> {
        let client = self.client().await?;
        let ready = until(
            "the API server is ready",
            Duration::from_mins(1),
            || async {
                let request = http_get("/readyz")?;
                Ok(client.request_text(request).await?)
            },
        );
        ready.await.with_context(|| {
            let text = std::fs::read_to_string(log).unwrap_or_default();
            format!(
                "log of kube-apiserver:\n{}",
                crate::command::tail(&text, 15)
            )
        })?;
        Ok(())
    }

    /// A command that runs a further API server with the same data, identity and default arguments, on a
    /// port of its own.
    pub fn replica(&self, tools: &Tools) -> Result<Command> {
        let files = Files {
            dir: self.dir.path(),
        };
        let mut command = tools.command("kube-apiserver")?;
        command.args(files.args(&self.store, free_port()?));
        Ok(command)
    }

    /// Process ids of kube-apiserver and of its etcd.
    pub fn pids(&self) -> Result<[u32; 2]> {
        Ok([self.apiserver.pid()?, self.etcd.pid()?])
    }

    /// URL of the API server.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Kubeconfig file of an administrator.
    pub fn kubeconfig(&self) -> PathBuf {
        self.dir.path().join("kubeconfig")
    }

    /// Client of an administrator.
    pub async fn client(&self) -> Result<Client> {
        client(&self.kubeconfig()).await
    }

    /// Audit log of the server; an error unless [`Options::audit`] was set.
    pub fn audit(&self) -> Audit {
        Audit::at(self.dir.path().join("audit.log"))
    }
}

/// Certificates and keys of one API server.
struct Files<'a> {
    dir: &'a Path,
}

impl<'a> Files<'a> {
    fn write(dir: &'a Path, url: &str) -> Result<Self> {
        let files = Self { dir };
        let authority = Authority::new("kubernetes")?;
        let hosts = [
            "127.0.0.1",
            "localhost",
            "kubernetes.default.svc",
            "10.0.0.1",
        ];
        let serving = authority.server("kube-apiserver", &hosts)?;
        let admin = authority.client("admin", Some("system:masters"))?;
        let (private, public) = bare_key()?;
        let access = kubeconfig(url, &authority.pair().cert, &admin).to_string();
        for (name, content) in [
            ("ca.crt", &authority.pair().cert),
            ("serving.crt", &serving.cert),
            ("serving.key", &serving.key),
            ("sa.key", &private),
            ("sa.pub", &public),
            ("kubeconfig", &access),
        ] {
            std::fs::write(files.path(name), content).with_context(|| format!("write {name}"))?;
        }
        Ok(files)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    fn audit(&self) -> PathBuf {
        self.path("audit.log")
    }

    fn args(&self, etcd: &str, port: u16) -> Vec<String> {
        let file = |flag: &str, name: &str| format!("--{flag}={}", self.path(name).display());
        vec![
            format!("--etcd-servers={etcd}"),
            format!("--secure-port={port}"),
            "--bind-address=127.0.0.1".into(),
            "--advertise-address=127.0.0.1".into(),
            // Kubernetes 1.37 publishes no loopback address, and nothing here needs one.
            "--endpoint-reconciler-type=none".into(),
            "--service-cluster-ip-range=10.0.0.0/16".into(),
            "--authorization-mode=RBAC".into(),
            "--allow-privileged=true".into(),
            "--service-account-issuer=https://kubernetes.default.svc".into(),
            // Without a controller manager no ServiceAccounts are created, which pods would wait for.
            "--disable-admission-plugins=ServiceAccount".into(),
            file("client-ca-file", "ca.crt"),
            file("tls-cert-file", "serving.crt"),
            file("tls-private-key-file", "serving.key"),
            file("service-account-key-file", "sa.pub"),
            file("service-account-signing-key-file", "sa.key"),
        ]
    }
}

/// An etcd without TLS; returns its client URL.
fn plain_etcd(tools: &Tools, dir: &Path) -> Result<(Guarded, String)> {
    let url = format!("http://127.0.0.1:{}", free_port()?);
    let peer = format!("http://127.0.0.1:{}", free_port()?);
    let mut command = tools.command("etcd")?;
    command.args(etcd_args(&dir.join("etcd"), &url, &peer));
    Ok((Guarded::spawn(&command, &dir.join("etcd.log"))?, url))
}

/// Arguments of an etcd of one member whose data need not survive the machine.
pub fn etcd_args(data: &Path, client: &str, peer: &str) -> Vec<String> {
    vec![
        "--name=default".into(),
        format!("--data-dir={}", data.display()),
        format!("--listen-client-urls={client}"),
        format!("--advertise-client-urls={client}"),
        format!("--listen-peer-urls={peer}"),
        format!("--initial-advertise-peer-urls={peer}"),
        format!("--initial-cluster=default={peer}"),
        "--unsafe-no-fsync=true".into(),
        "--log-level=warn".into(),
    ]
}

fn http_get(path: &str) -> Result<http::Request<Vec<u8>>> {
    Ok(http::Request::get(path).body(Vec::new())?)
}
