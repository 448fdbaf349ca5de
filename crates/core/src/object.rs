//! Planned objects: identity, desired content, and the precondition of their write.
//!
//! A planned object is the complete JSON that server-side apply will send, stamped with the hash
//! of its own content, so that the shell detects an object that is up to date without a request.

use k8s_openapi::{Metadata, Resource, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use serde::Serialize;
use serde_json::Value;

use crate::checksum;

/// Annotation that carries the hash of what was planned; see `docs/architecture.md`.
pub const CONTENT_HASH: &str = "kamaji.clastix.io/content-hash";

/// Every kind that the operator writes, in the management cluster or in a tenant cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// `ConfigMap` of API version core/v1.
    ConfigMap,
    /// `Secret` of API version core/v1.
    Secret,
    /// `Service` of API version core/v1.
    Service,
    /// `ServiceAccount` of API version core/v1.
    ServiceAccount,
    /// `Endpoints` of API version core/v1.
    Endpoints,
    /// `EndpointSlice` of API version discovery.k8s.io/v1.
    EndpointSlice,
    /// `Deployment` of API version apps/v1.
    Deployment,
    /// `DaemonSet` of API version apps/v1.
    DaemonSet,
    /// `Ingress` of API version networking.k8s.io/v1.
    Ingress,
    /// `TLSRoute` of API version gateway.networking.k8s.io/v1.
    TlsRoute,
    /// `ClusterRole` of API version rbac.authorization.k8s.io/v1.
    ClusterRole,
    /// `ClusterRoleBinding` of API version rbac.authorization.k8s.io/v1.
    ClusterRoleBinding,
    /// `Role` of API version rbac.authorization.k8s.io/v1.
    Role,
    /// `RoleBinding` of API version rbac.authorization.k8s.io/v1.
    RoleBinding,
    /// `ValidatingWebhookConfiguration` of API version admissionregistration.k8s.io/v1.
    ValidatingWebhookConfiguration,
    /// `TenantControlPlane` of API version kamaji.clastix.io/v1alpha1, which the Cluster API provider writes.
    TenantControlPlane,
}

impl Kind {
    /// Every kind, in the order of the enum.
    pub const ALL: [Self; 16] = [
        Self::ConfigMap,
        Self::Secret,
        Self::Service,
        Self::ServiceAccount,
        Self::Endpoints,
        Self::EndpointSlice,
        Self::Deployment,
        Self::DaemonSet,
        Self::Ingress,
        Self::TlsRoute,
        Self::ClusterRole,
        Self::ClusterRoleBinding,
        Self::Role,
        Self::RoleBinding,
        Self::ValidatingWebhookConfiguration,
        Self::TenantControlPlane,
    ];

    /// Group, version, kind and plural, as the API server spells them.
    pub fn names(self) -> (&'static str, &'static str, &'static str, &'static str) {
        match self {
            Self::ConfigMap => ("", "v1", "ConfigMap", "configmaps"),
            Self::Secret => ("", "v1", "Secret", "secrets"),
            Self::Service => ("", "v1", "Service", "services"),
            Self::ServiceAccount => ("", "v1", "ServiceAccount", "serviceaccounts"),
            Self::Endpoints => ("", "v1", "Endpoints", "endpoints"),
            Self::EndpointSlice => ("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices"),
            Self::Deployment => ("apps", "v1", "Deployment", "deployments"),
            Self::DaemonSet => ("apps", "v1", "DaemonSet", "daemonsets"),
            Self::Ingress => ("networking.k8s.io", "v1", "Ingress", "ingresses"),
            Self::TlsRoute => ("gateway.networking.k8s.io", "v1", "TLSRoute", "tlsroutes"),
            Self::ClusterRole => (
                "rbac.authorization.k8s.io",
                "v1",
                "ClusterRole",
                "clusterroles",
            ),
            Self::ClusterRoleBinding => (
                "rbac.authorization.k8s.io",
                "v1",
                "ClusterRoleBinding",
                "clusterrolebindings",
            ),
            Self::Role => ("rbac.authorization.k8s.io", "v1", "Role", "roles"),
            Self::RoleBinding => (
                "rbac.authorization.k8s.io",
                "v1",
                "RoleBinding",
                "rolebindings",
            ),
            Self::ValidatingWebhookConfiguration => (
                "admissionregistration.k8s.io",
                "v1",
                "ValidatingWebhookConfiguration",
                "validatingwebhookconfigurations",
            ),
            Self::TenantControlPlane => (
                "kamaji.clastix.io",
                "v1alpha1",
                "TenantControlPlane",
                "tenantcontrolplanes",
            ),
        }
    }

    /// `apiVersion` of the kind.
    pub fn api_version(self) -> String {
        match self.names() {
            ("", version, ..) => version.to_owned(),
            (group, version, ..) => format!("{group}/{version}"),
        }
    }

    fn of(api_version: &str, kind: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|k| k.names().2 == kind && k.api_version() == api_version)
    }
}

/// Identity of an object: kind, namespace and name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectRef {
    /// Kind of the object.
    pub kind: Kind,
    /// Namespace; `None` for cluster-scoped kinds.
    pub namespace: Option<String>,
    /// Name within the namespace.
    pub name: String,
}

impl ObjectRef {
    /// A reference to a namespaced object.
    pub fn namespaced(kind: Kind, namespace: &str, name: &str) -> Self {
        Self {
            kind,
            namespace: Some(namespace.to_owned()),
            name: name.to_owned(),
        }
    }

    /// A reference to a cluster-scoped object.
    pub fn cluster(kind: Kind, name: &str) -> Self {
        Self {
            kind,
            namespace: None,
            name: name.to_owned(),
        }
    }
}

impl std::fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{} {namespace}/{}", self.kind.names().2, self.name),
            None => write!(f, "{} {}", self.kind.names().2, self.name),
        }
    }
}

/// One version of a live object.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Version {
    /// Uid of the object.
    pub uid: Box<str>,
    /// Resource version; 0 where it is not known, and then only the uid counts.
    pub revision: u64,
}

impl Version {
    /// The version that an API server served.
    pub fn of(metadata: &ObjectMeta) -> Self {
        let revision = metadata.resource_version.as_deref();
        Self {
            uid: metadata.uid.as_deref().unwrap_or_default().into(),
            revision: revision.and_then(|text| text.parse().ok()).unwrap_or(0),
        }
    }
}

/// Verb and precondition of a write. The API server checks the precondition, since another writer may be
/// first by the time that the request arrives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Intent {
    /// Server-side apply, whether or not the object exists.
    Apply,
    /// Create only if no object of that name exists; the next plan decides about one that does.
    Create,
    /// Server-side apply, only to this version of the live object.
    Update(Version),
    /// As [`Intent::Update`], after the operator has taken over the fields that upstream wrote.
    Adopt(Version),
}

impl Intent {
    /// The version that must be there.
    pub fn version(&self) -> Option<&Version> {
        match self {
            Self::Update(version) | Self::Adopt(version) => Some(version),
            Self::Apply | Self::Create => None,
        }
    }
}

/// One object of a plan: what is to be there, completely.
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    /// Identity of the object.
    pub key: ObjectRef,
    /// Verb and precondition of the write.
    pub intent: Intent,
    /// The JSON to send, with apiVersion, kind and the content-hash annotation.
    pub body: Value,
    /// Hash of the planned content, as stamped.
    pub hash: String,
}

impl Object {
    /// Takes a typed object to be applied. Its kind must be one of [`Kind`].
    ///
    /// # Panics
    /// For a type that is not in [`Kind`] or an object without a name: both are mistakes of a
    /// renderer that its first test shows.
    pub fn of<K>(object: &K) -> Self
    where
        K: Resource + Metadata<Ty = ObjectMeta> + Serialize,
    {
        let mut body = serde_json::to_value(object).expect("Kubernetes types serialise to JSON");
        body["apiVersion"] = K::API_VERSION.into();
        body["kind"] = K::KIND.into();
        Self::from_value(body)
    }

    /// Takes an object that serialises with apiVersion and kind: our views of foreign kinds.
    ///
    /// # Panics
    /// As [`Object::of`].
    pub fn of_json<K: Serialize>(object: &K) -> Self {
        Self::from_value(serde_json::to_value(object).expect("our views serialise to JSON"))
    }

    /// Takes complete JSON with apiVersion, kind and metadata.name.
    ///
    /// # Panics
    /// As [`Object::of`].
    pub fn from_value(mut body: Value) -> Self {
        prune(&mut body);
        let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
        let kind = Kind::of(&text(&body["apiVersion"]), &text(&body["kind"]))
            .expect("renderers make only the kinds that Kind lists");
        let name = text(&body["metadata"]["name"]);
        assert!(
            !name.is_empty(),
            "a rendered {} has no name",
            kind.names().2
        );
        let namespace = body["metadata"]["namespace"].as_str().map(str::to_owned);
        let hash = checksum::content(&body);
        body["metadata"]["annotations"][CONTENT_HASH] = hash.clone().into();
        Self {
            key: ObjectRef {
                kind,
                namespace,
                name,
            },
            intent: Intent::Apply,
            body,
            hash,
        }
    }

    /// The same object, to be written as `intent` says.
    #[must_use]
    pub fn with(self, intent: Intent) -> Self {
        Self { intent, ..self }
    }

    /// The same object with another body, and the content hash of that.
    #[must_use]
    pub fn amended(self, amend: impl FnOnce(&mut Value)) -> Self {
        let mut body = self.body;
        if let Some(annotations) = body["metadata"]["annotations"].as_object_mut() {
            annotations.remove(CONTENT_HASH);
        }
        amend(&mut body);
        Self::from_value(body).with(self.intent)
    }
}

/// Removes what typed serialisation adds to a plan: nulls and empty metadata maps.
fn prune(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|_, v| !v.is_null());
            map.values_mut().for_each(prune);
        }
        Value::Array(items) => items.iter_mut().for_each(prune),
        _ => {}
    }
}

/// Keys of maps whose entries are a user's own: an empty text in them differs from an absent one.
pub const TEXTS: [&str; 4] = ["annotations", "labels", "matchLabels", "nodeSelector"];

/// True if `live` has every field of `planned` with an equal value; further fields of `live` are ignored. Lists
/// must be equal item by item, since the API server keeps their order, except owners, to which others may add.
pub fn holds(planned: &Value, live: &Value) -> bool {
    match (planned, live) {
        (Value::Object(p), Value::Object(l)) => p.iter().all(|(key, value)| match l.get(key) {
            Some(have) if TEXTS.contains(&key.as_str()) => has_entries(value, have),
            Some(have) if key == "ownerReferences" => has_items(value, have),
            Some(have) => holds(value, have),
            None => empty(value),
        }),
        (Value::Array(p), Value::Array(l)) => {
            p.len() == l.len() && p.iter().zip(l).all(|(p, l)| holds(p, l))
        }
        (p, l) => p == l || (empty(p) && empty(l)),
    }
}

fn has_entries(planned: &Value, live: &Value) -> bool {
    let planned = planned.as_object().into_iter().flatten();
    let mut planned = planned.filter(|(_, value)| !value.is_null());
    planned.all(|(key, value)| live.get(key) == Some(value))
}

fn has_items(planned: &Value, live: &Value) -> bool {
    let live = live.as_array().map(Vec::as_slice).unwrap_or_default();
    let mut planned = planned.as_array().into_iter().flatten();
    planned.all(|item| live.iter().any(|have| holds(item, have)))
}

fn empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(map) => map.values().all(empty),
        Value::Array(items) => items.is_empty(),
        Value::String(text) => text.is_empty(),
        Value::Bool(flag) => !flag,
        Value::Number(number) => number.as_f64() == Some(0.0),
    }
}

#[cfg(test)]
mod tests;
