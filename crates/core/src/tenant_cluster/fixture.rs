//! A tenant and the plan of its cluster, for the tests of this directory.

use kamaji_api::datastore::Driver;
use serde_json::{Value, json};

use super::{TenantClusterFacts, TenantClusterPlan, plan};
use crate::{
    data_store::ResolvedDataStore,
    endpoint::{self, Endpoint},
    object::Object,
    pki::key::KeyAlgorithm,
    render::Renderer,
    settings::Settings,
    tenant::Tenant,
};

/// Everything that [`TenantClusterFacts`] borrows.
pub(super) struct Fixture {
    pub tenant: Tenant,
    pub settings: Settings,
    pub store: ResolvedDataStore,
    pub endpoint: Endpoint,
    pub renderer: Option<Renderer>,
}

impl Fixture {
    /// A tenant with all addons, changed by a JSON merge.
    pub fn with(changes: Value) -> Self {
        let mut object = json!({
            "apiVersion": "kamaji.clastix.io/v1alpha1",
            "kind": "TenantControlPlane",
            "metadata": {"name": "full", "namespace": "c2", "uid": "11111111-2222-3333-4444-555555555555"},
            "spec": {
                "controlPlane": {"service": {"serviceType": "ClusterIP"}},
                "kubernetes": {"version": "v1.36.3", "kubelet": {"cgroupfs": "cgroupfs"}},
                "networkProfile": {
                    "address": "172.30.0.60",
                    "certSANs": ["full.example.com", "10.9.9.9"],
                    "serviceCidr": "10.112.0.0/16",
                    "podCidr": "10.113.0.0/16",
                },
                "addons": {"coreDNS": {}, "kubeProxy": {}, "konnectivity": {"server": {"port": 8132}}},
            },
        });
        json_patch::merge(&mut object, &changes);
        let tenant = Tenant::parse(&serde_json::from_value(object).unwrap()).unwrap();
        Self {
            endpoint: endpoint::resolve(&tenant, None).unwrap(),
            tenant,
            renderer: Some(Renderer::V1),
            settings: Settings {
                key_algorithm: KeyAlgorithm::Rsa2048,
                webhook_ca: b"webhook ca".to_vec(),
                ..Settings::default()
            },
            store: ResolvedDataStore {
                name: "default".to_owned(),
                driver: Driver::Etcd,
                endpoints: vec!["172.30.0.1:12379".to_owned()],
                tls: None,
                basic_auth: None,
                without_access_control: false,
                adopted_clusters: Vec::new(),
            },
        }
    }

    pub fn facts(&self) -> TenantClusterFacts<'_> {
        TenantClusterFacts {
            renderer: self.renderer,
            tenant: &self.tenant,
            settings: &self.settings,
            store: &self.store,
            endpoint: &self.endpoint,
            ca: "the CA",
        }
    }

    pub fn plan(&self) -> TenantClusterPlan {
        plan(&self.facts()).unwrap()
    }
}

/// The plan of a tenant that was changed so.
pub(super) fn planned(changes: Value) -> TenantClusterPlan {
    Fixture::with(changes).plan()
}

/// No addon at all.
pub(super) fn bare() -> Value {
    json!({"spec": {"addons": {"coreDNS": null, "kubeProxy": null, "konnectivity": null}}})
}

/// The object `name`, as `Kind namespace/name` or `Kind name`.
pub(super) fn find<'a>(plan: &'a TenantClusterPlan, name: &str) -> &'a Object {
    plan.objects
        .iter()
        .find(|object| object.key.to_string() == name)
        .unwrap_or_else(|| panic!("no {name} in {:#?}", names(plan)))
}

/// All names, in the order of the plan.
pub(super) fn names(plan: &TenantClusterPlan) -> Vec<String> {
    plan.objects
        .iter()
        .map(|object| object.key.to_string())
        .collect()
}

/// All names of what is pruned.
pub(super) fn pruned(plan: &TenantClusterPlan) -> Vec<String> {
    plan.prunes.iter().map(ToString::to_string).collect()
}
