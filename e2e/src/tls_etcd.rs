//! An etcd with TLS and users for tests, like the one that tenants keep their data in.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::command::{output, words};
use crate::envtest::etcd_args;
use crate::pki::{Authority, Pair};
use crate::ports::free_port;
use crate::process_guard::Guarded;
use crate::tools::Tools;
use crate::wait::until;

/// Certificates of an etcd that accepts only clients with certificates.
#[derive(Debug, Clone)]
pub struct Identities {
    /// Authority that signs the server's and the clients' certificates.
    pub authority: Pair,
    /// Serving certificate of the etcd.
    pub server: Pair,
    /// Client certificate of the user `root`.
    pub root: Pair,
}

impl Identities {
    /// New certificates for an etcd that is reached at one of `hosts`.
    pub fn new(hosts: &[&str]) -> Result<Self> {
        let authority = Authority::new("etcd-ca")?;
        Ok(Self {
            server: authority.server("etcd", hosts)?,
            root: authority.client("root", None)?,
            authority: authority.pair().clone(),
        })
    }

    /// Writes the files below a folder, where [`command_line`] expects them.
    pub fn write(&self, dir: &Path) -> Result<()> {
        std::fs::create_dir_all(dir).with_context(|| format!("create {}", dir.display()))?;
        for (name, pair) in [
            ("ca", &self.authority),
            ("server", &self.server),
            ("root", &self.root),
        ] {
            std::fs::write(dir.join(format!("{name}.crt")), &pair.cert)?;
            std::fs::write(dir.join(format!("{name}.key")), &pair.key)?;
        }
        Ok(())
    }
}

/// Arguments of an etcd with client certificates at `client`, its files below `dir`.
pub fn command_line(dir: &Path, client: &str, peer: &str) -> Vec<String> {
    let file = |flag: &str, name: &str| format!("--{flag}={}", dir.join(name).display());
    let mut args = etcd_args(&dir.join("data"), client, peer);
    args.extend([
        "--client-cert-auth=true".into(),
        file("trusted-ca-file", "ca.crt"),
        file("cert-file", "server.crt"),
        file("key-file", "server.key"),
    ]);
    args
}

/// Creates the user and the role `root` and switches authentication on. The gateway of etcd refuses
/// certificates with a name once it is on, so this is done exactly once.
pub async fn enable_auth(dir: &Path, url: &str, prefix: impl Fn() -> Command) -> Result<()> {
    let call = async |path: &str, body: &str| {
        let mut curl = prefix();
        curl.args([
            "-sS",
            "--fail-with-body",
            "--max-time",
            "5",
            "-d",
            body,
            "--cacert",
        ]);
        curl.arg(dir.join("ca.crt"))
            .arg("--cert")
            .arg(dir.join("root.crt"));
        curl.arg("--key")
            .arg(dir.join("root.key"))
            .arg(format!("{url}/v3/{path}"));
        output(curl).await
    };
    until("etcd answers", Duration::from_secs(20), || {
        call("maintenance/status", "{}")
    })
    .await?;
    call(
        "auth/user/add",
        r#"{"name":"root","options":{"no_password":true}}"#,
    )
    .await?;
    call("auth/role/add", r#"{"name":"root"}"#).await?;
    call("auth/user/grant", r#"{"user":"root","role":"root"}"#).await?;
    call("auth/enable", "{}").await?;
    Ok(())
}

/// An etcd with TLS, client certificates and authentication on the loopback device.
#[derive(Debug)]
pub struct TlsEtcd {
    etcd: Option<Guarded>,
    command: Command,
    dir: TempDir,
    /// URL under which other members would know it.
    pub peer: String,
    /// Endpoint as a DataStore names it: `127.0.0.1:PORT`.
    pub endpoint: String,
    /// Certificates and keys of the etcd.
    pub identities: Identities,
}

impl TlsEtcd {
    /// Starts the etcd and waits until it answers.
    pub async fn start(tools: &Tools) -> Result<Self> {
        let dir = tempfile::tempdir().context("make a folder")?;
        let identities = Identities::new(&["127.0.0.1", "localhost"])?;
        identities.write(dir.path())?;
        let endpoint = format!("127.0.0.1:{}", free_port()?);
        let url = format!("https://{endpoint}");
        let peer = format!("http://127.0.0.1:{}", free_port()?);
        let mut command = tools.command("etcd")?;
        command.args(command_line(dir.path(), &url, &peer));
        let log: PathBuf = dir.path().join("etcd.log");
        let etcd = Guarded::spawn(&command, &log)?;
        enable_auth(dir.path(), &url, || words("curl"))
            .await
            .with_context(|| {
                let text = std::fs::read_to_string(&log).unwrap_or_default();
                format!("log of etcd:\n{}", crate::command::tail(&text, 15))
            })?;
        Ok(Self {
            etcd: Some(etcd),
            command,
            dir,
            peer,
            endpoint,
            identities,
        })
    }

    /// Process id of the running etcd.
    pub fn pid(&self) -> Result<u32> {
        self.etcd.as_ref().context("the etcd is stopped")?.pid()
    }

    /// Kills the etcd; its data stays.
    pub fn stop(&mut self) {
        self.etcd = None;
    }

    /// Folder of the data.
    pub fn data_dir(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// Restarts the etcd at the same address with the same data.
    pub fn resume(&mut self) -> Result<()> {
        let log = self.dir.path().join("etcd-resumed.log");
        self.etcd = Some(Guarded::spawn(&self.command, &log)?);
        Ok(())
    }
}
