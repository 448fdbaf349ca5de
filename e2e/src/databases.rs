//! Databases beside etcd that tenants keep their data in: servers on the management node, and their DataStores.
//!
//! A server is started by the scenario that needs it. Its data and certificates are in a folder of its own, and it
//! ends with the testbed.

pub mod mariadb;
pub mod nats;
pub mod postgresql;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::audit::OPERATOR_NAMESPACE;
use crate::bed::Bed;
use crate::kubectl::Kubectl;
use crate::management::NODE;
use crate::node::Node;
use crate::pki::Authority;

/// User that the operator logs in as.
pub const ADMINISTRATOR: &str = "kamaji";

/// Kind of the connections that a server accepts; it refuses others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channel {
    /// TCP without encryption; the servers demand a password.
    Plain,
    /// TLS, without a certificate of the client.
    Tls,
    /// TLS with a certificate of the client.
    MutualTls,
}

/// Driver of a DataStore, and what its servers have in common.
#[derive(Debug, Clone, Copy)]
struct Kind {
    /// Name of processes, folders and DataStores.
    name: &'static str,
    /// Driver of the DataStore, as in `spec.driver`.
    driver: &'static str,
    /// Port of the server for [`Channel::Tls`] and [`Channel::MutualTls`]; that of [`Channel::Plain`] follows.
    port: u16,
    /// Password by which the operator logs in, in the clear.
    password: &'static str,
}

/// One database server of a testbed.
#[derive(Debug, Clone)]
pub struct Server {
    bed: Bed,
    kind: Kind,
    channel: Channel,
}

impl Server {
    fn new(bed: &Bed, kind: Kind, channel: Channel) -> Self {
        Self {
            bed: bed.clone(),
            kind,
            channel,
        }
    }

    /// Name of the server, of its process, its folder and its DataStore.
    pub fn name(&self) -> String {
        let suffix = match self.channel {
            Channel::Plain => "-plain",
            Channel::Tls | Channel::MutualTls => "",
        };
        format!("{}{suffix}", self.kind.name)
    }

    /// Port of the server.
    pub fn port(&self) -> u16 {
        self.kind.port + u16::from(self.channel == Channel::Plain)
    }

    /// Address of the server, which pods, the operator and this machine reach.
    pub fn address(&self) -> String {
        self.bed.layout.management_ip().to_string()
    }

    /// Password by which the operator logs in, in the clear.
    pub fn password(&self) -> &'static str {
        self.kind.password
    }

    /// Stops the server and removes its data.
    pub async fn stop(&self) -> Result<()> {
        let grace = Duration::from_secs(5);
        self.bed.processes.stop(&self.name(), grace).await?;
        let dir = self.dir();
        fs::remove_dir_all(&dir).with_context(|| format!("remove {}", dir.display()))
    }

    /// Applies the DataStore of the server, and a Secret of the same name with its credentials.
    pub async fn apply_data_store(&self, kubectl: &Kubectl) -> Result<()> {
        let name = self.name();
        let reference = |key: &str| {
            json!({"secretReference": {
                "name": name, "namespace": OPERATOR_NAMESPACE, "keyPath": key}})
        };
        let mut spec = json!({
            "driver": self.kind.driver,
            "endpoints": [format!("{}:{}", self.address(), self.port())],
            "basicAuth": {"username": reference("username"), "password": reference("password")},
        });
        let mut data = json!({"username": ADMINISTRATOR, "password": self.kind.password});
        if self.channel != Channel::Plain {
            data["ca.crt"] = self.read("ca.crt")?;
            spec["tlsConfig"] =
                json!({"certificateAuthority": {"certificate": reference("ca.crt")}});
        }
        if self.channel == Channel::MutualTls {
            data["tls.crt"] = self.read("client.crt")?;
            data["tls.key"] = self.read("client.key")?;
            spec["tlsConfig"]["clientCertificate"] =
                json!({"certificate": reference("tls.crt"), "privateKey": reference("tls.key")});
        }
        let objects = json!({"apiVersion": "v1", "kind": "List", "items": [
            {
                "apiVersion": "v1", "kind": "Secret", "stringData": data,
                "metadata": {"name": name, "namespace": OPERATOR_NAMESPACE},
            },
            {
                "apiVersion": "kamaji.clastix.io/v1alpha1", "kind": "DataStore",
                "metadata": {"name": name}, "spec": spec,
            },
        ]});
        kubectl.apply(&objects.to_string()).await
    }

    fn dir(&self) -> PathBuf {
        self.bed.layout.dir(&self.name())
    }

    /// Path of a file of the server.
    fn file(&self, name: &str) -> PathBuf {
        self.dir().join(name)
    }

    fn read(&self, name: &str) -> Result<Value> {
        let path = self.file(name);
        let text = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
        Ok(text.into())
    }

    /// True if the server was started before.
    fn is_running(&self) -> bool {
        self.bed.processes.is_alive(&self.name())
    }

    /// Makes the folder of the server and, for TLS, its authority and the certificates of server and client.
    fn prepare(&self) -> Result<()> {
        let dir = self.dir();
        fs::create_dir_all(&dir).with_context(|| format!("create {}", dir.display()))?;
        if self.channel == Channel::Plain {
            return Ok(());
        }
        let authority = Authority::new(&format!("{}-ca", self.kind.name))?;
        let server = authority.server(self.kind.name, &[&self.address(), "127.0.0.1"])?;
        let client = authority.client(ADMINISTRATOR, None)?;
        self.write("ca.crt", &authority.pair().cert)?;
        for (name, pair) in [("server", server), ("client", client)] {
            self.write(&format!("{name}.crt"), &pair.cert)?;
            self.write(&format!("{name}.key"), &pair.key)?;
        }
        Ok(())
    }

    /// Writes a file of the server that only its owner reads: PostgreSQL refuses other keys.
    fn write(&self, name: &str, text: &str) -> Result<()> {
        let path = self.file(name);
        fs::write(&path, text).with_context(|| format!("write {}", path.display()))?;
        fs::set_permissions(&path, Permissions::from_mode(0o600))
            .with_context(|| format!("protect {}", path.display()))
    }

    /// A command on the management node; the caller adds arguments.
    fn command(&self, program: &str) -> Result<Command> {
        Node::named(&self.bed, NODE)?.command(program)
    }

    fn spawn(&self, command: Command) -> Result<()> {
        self.bed.processes.spawn(&self.name(), command)?;
        Ok(())
    }
}
