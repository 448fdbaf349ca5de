//! [`Entry`]: what the index keeps of one child instead of the whole object.

use std::hash::{DefaultHasher, Hash, Hasher};

use k8s_openapi::api::{
    core::v1::{Service, ServiceSpec, ServiceStatus},
    networking::v1::IngressStatus,
};
use kamaji_api::foreign::TlsRoute;
use kamaji_core::{
    adoption::Child,
    object::{CONTENT_HASH, Kind},
    snapshot::DeploymentView,
};
use serde_json::Value;

/// A child of a tenant, folded into a few bytes.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Uid, resource version and owner of the object.
    pub child: Child,
    /// Fingerprint of the content, see [`crate::live::fingerprint`].
    pub fingerprint: u64,
    /// Digest of the content-hash annotation; `None` without that annotation.
    pub stamped: Option<u64>,
    /// Fields that plans read beyond that.
    pub facts: Facts,
}

/// Fields of a child that plans read.
#[derive(Clone, Debug, Default)]
pub enum Facts {
    /// No fields: Secrets and ConfigMaps.
    #[default]
    None,
    /// Status, generation and images of the Deployment.
    Deployment(Box<DeploymentView>),
    /// Cluster IPs and status of the Service.
    Service(Box<Service>),
    /// Status of the Ingress, with its addresses.
    Ingress(Box<IngressStatus>),
    /// The TLSRoute without its managed fields.
    Route(Box<TlsRoute>),
}

impl Entry {
    /// Folds the object `body` of `kind`, a child of the tenant of that name. `fingerprint` is that of the body.
    pub(super) fn of(kind: Kind, tenant: &str, body: &Value, fingerprint: u64) -> Self {
        let stamped = body["metadata"]["annotations"][CONTENT_HASH].as_str();
        Self {
            child: Child::of(body, kind, tenant),
            fingerprint,
            stamped: stamped.map(digest),
            facts: facts(kind, body),
        }
    }

    /// Digest of uid, fingerprint and content-hash annotation: changes with every write to the content.
    pub fn content_digest(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        (&self.child.version.uid, self.fingerprint, self.stamped).hash(&mut hasher);
        hasher.finish()
    }

    /// True if the content-hash annotation is `hash`.
    pub fn is_stamped(&self, hash: &str) -> bool {
        self.stamped == Some(digest(hash))
    }

    /// Digest of the facts, such as status and addresses; 0 without facts.
    pub fn facts_digest(&self) -> u64 {
        let value = match &self.facts {
            Facts::None => return 0,
            Facts::Deployment(view) => {
                serde_json::json!([
                    view.generation,
                    view.status,
                    view.stamped,
                    view.renderer,
                    view.image,
                    view.kine_image
                ])
            }
            Facts::Service(service) => serde_json::json!([service.spec, service.status]),
            Facts::Ingress(status) => serde_json::json!(status),
            Facts::Route(route) => serde_json::json!(route.status),
        };
        let mut hasher = DefaultHasher::new();
        value.to_string().hash(&mut hasher);
        hasher.finish()
    }
}

/// Hash of a text in eight bytes.
pub(super) fn digest(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

fn facts(kind: Kind, body: &Value) -> Facts {
    let status = || body["status"].clone();
    match kind {
        Kind::Deployment => Facts::Deployment(Box::new(DeploymentView::of(body))),
        Kind::Service => {
            let spec: ServiceSpec =
                serde_json::from_value(body["spec"].clone()).unwrap_or_default();
            let status: Option<ServiceStatus> = serde_json::from_value(status()).ok();
            Facts::Service(Box::new(Service {
                spec: Some(ServiceSpec {
                    cluster_ip: spec.cluster_ip,
                    cluster_ips: spec.cluster_ips,
                    ..ServiceSpec::default()
                }),
                status,
                ..Service::default()
            }))
        }
        Kind::Ingress => serde_json::from_value(status())
            .map_or(Facts::None, |status| Facts::Ingress(Box::new(status))),
        Kind::TlsRoute => {
            serde_json::from_value(body.clone()).map_or(Facts::None, |mut route: TlsRoute| {
                route.metadata.managed_fields = None;
                Facts::Route(Box::new(route))
            })
        }
        _ => Facts::None,
    }
}
