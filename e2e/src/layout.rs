//! Names, addresses and folders of one testbed.
//!
//! All of them are derived from one [`Layout`], so that two testbeds with different layouts do not
//! meet.

use std::env;
use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// Names, addresses and folders of one testbed.
#[derive(Debug, Clone)]
pub struct Layout {
    /// Prefix of network namespaces, devices and control groups; at most eight characters, since a
    /// device name has no room for more.
    pub name: String,
    /// Folder of logs, pids, certificates and data, removed when the testbed goes down.
    pub state: PathBuf,
    /// First three bytes of the network of the nodes, a /24.
    pub node_net: [u8; 3],
    /// Range of the management cluster's pods.
    pub pod_cidr: String,
    /// Range of the management cluster's Services.
    pub service_cidr: String,
    /// Address of the Service `kube-system/kube-dns`.
    pub dns_service: Ipv4Addr,
    /// Port of the management API server.
    pub api_port: u16,
    /// Client port of the etcd that tenants store their data in.
    pub datastore_port: u16,
}

impl Layout {
    /// Layout of `make up` and of the scenarios; `KAMAJI_E2E_STATE` moves its state folder.
    pub fn from_env() -> Result<Self> {
        let state = match env::var_os("KAMAJI_E2E_STATE") {
            Some(path) => PathBuf::from(path),
            None => base_dir("XDG_STATE_HOME", ".local/state")?.join("kamaji-testbed"),
        };
        Ok(Self::at(std::path::absolute(state)?))
    }

    /// Layout with the usual names and addresses, and its state in `state`.
    pub fn at(state: PathBuf) -> Self {
        Self {
            name: "kamaji".into(),
            state,
            node_net: [172, 30, 0],
            pod_cidr: "10.244.0.0/16".into(),
            service_cidr: "10.96.0.0/16".into(),
            dns_service: Ipv4Addr::new(10, 96, 0, 10),
            api_port: 6443,
            datastore_port: 12379,
        }
    }

    fn node_ip(&self, last: u8) -> Ipv4Addr {
        let [a, b, c] = self.node_net;
        Ipv4Addr::new(a, b, c, last)
    }

    /// Address of the management node, of its API server, its DNS and of the datastores.
    pub fn management_ip(&self) -> Ipv4Addr {
        self.node_ip(1)
    }

    /// Address of this machine on the network of the nodes.
    pub fn host_ip(&self) -> Ipv4Addr {
        self.node_ip(254)
    }

    /// Address of a worker; indexes go from 0 to 15.
    pub fn worker_ip(&self, index: u8) -> Ipv4Addr {
        self.node_ip(16 + index)
    }

    /// Address that a tenant's Service may take (`externalIPs`, load balancer): routed to the
    /// management node from the host and from every worker. Numbers go from 0 to 95.
    pub fn vip(&self, number: u8) -> Ipv4Addr {
        self.node_ip(32 + number)
    }

    /// Ranges of the addresses of [`Layout::vip`], as routes.
    pub fn vip_ranges(&self) -> [String; 2] {
        [
            format!("{}/27", self.node_ip(32)),
            format!("{}/26", self.node_ip(64)),
        ]
    }

    /// URL of the management API server.
    pub fn api_url(&self) -> String {
        format!("https://{}:{}", self.management_ip(), self.api_port)
    }

    /// Name of something of this testbed that is visible outside it.
    pub fn named(&self, what: &str) -> String {
        format!("{}-{what}", self.name)
    }

    /// Folder of one part of the testbed: a node, `etcd`, `images`.
    pub fn dir(&self, part: &str) -> PathBuf {
        self.state.join(part)
    }

    /// Kubeconfig of an administrator of the management cluster.
    pub fn kubeconfig(&self) -> PathBuf {
        self.state.join("management.kubeconfig")
    }

    /// Audit log of the management API server.
    pub fn audit_log(&self) -> PathBuf {
        self.state.join("audit.log")
    }
}

/// Folder of built binaries, shared by all checkouts of a user.
pub fn cache_dir() -> Result<PathBuf> {
    Ok(base_dir("XDG_CACHE_HOME", ".cache")?.join("kamaji-e2e"))
}

/// Folder of this crate in the checkout.
pub fn crate_dir() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Content of a file of `manifests/`.
pub fn manifest(name: &str) -> Result<String> {
    let path = manifest_path(name);
    fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))
}

/// Path of a file of `manifests/`.
pub fn manifest_path(name: &str) -> PathBuf {
    crate_dir().join("manifests").join(name)
}

/// Root folder of the checkout.
pub fn checkout() -> &'static Path {
    crate_dir().parent().unwrap_or_else(|| crate_dir())
}

fn base_dir(variable: &str, below_home: &str) -> Result<PathBuf> {
    if let Some(path) = env::var_os(variable).filter(|value| !value.is_empty()) {
        return Ok(PathBuf::from(path));
    }
    let home =
        env::var_os("HOME").with_context(|| format!("neither {variable} nor HOME is set"))?;
    Ok(PathBuf::from(home).join(below_home))
}
