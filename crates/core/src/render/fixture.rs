//! Facts of tenants for the tests of the renderers.

use kamaji_api::{datastore::Driver, tenant::TenantControlPlane};
use serde_json::{Value, json};

use super::{Checksums, Facts, Renderer};
use crate::{
    binding::Binding,
    data_store::{ResolvedDataStore, StoreTls},
    endpoint::{Endpoint, HostPort},
    secret_role::SecretRole,
    settings::Settings,
    tenant::Tenant,
};

/// Everything that [`Facts`] borrows.
pub struct Fixture {
    pub tenant: Tenant,
    pub settings: Settings,
    pub store: ResolvedDataStore,
    pub overrides: Vec<(String, ResolvedDataStore)>,
    pub binding: Binding,
    pub endpoint: Endpoint,
    pub kine_image: Option<String>,
    pub renderer: Renderer,
    pub issuer: String,
}

impl Fixture {
    /// A tenant `demo` in `apps` whose spec is the smallest one with `changes` merged in.
    pub fn with(changes: Value) -> Self {
        let tenant = tenant(changes);
        let endpoint = Endpoint {
            assigned: [192, 0, 2, 10].into(),
            advertised: tenant
                .network
                .advertise_address
                .unwrap_or([192, 0, 2, 10].into()),
            port: tenant.network.port,
            published: HostPort {
                host: "192.0.2.10".to_owned(),
                port: tenant.network.port,
            },
        };
        Self {
            binding: Binding {
                schema: tenant.schema().to_owned(),
                user: tenant.data_store_user(Driver::Etcd).into_owned(),
                password: "do-not-show".to_owned(),
                connection: String::new(),
                owner: kamaji_api::owner::Owner::default(),
                recorded: false,
                adopts: None,
                part: Vec::new(),
                access: crate::binding::Access::ReadWrite,
            },
            tenant,
            settings: Settings::default(),
            store: store("default", Driver::Etcd, &["10.0.0.5:2379", "10.0.0.6:2379"]),
            overrides: Vec::new(),
            endpoint,
            kine_image: None,
            renderer: Renderer::V1,
            issuer: "https://kubernetes.default.svc.cluster.local".to_owned(),
        }
    }

    /// The same by the newest renderer.
    pub fn newest(self) -> Self {
        Self {
            renderer: Renderer::NEWEST,
            ..self
        }
    }

    /// The same on another datastore.
    pub fn on(self, store: ResolvedDataStore) -> Self {
        Self { store, ..self }
    }

    pub fn facts(&self) -> Facts<'_> {
        Facts {
            renderer: self.renderer,
            tenant: &self.tenant,
            settings: &self.settings,
            store: &self.store,
            overrides: &self.overrides,
            binding: &self.binding,
            endpoint: &self.endpoint,
            signer_apart: false,
            issuer: &self.issuer,
            kine_image: self.kine_image.as_deref(),
        }
    }
}

/// A datastore with TLS and a client certificate.
pub fn store(name: &str, driver: Driver, endpoints: &[&str]) -> ResolvedDataStore {
    ResolvedDataStore {
        name: name.to_owned(),
        driver,
        endpoints: endpoints.iter().map(|e| (*e).to_owned()).collect(),
        tls: Some(StoreTls {
            ca: Vec::new(),
            ca_key: None,
            client: Some((Vec::new(), Vec::new())),
        }),
        basic_auth: None,
        without_access_control: false,
        adopted_clusters: Vec::new(),
    }
}

/// A tenant `demo` in `apps`.
pub fn tenant(changes: Value) -> Tenant {
    let mut object = json!({
        "apiVersion": "kamaji.clastix.io/v1alpha1",
        "kind": "TenantControlPlane",
        "metadata": {
            "name": "demo",
            "namespace": "apps",
            "uid": "5c8e4a9e-0d7c-4d0c-9a51-9c6c6f8f4c1e",
            "generation": 1,
        },
        "spec": {
            "controlPlane": {"service": {"serviceType": "ClusterIP"}},
            "kubernetes": {"version": "v1.36.3", "kubelet": {"cgroupfs": "systemd"}},
        },
    });
    merge(&mut object["spec"], changes);
    let object: TenantControlPlane = serde_json::from_value(object).expect("a tenant");
    Tenant::parse(&object).expect("a tenant that can be read")
}

fn merge(into: &mut Value, changes: Value) {
    match (into, changes) {
        (Value::Object(into), Value::Object(changes)) => {
            for (key, value) in changes {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, changes) => *into = changes,
    }
}

/// Checksums that name the Secret that they stand for.
pub fn checksums() -> Checksums {
    [
        (SecretRole::ApiServer, "sum-api-server"),
        (SecretRole::KubeletClient, "sum-kubelet-client"),
        (SecretRole::Ca, "sum-ca"),
        (
            SecretRole::ControllerManagerKubeconfig,
            "sum-controller-manager",
        ),
        (SecretRole::FrontProxyCa, "sum-front-proxy-ca"),
        (SecretRole::FrontProxyClient, "sum-front-proxy-client"),
        (SecretRole::ServiceAccount, "sum-service-account"),
        (SecretRole::SchedulerKubeconfig, "sum-scheduler"),
        (
            SecretRole::KonnectivityCertificate,
            "sum-konnectivity-certificate",
        ),
        (
            SecretRole::KonnectivityKubeconfig,
            "sum-konnectivity-kubeconfig",
        ),
        (SecretRole::DatastoreConfig, "sum-storage-config"),
        (SecretRole::DatastoreCertificate, "sum-storage-certificate"),
    ]
    .into_iter()
    .map(|(role, sum)| (role, sum.to_owned()))
    .collect()
}
