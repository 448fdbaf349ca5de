//! Detection of live objects that differ in an immutable field.

use serde_json::Value;

use crate::object::{Kind, Object};

/// True if an API server would refuse to turn `live` into `planned`, because they differ in a field
/// that never changes: it has to be deleted (guarded by its uid) and applied again.
///
/// A tenant taken over from upstream can have `kube-dns` at another address than its
/// `dnsServiceIPs` say.
pub(super) fn must_be_recreated(planned: &Object, live: &Value) -> bool {
    let pointers: &[&str] = match planned.key.kind {
        Kind::Service => &["/spec/clusterIP", "/spec/clusterIPs/0"],
        Kind::RoleBinding | Kind::ClusterRoleBinding => &["/roleRef"],
        Kind::Deployment | Kind::DaemonSet => &["/spec/selector"],
        Kind::EndpointSlice => &["/addressType"],
        _ => &[],
    };
    pointers.iter().any(|pointer| {
        let planned = planned.body.pointer(pointer);
        let live = live.pointer(pointer);
        planned.is_some() && live.is_some() && planned != live
    })
}

#[cfg(test)]
mod tests;
