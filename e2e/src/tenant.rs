//! Tenants of the testbed: apply, wait, reach, delete.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;

use crate::kubectl::Kubectl;
use crate::testbed::Testbed;
use crate::wait::until;

/// A TenantControlPlane of the management cluster.
#[derive(Debug, Clone)]
pub struct Tenant {
    testbed: Testbed,
    kubectl: Kubectl,
    namespace: String,
    name: String,
}

impl Tenant {
    /// The tenant of this name, existing or not.
    pub fn named(testbed: &Testbed, namespace: &str, name: &str) -> Result<Self> {
        let kubectl = testbed.kubectl()?;
        Ok(Self {
            testbed: testbed.clone(),
            kubectl,
            namespace: namespace.into(),
            name: name.into(),
        })
    }

    /// Applies manifests that hold exactly one TenantControlPlane, with whatever it needs beside
    /// it.
    pub async fn apply(testbed: &Testbed, manifests: &str) -> Result<Self> {
        let documents: Vec<Value> =
            serde_saphyr::from_multiple(manifests).context("parse manifests")?;
        let tenants = documents
            .iter()
            .filter(|object| object["kind"] == "TenantControlPlane");
        let metadata: Vec<&Value> = tenants.map(|tenant| &tenant["metadata"]).collect();
        let [metadata] = metadata[..] else {
            bail!(
                "{} TenantControlPlanes in the manifests, not one",
                metadata.len()
            );
        };
        let namespace = metadata["namespace"].as_str().unwrap_or("default");
        let name = metadata["name"]
            .as_str()
            .context("the TenantControlPlane has no name")?;
        testbed.kubectl()?.apply(manifests).await?;
        Self::named(testbed, namespace, name)
    }

    /// Namespace of the tenant.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Name of the tenant.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The TenantControlPlane as JSON.
    pub async fn get(&self) -> Result<Value> {
        self.kubectl
            .json(&format!("get tcp {} -n {}", self.name, self.namespace))
            .await
    }

    /// Phase in the tenant's status: `Provisioning`, `Ready` and so on; empty before the first
    /// report.
    pub async fn state(&self) -> Result<String> {
        let state = self.get().await?["status"]["kubernetesResources"]["version"]["status"].take();
        Ok(state.as_str().unwrap_or_default().to_string())
    }

    /// Waits until the phase in the tenant's status is `Ready`.
    pub async fn wait_state(&self, limit: Duration) -> Result<()> {
        let (name, namespace) = (&self.name, &self.namespace);
        until(
            &format!("tenant {namespace}/{name} is Ready"),
            limit,
            || async {
                let state = self.state().await?;
                if state != "Ready" {
                    bail!("it is {state:?}");
                }
                Ok(())
            },
        )
        .await
    }

    /// Waits until the tenant is Ready, has its objects in the tenant cluster, and its API server answers.
    pub async fn wait_ready(&self, limit: Duration) -> Result<()> {
        let (name, namespace) = (&self.name, &self.namespace);
        self.wait_state(limit).await?;
        until(
            &format!("the tenant cluster of {namespace}/{name} has its objects"),
            limit,
            || async {
                let object = self.get().await?;
                let conditions = object["status"]["conditions"].as_array();
                let mut conditions = conditions.into_iter().flatten();
                let found = conditions.find(|one| one["type"] == "TenantClusterConfigured");
                let ready = found.is_some_and(|found| found["status"] == "True");
                ensure!(ready, "the condition is {found:?}");
                Ok(())
            },
        )
        .await?;
        let tenant = self.kubectl().await?;
        until(
            &format!("the API server of {namespace}/{name} answers"),
            limit,
            || async { tenant.run("get --raw /readyz").await },
        )
        .await?;
        Ok(())
    }

    /// Changes the tenant by a JSON merge patch.
    pub async fn patch(&self, patch: &Value) -> Result<()> {
        let patch = patch.to_string();
        let words = [
            "patch",
            "tcp",
            &self.name,
            "-n",
            &self.namespace,
            "--type=merge",
            "-p",
            &patch,
        ];
        self.kubectl.args(words).await?;
        Ok(())
    }

    /// Deletes the tenant and waits until it is gone.
    pub async fn delete(&self) -> Result<()> {
        let (name, namespace) = (&self.name, &self.namespace);
        self.kubectl
            .run(&format!("delete tcp {name} -n {namespace} --timeout=120s"))
            .await?;
        Ok(())
    }

    /// Writes the kubeconfig of the tenant's administrator to a file and returns its path.
    pub async fn kubeconfig(&self) -> Result<PathBuf> {
        let secret = format!("{}-admin-kubeconfig", self.name);
        let found = self
            .kubectl
            .json(&format!("get secret {secret} -n {}", self.namespace))
            .await?;
        let encoded = found["data"]["admin.conf"].as_str();
        let encoded = encoded.with_context(|| format!("Secret {secret} has no admin.conf"))?;
        let dir = self.testbed.bed.layout.dir("tenants");
        fs::create_dir_all(&dir)?;
        let path = dir.join(format!("{}-{}.kubeconfig", self.namespace, self.name));
        fs::write(&path, BASE64_STANDARD.decode(encoded)?)?;
        Ok(path)
    }

    /// kubectl for the tenant cluster.
    pub async fn kubectl(&self) -> Result<Kubectl> {
        Kubectl::new(&self.testbed.bed.tools, &self.kubeconfig().await?)
    }
}
