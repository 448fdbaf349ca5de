//! An etcd with access control and two tenants, and the commands that save and restore it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use age::secrecy::ExposeSecret;
use etcd_client::{
    Certificate, Client, ConnectOptions, Error, Identity, Permission, PermissionType, TlsOptions,
};
use kamaji_e2e::{tls_etcd::TlsEtcd, tools::Tools};
use tempfile::TempDir;

/// Name of the etcd's one member.
const MEMBER: &str = "default";
pub const PASSWORD: &str = "password-of-a-tenant";

pub struct Store {
    pub etcd: TlsEtcd,
    pub folder: TempDir,
    /// Public key that snapshots are encrypted for.
    pub recipient: String,
}

impl Store {
    /// An etcd in which the tenants `a` and `b` reach what is below `/a/` and `/b/`.
    pub async fn start() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let tools = Tools::api_server().await.unwrap();
        let etcd = TlsEtcd::start(&tools).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let credentials = folder.path().join("root");
        fs::create_dir(&credentials).unwrap();
        let identities = &etcd.identities;
        for (name, text) in [
            ("ca.crt", &identities.authority.cert),
            ("tls.crt", &identities.root.cert),
            ("tls.key", &identities.root.key),
        ] {
            fs::write(credentials.join(name), text).unwrap();
        }
        let identity = age::x25519::Identity::generate();
        let recipient = identity.to_public().to_string();
        let key = folder.path().join("backup.key");
        fs::write(key, identity.to_string().expose_secret()).unwrap();
        let store = Self {
            etcd,
            folder,
            recipient,
        };
        let mut root = store.root().await;
        for tenant in ["a", "b"] {
            root.role_add(tenant).await.unwrap();
            let below = Permission::new(PermissionType::Readwrite, format!("/{tenant}/"));
            let below = below.with_prefix();
            root.role_grant_permission(tenant, below).await.unwrap();
            root.user_add(tenant, PASSWORD, None).await.unwrap();
            root.user_grant_role(tenant, tenant).await.unwrap();
            let key = format!("/{tenant}/first");
            root.put(key, "value", None).await.unwrap();
        }
        store
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn url(&self) -> String {
        format!("https://{}", self.etcd.endpoint)
    }

    /// Client with the administrator's certificate.
    pub async fn root(&self) -> Client {
        self.client(None).await.unwrap()
    }

    /// Client of a tenant, which logs in.
    pub async fn tenant(&self, name: &str) -> Result<Client, Error> {
        self.client(Some(name)).await
    }

    async fn client(&self, user: Option<&str>) -> Result<Client, Error> {
        let identities = &self.etcd.identities;
        let tls = TlsOptions::new()
            .ca_certificate(Certificate::from_pem(&identities.authority.cert))
            .identity(Identity::from_pem(
                &identities.root.cert,
                &identities.root.key,
            ));
        let mut options = ConnectOptions::new().with_tls(tls);
        if let Some(user) = user {
            options = options.with_user(user, PASSWORD);
        }
        Client::connect([self.url()], Some(options)).await
    }

    /// A command of `kamaji etcd` in which nothing of the environment is.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kamaji"));
        command
            .args(["etcd", "--namespace=default"])
            .args(arguments)
            .env_clear()
            .env("TMPDIR", self.folder.path())
            .env("HOME", self.folder.path());
        command
    }

    /// Saves to a file or a folder below the store's, encrypted.
    pub fn save(&self, location: &str, further: &[&str]) -> Output {
        self.save_from(&self.url(), location, further)
    }

    /// Saves from the etcd at a URL, with the flags of [`Store::save`].
    pub fn save_from(&self, url: &str, location: &str, further: &[&str]) -> Output {
        let location = format!("{}/{location}", self.folder.path().display());
        let credentials = format!("--credentials={}", self.path("root").display());
        let base = ["save", &location, &credentials, "--endpoint", url];
        let mut command = self.command(&base);
        let output = command.args(["--recipient", &self.recipient]).args(further);
        output.output().unwrap()
    }

    /// Opens a snapshot into `opened.db` for etcdutl.
    pub fn open(&self, snapshot: &Path) -> Output {
        let [to, data] = [self.path("opened.db"), self.etcd.data_dir()];
        let mut command = self.command(&["restore"]);
        command.arg(snapshot).arg("--to").arg(to);
        command.arg("--data-dir").arg(data);
        command.arg("--identity").arg(self.path("backup.key"));
        command.output().unwrap()
    }

    /// Lets etcdutl make a member's data of `opened.db`, as the chart's Job does.
    pub async fn etcdutl(&self, restore: &str, bump: u64) -> Output {
        let mut command = Tools::etcdutl().await.unwrap().command("etcdutl").unwrap();
        let staging = self.etcd.data_dir().join("restoring");
        let peer = &self.etcd.peer;
        command
            .args(["snapshot", "restore"])
            .arg(self.path("opened.db"))
            .arg(format!("--data-dir={}", staging.display()))
            .arg(format!("--name={MEMBER}"))
            .arg(format!("--initial-cluster={MEMBER}={peer}"))
            .arg(format!("--initial-advertise-peer-urls={peer}"))
            .arg(format!("--initial-cluster-token={restore}"))
            .arg(format!("--bump-revision={bump}"))
            .arg("--mark-compacted");
        command.output().unwrap()
    }
}

/// Standard output of a command that has succeeded.
pub fn ok(output: &Output) -> String {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// Standard error of a command that has failed.
pub fn refused(output: &Output) -> String {
    assert!(!output.status.success(), "it succeeded: {output:?}");
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Names of the files in a folder, sorted.
pub fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}
