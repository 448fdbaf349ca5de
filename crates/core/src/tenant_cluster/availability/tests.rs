use serde_json::{Value, json};

use super::Availability;
use crate::tenant_cluster::fixture::{at, available, object};

/// Availability of a tenant whose control plane is available since 100, after a JSON merge.
fn of(changes: &Value) -> Availability {
    let mut all = available(100, false);
    json_patch::merge(&mut all, changes);
    Availability::of(&object(all))
}

#[test]
fn available_control_plane_is_reconciled_and_a_new_one_is_not() {
    assert_eq!(of(&json!({})), Availability::Since(at(100)));
    assert_eq!(of(&json!({"status": null})), Availability::Unavailable);
    let empty = json!({"status": {"conditions": null}});
    assert_eq!(of(&empty), Availability::Unavailable);
}

#[test]
fn control_plane_without_a_ready_replica_is_unavailable() {
    for status in ["False", "Unknown"] {
        let condition = json!([{
            "type": "ControlPlaneAvailable",
            "status": status,
            "reason": "NoReplicaReady",
            "message": "",
            "lastTransitionTime": at(100).to_string(),
        }]);
        let changes = json!({"status": {"conditions": condition}});
        assert_eq!(of(&changes), Availability::Unavailable);
    }
}

#[test]
fn tenant_cluster_is_left_alone_while_its_ca_is_rotated_and_in_no_other_phase() {
    let in_phase = |phase: &str| {
        of(&json!({"status": {"kubernetesResources": {"version": {"status": phase}}}}))
    };
    assert_eq!(
        in_phase("CertificateAuthorityRotating"),
        Availability::Unavailable
    );
    for phase in ["Ready", "Upgrading", "WriteLimited", "NotReady"] {
        assert_eq!(in_phase(phase), Availability::Since(at(100)), "{phase}");
    }
}

#[test]
fn paused_tenant_is_unavailable_and_a_deleted_one_is_deleting() {
    let paused = json!({"annotations": {"kamaji.clastix.io/paused": ""}});
    assert_eq!(of(&json!({"metadata": paused})), Availability::Unavailable);
    let mut both = paused;
    both["deletionTimestamp"] = at(120).to_string().into();
    assert_eq!(of(&json!({"metadata": both})), Availability::Deleting);
}
