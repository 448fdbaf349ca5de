//! Certificates and kubeconfigs of the management cluster, made by kubeadm's phases.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::bed::Bed;
use crate::command::output;
use crate::node::CRI_SOCKET;
use crate::tools::kubernetes_version;

/// Certificates and kubeconfigs of the management cluster.
#[derive(Debug, Clone)]
pub struct Certs {
    dir: PathBuf,
}

impl Certs {
    /// Certificates of a testbed, made or not.
    pub fn of(bed: &Bed) -> Self {
        Self {
            dir: bed.layout.dir("kubernetes"),
        }
    }

    /// Lets kubeadm make all certificates and kubeconfigs.
    pub async fn make(&self, bed: &Bed) -> Result<()> {
        fs::create_dir_all(&self.dir).with_context(|| format!("create {}", self.dir.display()))?;
        fs::write(self.config(), self.kubeadm_config(bed)?)?;
        for phase in ["certs all", "kubeconfig all --kubeconfig-dir"] {
            let mut kubeadm = bed.tools.command("kubeadm")?;
            kubeadm.args(["init", "phase"]).args(phase.split(' '));
            if phase.ends_with("dir") {
                kubeadm.arg(&self.dir);
            }
            kubeadm.arg("--config").arg(self.config());
            output(kubeadm).await?;
        }
        fs::copy(self.kubeconfig("super-admin"), bed.layout.kubeconfig())?;
        Ok(())
    }

    /// Configuration file that kubeadm is called with.
    pub fn config(&self) -> PathBuf {
        self.dir.join("kubeadm.yaml")
    }

    /// A file of the PKI, such as `ca.crt`.
    pub fn file(&self, name: &str) -> PathBuf {
        self.dir.join("pki").join(name)
    }

    /// The kubeconfig of an identity, such as `scheduler`.
    pub fn kubeconfig(&self, identity: &str) -> PathBuf {
        self.dir.join(format!("{identity}.conf"))
    }

    fn kubeadm_config(&self, bed: &Bed) -> Result<String> {
        let layout = &bed.layout;
        let (address, port) = (layout.management_ip(), layout.api_port);
        Ok(format!(
            "apiVersion: kubeadm.k8s.io/v1beta4
kind: InitConfiguration
localAPIEndpoint: {{advertiseAddress: {address}, bindPort: {port}}}
nodeRegistration: {{name: mgmt, criSocket: '{CRI_SOCKET}'}}
---
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
kubernetesVersion: {version}
clusterName: management
certificatesDir: {certs}
controlPlaneEndpoint: {address}:{port}
encryptionAlgorithm: ECDSA-P256
networking: {{podSubnet: {pods}, serviceSubnet: {services}}}
apiServer: {{certSANs: [127.0.0.1, localhost, {address}]}}
",
            version = kubernetes_version()?,
            certs = self.dir.join("pki").display(),
            pods = layout.pod_cidr,
            services = layout.service_cidr,
        ))
    }
}
