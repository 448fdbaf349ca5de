//! A tenant, the snapshot and the content of its cluster, for the tests of this directory.

use std::time::Duration;

use k8s_openapi::{ByteString, jiff::Timestamp};
use kamaji_api::{datastore::Driver, tenant::TenantControlPlane};
use serde_json::{Value, json};

use super::{
    content,
    snapshot::{AdminSecret, TenantClusterSnapshot},
    types::{Content, TenantClusterFacts},
};
use crate::{
    data_store::ResolvedDataStore,
    endpoint::{self, Endpoint},
    object::Object,
    pki::{
        key::KeyAlgorithm,
        kubeconfig::{Access, Kubeconfig},
    },
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
        let tenant = Tenant::parse(&object(changes)).unwrap();
        Self {
            endpoint: endpoint::resolve(&tenant, None).unwrap(),
            tenant,
            renderer: Some(Renderer::V1),
            settings: settings(),
            store: store(),
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

    pub fn content(&self) -> Content {
        content::render(&self.facts()).unwrap()
    }
}

/// A TenantControlPlane with all addons, changed by a JSON merge.
pub(super) fn object(changes: Value) -> TenantControlPlane {
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
    serde_json::from_value(object).unwrap()
}

fn settings() -> Settings {
    Settings {
        key_algorithm: KeyAlgorithm::Rsa2048,
        webhook_ca: b"webhook ca".to_vec(),
        ..Settings::default()
    }
}

fn store() -> ResolvedDataStore {
    ResolvedDataStore {
        name: "default".to_owned(),
        driver: Driver::Etcd,
        endpoints: vec!["172.30.0.1:12379".to_owned()],
        tls: None,
        basic_auth: None,
        without_access_control: false,
        adopted_clusters: Vec::new(),
    }
}

/// Snapshot of `object` at [`at`] 160 with the admin Secret of [`admin_secret`], before any reconcile.
pub(super) fn snapshot(object: &TenantControlPlane) -> TenantClusterSnapshot<'_> {
    TenantClusterSnapshot {
        object,
        unreadable: false,
        settings: settings(),
        service: None,
        store: Ok(store()),
        admin_secret: admin_secret(&["super-admin.conf", "admin.conf"]),
        last: None,
        resync: Duration::from_mins(10),
        now: at(160),
    }
}

/// A point in time, by its seconds after some start.
pub(super) fn at(seconds: u64) -> Timestamp {
    Timestamp::from_second(1_700_000_000).unwrap() + Duration::from_secs(seconds)
}

/// An admin Secret with kubeconfigs under these keys, whose user and CA are named after the key.
pub(super) fn admin_secret(keys: &[&str]) -> AdminSecret {
    let kubeconfig = |key: &&str| {
        let access = Access {
            cluster: "full".to_owned(),
            user: (*key).to_owned(),
            server: "https://172.30.0.60:6443".to_owned(),
        };
        let text = Kubeconfig::new(&access, format!("CA of {key}").as_bytes(), b"cert", b"key");
        ((*key).to_owned(), ByteString(text.to_yaml().into_bytes()))
    };
    AdminSecret::Read(keys.iter().map(kubeconfig).collect())
}

/// Changes that make a tenant available since [`at`] `seconds`, with the condition TenantClusterConfigured as
/// given.
pub(super) fn available(seconds: u64, configured: bool) -> Value {
    let condition = |type_: &str, status: bool| {
        json!({
            "type": type_,
            "status": if status { "True" } else { "False" },
            "reason": "Any",
            "message": "",
            "lastTransitionTime": at(seconds).to_string(),
        })
    };
    json!({"status": {"conditions": [
        condition("ControlPlaneAvailable", true),
        condition("TenantClusterConfigured", configured),
    ]}})
}

/// The content of the cluster of a tenant that was changed so.
pub(super) fn planned(changes: Value) -> Content {
    Fixture::with(changes).content()
}

/// No addon at all.
pub(super) fn bare() -> Value {
    json!({"spec": {"addons": {"coreDNS": null, "kubeProxy": null, "konnectivity": null}}})
}

/// The object `name`, as `Kind namespace/name` or `Kind name`.
pub(super) fn find<'a>(content: &'a Content, name: &str) -> &'a Object {
    content
        .objects
        .iter()
        .find(|object| object.key.to_string() == name)
        .unwrap_or_else(|| panic!("no {name} in {:#?}", names(content)))
}

/// All names, in their order.
pub(super) fn names(content: &Content) -> Vec<String> {
    content
        .objects
        .iter()
        .map(|object| object.key.to_string())
        .collect()
}

/// All names of what is pruned.
pub(super) fn pruned(content: &Content) -> Vec<String> {
    content.prunes.iter().map(ToString::to_string).collect()
}
