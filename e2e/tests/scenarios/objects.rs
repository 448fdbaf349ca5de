//! Objects in one namespace of the management cluster.

use std::time::Duration;

use anyhow::{Result, ensure};
use kamaji_e2e::kubectl::{Kubectl, has_condition};
use kamaji_e2e::testbed::Testbed;
use kamaji_e2e::wait::until;
use serde_json::{Value, json};

/// Longest wait for a condition.
const LIMIT: Duration = Duration::from_mins(3);

/// A Cluster without infrastructure, and its control plane `NAME-cp` with this specification.
pub fn cluster(name: &str, network: &Value, control_plane: &Value) -> String {
    let kind = "KamajiControlPlane";
    let group = "controlplane.cluster.x-k8s.io";
    let theirs = format!("{name}-cp");
    let objects = [
        json!({
            "apiVersion": format!("{group}/v1alpha2"), "kind": kind,
            "metadata": {"name": theirs}, "spec": control_plane,
        }),
        json!({
            "apiVersion": "cluster.x-k8s.io/v1beta2", "kind": "Cluster",
            "metadata": {"name": name},
            "spec": {
                "clusterNetwork": network,
                "controlPlaneRef": {"apiGroup": group, "kind": kind, "name": theirs},
            },
        }),
    ];
    objects.map(|object| object.to_string()).join("\n---\n")
}

/// kubectl in one namespace.
pub struct Objects {
    kubectl: Kubectl,
    namespace: String,
}

impl Objects {
    /// Objects of this namespace.
    pub fn of(testbed: &Testbed, namespace: &str) -> Result<Self> {
        Ok(Self {
            kubectl: testbed.kubectl()?,
            namespace: namespace.to_owned(),
        })
    }

    /// Creates the namespace.
    pub async fn namespace(&self) -> Result<()> {
        let metadata = json!({"name": self.namespace});
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata});
        self.kubectl.apply(&namespace.to_string()).await
    }

    /// Applies manifests to the namespace, whatever else it holds.
    pub async fn apply(&self, manifests: &str) -> Result<()> {
        let documents: Vec<Value> = serde_saphyr::from_multiple(manifests)?;
        let items: Vec<Value> = documents
            .into_iter()
            .map(|mut object| {
                object["metadata"]["namespace"] = json!(self.namespace);
                object
            })
            .collect();
        let list = json!({"apiVersion": "v1", "kind": "List", "items": items});
        self.kubectl.apply(&list.to_string()).await
    }

    /// Runs a line of kubectl in the namespace.
    pub async fn run(&self, line: &str) -> Result<String> {
        self.kubectl
            .run(&format!("-n {} {line}", self.namespace))
            .await
    }

    /// One object, named `KIND NAME`, as JSON.
    pub async fn get(&self, object: &str) -> Result<Value> {
        self.kubectl
            .json(&format!("-n {} get {object}", self.namespace))
            .await
    }

    /// All objects of some kinds, as JSON.
    pub async fn list(&self, kinds: &str) -> Result<Vec<Value>> {
        let list = self.get(kinds).await?;
        Ok(list["items"].as_array().cloned().unwrap_or_default())
    }

    /// Changes an object by a merge patch.
    pub async fn patch(&self, object: &str, patch: Value) -> Result<()> {
        self.patch_as("merge", object, &patch).await
    }

    /// Changes an object by a JSON patch.
    pub async fn json_patch(&self, object: &str, patch: Value) -> Result<()> {
        self.patch_as("json", object, &patch).await
    }

    async fn patch_as(&self, type_: &str, object: &str, patch: &Value) -> Result<()> {
        let (type_, patch) = (format!("--type={type_}"), patch.to_string());
        let mut words = vec!["-n", &self.namespace, "patch"];
        words.extend(object.split(' '));
        words.extend([&type_, "-p", &patch]);
        self.kubectl.args(words).await?;
        Ok(())
    }

    /// Waits until a condition of an object has this status.
    pub async fn condition(&self, object: &str, (type_, status): (&str, &str)) -> Result<()> {
        until(&format!("{object} has {type_}={status}"), LIMIT, || async {
            let found = self.get(object).await?;
            let holds = has_condition(&found, (type_, status));
            ensure!(
                holds,
                "the conditions are {}",
                found["status"]["conditions"]
            );
            Ok(())
        })
        .await
    }
}
