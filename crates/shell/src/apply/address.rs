//! [`Address`]: kind, namespace and name of an object of any kind.

use kube::{
    ResourceExt,
    api::{ApiResource, DynamicObject},
};

/// Kind, namespace and name of one object; printed as `Kind namespace/name` or `Kind name`.
#[derive(Clone, Debug)]
pub struct Address {
    /// Group, version, kind and plural.
    pub resource: ApiResource,
    /// Namespace of the object; `None` for cluster-scoped kinds.
    pub namespace: Option<String>,
    /// Name of the object.
    pub name: String,
}

impl Address {
    /// The address of the object `name` in `namespace`.
    pub fn namespaced(resource: ApiResource, namespace: &str, name: &str) -> Self {
        Self {
            resource,
            namespace: Some(namespace.to_owned()),
            name: name.to_owned(),
        }
    }

    /// The address of the cluster-scoped object `name`.
    pub fn cluster(resource: ApiResource, name: &str) -> Self {
        Self {
            resource,
            namespace: None,
            name: name.to_owned(),
        }
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{} {namespace}/{}", self.resource.kind, self.name),
            None => write!(f, "{} {}", self.resource.kind, self.name),
        }
    }
}

/// The address of an object that was read as `resource`.
impl From<(&DynamicObject, ApiResource)> for Address {
    fn from((object, resource): (&DynamicObject, ApiResource)) -> Self {
        Self {
            resource,
            namespace: object.namespace(),
            name: object.name_any(),
        }
    }
}
