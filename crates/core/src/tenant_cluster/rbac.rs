//! RBAC objects of a tenant cluster, and the binding of its administrators.

use serde_json::{Value, json};

use super::metadata::plain;
use crate::object::Object;

const GROUP: &str = "rbac.authorization.k8s.io";

/// A ClusterRole or, with a namespace in its metadata, a Role.
pub(super) fn role(metadata: Value, rules: Value) -> Object {
    Object::from_value(json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": scoped(&metadata, "Role"),
        "metadata": metadata,
        "rules": rules,
    }))
}

/// A ClusterRoleBinding or, with a namespace in its metadata, a RoleBinding; `role` is the kind and
/// name of the role.
pub(super) fn binding(metadata: Value, role: (&str, &str), subjects: Value) -> Object {
    Object::from_value(json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": scoped(&metadata, "RoleBinding"),
        "metadata": metadata,
        "roleRef": {"apiGroup": GROUP, "kind": role.0, "name": role.1},
        "subjects": subjects,
    }))
}

/// The namespaced `kind`, or its cluster-scoped counterpart where the metadata has no namespace.
fn scoped(metadata: &Value, kind: &str) -> String {
    let scope = if metadata["namespace"].is_null() {
        "Cluster"
    } else {
        ""
    };
    format!("{scope}{kind}")
}

/// A group or user as a subject.
pub(super) fn subject(kind: &str, name: &str) -> Value {
    json!({"apiGroup": GROUP, "kind": kind, "name": name})
}

/// A ServiceAccount as a subject.
pub(super) fn account(namespace: &str, name: &str) -> Value {
    json!({"kind": "ServiceAccount", "name": name, "namespace": namespace})
}

/// A rule to read one ConfigMap.
pub(super) fn reads(config_map: &str) -> Value {
    json!([{
        "apiGroups": [""],
        "resourceNames": [config_map],
        "resources": ["configmaps"],
        "verbs": ["get"],
    }])
}

/// The group of `admin.conf` may do everything.
pub(super) fn cluster_admins() -> Vec<Object> {
    vec![binding(
        plain(None, "kubeadm:cluster-admins"),
        ("ClusterRole", "cluster-admin"),
        json!([subject("Group", "kubeadm:cluster-admins")]),
    )]
}
