//! A control plane for tests, and a simulation of the API server and the operator that carry its plans out.

use std::collections::BTreeMap;

use k8s_openapi::{ByteString, api::core::v1::Secret, jiff::Timestamp};
use kamaji_api::cluster::CLUSTER_NAME;
use serde_json::{Value, json};

use super::*;
use crate::object::Kind;

/// A control plane `a` of the Cluster `c`, with `spec` over the smallest one.
pub(super) fn snapshot(spec: Value) -> Snapshot {
    let mut object = json!({
        "apiVersion": "controlplane.cluster.x-k8s.io/v1alpha2", "kind": "KamajiControlPlane",
        "metadata": {
            "name": "a", "namespace": "n", "uid": "u-1", "generation": 3,
            "labels": {CLUSTER_NAME: "c", "team": "blue", "topology.cluster.x-k8s.io/owned": ""},
            "ownerReferences": [
                {"apiVersion": "v1", "kind": "Secret", "name": "c-shim", "uid": "s"},
                {"apiVersion": "cluster.x-k8s.io/v1beta2", "kind": "Cluster", "name": "c", "uid": "k"},
            ],
        },
        "spec": {"version": "1.36.3", "replicas": 2},
    });
    for (key, value) in spec.as_object().expect("a map") {
        object["spec"][key] = value.clone();
    }
    let cluster = json!({
        "apiVersion": "cluster.x-k8s.io/v1beta2", "kind": "Cluster",
        "metadata": {"name": "c", "namespace": "n"},
        "spec": {
            "clusterNetwork": {"services": {"cidrBlocks": ["10.8.0.0/16", "fd00::/112"]}},
            "controlPlaneRef": {
                "apiGroup": "controlplane.cluster.x-k8s.io", "kind": "KamajiControlPlane", "name": "a",
            },
        },
    });
    let control_plane = serde_json::from_value(object).unwrap();
    let cluster: Cluster = serde_json::from_value(cluster).unwrap();
    Snapshot {
        place: placement::place(&control_plane, None),
        owner: owner(&control_plane, Some(&cluster)),
        control_plane,
        tenant: None,
        infrastructure: Infrastructure::None,
        remote: Remote::Local,
        sources: BTreeMap::new(),
        secrets: BTreeMap::new(),
        probe: Probe::Untried,
        settings: Settings::default(),
        now: Timestamp::UNIX_EPOCH,
    }
}

/// Plans and carries out four times, as the API server and the operator would.
pub(super) fn converge(mut snapshot: Snapshot, endpoint: &str) -> Snapshot {
    for _ in 0..4 {
        let plan = plan(&snapshot);
        carry_out(&mut snapshot, plan, endpoint);
    }
    snapshot
}

/// Carries one plan out; the operator reports `endpoint`.
pub(super) fn carry_out(snapshot: &mut Snapshot, plan: Plan, endpoint: &str) {
    if let Some(own) = plan.own {
        let mut value = serde_json::to_value(&snapshot.control_plane).unwrap();
        json_patch::merge(&mut value, &own);
        snapshot.control_plane = serde_json::from_value(value).unwrap();
    }
    for object in plan.objects {
        if object.key.kind == Kind::Secret {
            let secret: Secret = serde_json::from_value(object.body).unwrap();
            snapshot.secrets.insert(object.key.name, secret);
        } else {
            let mut body = object.body;
            body["status"] = tenant_status(endpoint);
            body["metadata"]["creationTimestamp"] = json!("1969-12-31T00:00:00Z");
            snapshot.tenant = Some(serde_json::from_value(body).unwrap());
            for name in ["a-admin-kubeconfig", "a-ca"] {
                snapshot.sources.insert(name.to_owned(), source_secret());
            }
        }
    }
    if plan.probe.is_some() {
        snapshot.probe = Probe::Works;
    }
    if plan.status.is_some() {
        snapshot.control_plane.status = plan.status;
    }
    observe_again(snapshot);
}

/// Determines the location of the tenant anew, as the next reconcile does.
pub(super) fn observe_again(snapshot: &mut Snapshot) {
    let local = snapshot.remote == Remote::Local;
    let beside = snapshot.tenant.as_ref().filter(|_| local);
    snapshot.place = placement::place(&snapshot.control_plane, beside);
}

/// A Secret of the operator, in which each value is its key.
fn source_secret() -> Secret {
    let keys = ["admin.conf", "admin.svc", "ca.crt", "ca.key"];
    Secret {
        data: Some(
            keys.map(|key| (key.to_owned(), ByteString(key.into())))
                .into(),
        ),
        ..Secret::default()
    }
}

fn tenant_status(endpoint: &str) -> Value {
    json!({
        "controlPlaneEndpoint": endpoint,
        "kubeconfig": {"admin": {"secretName": "a-admin-kubeconfig"}},
        "certificates": {"ca": {"secretName": "a-ca"}},
        "conditions": [{"type": "ControlPlaneAvailable", "status": "True", "reason": "R",
            "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"}],
        "kubernetesResources": {
            "version": {"status": "Ready", "version": "v1.36.3"},
            "deployment": {"name": "a", "namespace": "n", "selector": "x=y", "replicas": 2,
                "readyReplicas": 2, "updatedReplicas": 2, "availableReplicas": 2},
        },
    })
}

/// `spec.deployment` that asks for this namespace of another cluster.
pub(super) fn external(namespace: &str) -> Value {
    json!({"externalClusterReference": {
        "deploymentNamespace": namespace, "kubeconfigSecretName": "s", "kubeconfigSecretKey": "k"}})
}

/// A converged control plane whose tenant is in another cluster.
pub(super) fn remote() -> Snapshot {
    let mut asked = snapshot(json!({"deployment": external("far")}));
    asked.remote = Remote::Reachable(Some("n-1".to_owned()));
    asked.settings.external = true;
    converge(asked, "192.0.2.9:6443")
}
