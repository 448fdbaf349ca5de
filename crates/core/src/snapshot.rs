//! The snapshot of a tenant: everything that its plan depends on.

use std::{borrow::Cow, collections::BTreeMap};

use k8s_openapi::{
    api::{
        apps::v1::DeploymentStatus,
        core::v1::{Pod, Secret, Service},
        networking::v1::IngressStatus,
    },
    apimachinery::pkg::apis::meta::v1::Condition,
    jiff::Timestamp,
};
use kamaji_api::{
    condition::Reason,
    foreign::{Gateway, TlsRoute},
    labels,
    tenant::{AddonsStatus, KubeadmPhaseStatus, TenantControlPlane},
};

use serde_json::Value;

use crate::{
    adoption::Child,
    data_store::{ResolvedDataStore, usage::Usage},
    object::{CONTENT_HASH, Kind, ObjectRef},
    rng::Seed,
    settings::Settings,
};

/// One observation of one tenant.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The object as the API server served it.
    pub object: TenantControlPlane,
    /// Settings of the operator that plans depend on.
    pub settings: Settings,
    /// Uid of the management cluster: that of its namespace kube-system.
    pub cluster: String,
    /// The datastore that holds (or will hold) the tenant's data, or why it cannot be used.
    pub store: Result<ResolvedDataStore, StoreWait>,
    /// Datastores of single resources, by resource prefix.
    pub overrides: Result<Vec<(String, ResolvedDataStore)>, StoreWait>,
    /// DataStores that are not in force and hold data of the tenant, or are about to, by name.
    pub further: BTreeMap<String, Result<ResolvedDataStore, StoreWait>>,
    /// Fault that the last check found in one of its DataStores.
    pub store_fault: Option<StoreFault>,
    /// Size of the tenant's data in its DataStore, and the DataStore's soft limit.
    pub usage: Usage,
    /// Live Secrets of the tenant by name.
    pub secrets: BTreeMap<String, Secret>,
    /// Live Service, as far as addresses go.
    pub service: Option<Service>,
    /// Live Deployment's generation and status.
    pub deployment: Option<DeploymentView>,
    /// Pods of a rollout that is late, at most [`PODS`](crate::plan::rollout::PODS); none otherwise.
    pub pods: Vec<Pod>,
    /// Status of the live Ingress.
    pub ingress: Option<IngressStatus>,
    /// Live `TLSRoute`s by name.
    pub routes: BTreeMap<String, TlsRoute>,
    /// Gateways that the routes name.
    pub gateways: Vec<Gateway>,
    /// True if the API server serves `TLSRoute` v1.
    pub gateway_api: bool,
    /// Live objects under the names of the tenant's objects, as far as the index knows them: a missing one
    /// is only ever created.
    pub children: BTreeMap<ObjectRef, Child>,
    /// Result of the last reconcile of the tenant cluster; `None` before the first one.
    pub tenant_cluster: Option<TenantClusterReport>,
    /// Time of the snapshot.
    pub now: Timestamp,
    /// Randomness for whatever must be issued.
    pub seed: Seed,
}

impl Snapshot {
    /// The live object under the name of one of the tenant's objects. Of a Secret it is the version
    /// whose content the plan depends on.
    pub fn child(&self, key: &ObjectRef) -> Option<Cow<'_, Child>> {
        if key.kind != Kind::Secret {
            return self.children.get(key).map(Cow::Borrowed);
        }
        let secret = self.secrets.get(&key.name)?;
        let tenant = self.object.metadata.name.as_deref().unwrap_or_default();
        let body = serde_json::json!({"metadata": secret.metadata});
        Some(Cow::Owned(Child::of(&body, key.kind, tenant)))
    }
}

/// A Deployment as far as status goes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DeploymentView {
    /// The `metadata.generation` of the Deployment.
    pub generation: i64,
    /// Status of the Deployment.
    pub status: DeploymentStatus,
    /// The content hash that it was last written with.
    pub stamped: Option<String>,
    /// The renderer that it names in its annotation.
    pub renderer: Option<String>,
    /// Image of its kube-apiserver container.
    pub image: Option<String>,
    /// Image of its kine container, which stays until an upgrade of the tenant.
    pub kine_image: Option<String>,
}

impl DeploymentView {
    /// Reads the view from a Deployment as JSON. Whatever is missing or malformed is left at its default.
    pub fn of(body: &Value) -> Self {
        let annotation = |key: &str| {
            let text = body["metadata"]["annotations"][key].as_str();
            text.map(str::to_owned)
        };
        let image = |name: &str| {
            let containers = body["spec"]["template"]["spec"]["containers"].as_array()?;
            let mut containers = containers.iter();
            let container = containers.find(|container| container["name"] == name)?;
            container["image"].as_str().map(str::to_owned)
        };
        Self {
            generation: body["metadata"]["generation"].as_i64().unwrap_or_default(),
            status: serde_json::from_value(body["status"].clone()).unwrap_or_default(),
            stamped: annotation(CONTENT_HASH),
            renderer: annotation(labels::RENDERER),
            image: image("kube-apiserver"),
            kine_image: image("kine"),
        }
    }
}

/// Fault that a check found in a DataStore.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StoreFault {
    /// Reason of the condition.
    pub reason: Reason,
    /// The DataStore, the cause and the next action.
    pub message: String,
}

/// Reason for which a DataStore cannot be used now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreWait {
    /// Neither the spec nor the operator names a DataStore.
    #[error(
        "spec.dataStore is empty and the operator has no default: set spec.dataStore, or start the operator with --datastore"
    )]
    Unnamed,
    /// The DataStore does not exist.
    #[error("the DataStore {0} does not exist: create it, or correct spec.dataStore")]
    Missing(String),
    /// The DataStore exists and cannot be used.
    #[error("the DataStore {name} is not ready: {why}")]
    NotReady {
        /// Name of the DataStore.
        name: String,
        /// Message of the DataStore's own condition.
        why: String,
    },
    /// The DataStore is being deleted.
    #[error(
        "the DataStore {0} is being deleted and takes no new tenant: name another in spec.dataStore, or recreate it"
    )]
    Leaving(String),
    /// Overrides are for etcd.
    #[error(
        "spec.dataStoreOverrides names the DataStore {0}, whose driver is not etcd: only etcd can hold single resources"
    )]
    OverrideDriver(String),
}

impl StoreWait {
    /// Reason for a condition.
    pub fn reason(&self) -> Reason {
        match self {
            Self::Unnamed => Reason::DataStoreUnnamed,
            Self::Missing(_) => Reason::DataStoreMissing,
            Self::NotReady { .. } => Reason::DataStoreNotReady,
            Self::Leaving(_) => Reason::DataStoreLeaving,
            Self::OverrideDriver(_) => Reason::OverrideDriverNotEtcd,
        }
    }
}

/// Result of one reconcile of a tenant cluster.
#[derive(Clone, Debug, PartialEq)]
pub struct TenantClusterReport {
    /// The TenantClusterConfigured condition, without its transition time.
    pub ready: Condition,
    /// Next `status.addons`; `None` if the reconcile ended before. The konnectivity part covers the objects in
    /// the tenant cluster only.
    pub addons: Option<AddonsStatus>,
    /// Next `status.kubeadmPhase`; `None` to keep the recorded one.
    pub kubeadm_phase: Option<KubeadmPhaseStatus>,
    /// True if the limit on the tenant's writes exists in the tenant cluster, false if it does not;
    /// `None` if no reconcile has observed it.
    pub write_limited: Option<bool>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_deployment_is_read_with_its_annotations_images_and_status() {
        let body = json!({
            "metadata": {
                "generation": 3,
                "annotations": {CONTENT_HASH: "abc", labels::RENDERER: "2"},
            },
            "spec": {"template": {"spec": {"containers": [
                {"name": "additional", "image": "a"},
                {"name": "kube-apiserver", "image": "b"},
                {"name": "kine", "image": "c"},
            ]}}},
            "status": {"readyReplicas": 1},
        });
        let expected = DeploymentView {
            generation: 3,
            status: DeploymentStatus {
                ready_replicas: Some(1),
                ..DeploymentStatus::default()
            },
            stamped: Some("abc".to_owned()),
            renderer: Some("2".to_owned()),
            image: Some("b".to_owned()),
            kine_image: Some("c".to_owned()),
        };
        assert_eq!(DeploymentView::of(&body), expected);
    }

    #[test]
    fn a_deployment_without_content_is_read_as_the_default() {
        for body in [json!({}), json!({"status": 1, "spec": {"template": []}})] {
            assert_eq!(DeploymentView::of(&body), DeploymentView::default());
        }
    }
}
