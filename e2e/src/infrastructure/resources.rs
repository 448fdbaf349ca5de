//! API resources of the kinds that the infrastructure providers read and write.

use kube::api::{ApiResource, GroupVersionKind};

use super::definitions::GROUP;

/// API resource of one of the testbed's kinds.
pub(super) fn resource(kind: &str) -> ApiResource {
    ApiResource::from_gvk(&GroupVersionKind::gvk(GROUP, "v1", kind))
}

/// API resource of a kind of Cluster API's core.
pub(super) fn core(kind: &str) -> ApiResource {
    ApiResource::from_gvk(&GroupVersionKind::gvk("cluster.x-k8s.io", "v1beta2", kind))
}
