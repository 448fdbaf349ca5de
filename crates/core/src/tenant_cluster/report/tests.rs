use serde_json::{Value, json};

use super::*;
use crate::tenant_cluster::{
    fixture::{at, available, object, snapshot},
    plan::plan,
    snapshot::AdminSecret,
};

fn tenant(changes: &Value) -> kamaji_api::tenant::TenantControlPlane {
    let mut all = available(100, true);
    all["metadata"]["generation"] = json!(4);
    json_patch::merge(&mut all, changes);
    object(all)
}

fn unreachable() -> TenantClusterError {
    TenantClusterError::ApiUnreachable("no route to host".to_owned())
}

#[test]
fn success_reports_everything_as_planned() {
    let object = tenant(&json!({}));
    let snapshot = snapshot(&object);
    let desired = plan(&snapshot).desired.unwrap();
    let completed = succeeded(&snapshot, &desired, at(170));
    assert_eq!(completed.at, at(170));
    assert_eq!(completed.content, desired.hash);
    assert_eq!(
        completed.ca.as_deref(),
        Some(&b"CA of super-admin.conf"[..])
    );
    let report = completed.report;
    assert_eq!(
        serde_json::to_value(&report.ready).unwrap(),
        json!({
            "type": "TenantClusterConfigured",
            "status": "True",
            "reason": "AsPlanned",
            "message": "",
            "observedGeneration": 4,
            "lastTransitionTime": at(170).to_string(),
        })
    );
    assert!(report.addons.unwrap().core_dns.unwrap().enabled);
    assert!(
        report
            .kubeadm_phase
            .unwrap()
            .bootstrap_token
            .checksum
            .is_some()
    );
    assert_eq!(report.write_limited, Some(false));
}

#[test]
fn limit_that_cannot_be_set_is_a_false_condition_beside_the_rest_of_the_report() {
    let object = tenant(&json!({"spec": {"writePermissions": {"blockUpdate": true}}}));
    let mut snapshot = snapshot(&object);
    let end = |snapshot: &TenantClusterSnapshot| {
        let desired = plan(snapshot).desired.unwrap();
        succeeded(snapshot, &desired, at(170)).report
    };
    let limited = end(&snapshot);
    assert_eq!(limited.ready.status, "True");
    assert_eq!(limited.write_limited, Some(true));
    snapshot.settings.webhook_ca.clear();
    let unlimited = end(&snapshot);
    assert_eq!(unlimited.ready.status, "False");
    assert_eq!(unlimited.ready.reason, "WriteLimitUnavailable");
    assert!(unlimited.ready.message.contains("--webhook-bind-address"));
    assert_eq!(unlimited.write_limited, Some(false));
    assert!(unlimited.addons.is_some() && unlimited.kubeadm_phase.is_some());
}

#[test]
fn failure_keeps_addons_phase_and_limit_of_the_last_report() {
    let object = tenant(&json!({"spec": {"writePermissions": {"blockUpdate": true}}}));
    let mut snapshot = snapshot(&object);
    let desired = plan(&snapshot).desired.unwrap();
    let before = succeeded(&snapshot, &desired, at(150));
    snapshot.last = Some(before.clone());
    let after = failed(&snapshot, Some(&desired), &unreachable(), at(170));
    assert_eq!(after.report.ready.status, "False");
    assert_eq!(after.report.ready.reason, "TenantApiUnreachable");
    assert!(after.report.ready.message.contains("no route to host"));
    assert_eq!(after.report.ready.observed_generation, Some(4));
    assert_eq!(after.report.addons, before.report.addons);
    assert_eq!(after.report.kubeadm_phase, before.report.kubeadm_phase);
    assert_eq!(after.report.write_limited, Some(true));
    assert_eq!(
        (after.content, after.ca, after.at),
        (desired.hash, before.ca, at(170))
    );
}

#[test]
fn failure_before_a_first_success_reports_only_its_condition() {
    let object = tenant(&json!({}));
    let snapshot = TenantClusterSnapshot {
        admin_secret: AdminSecret::NotRead,
        ..snapshot(&object)
    };
    let end = failed(&snapshot, None, &unreachable(), at(170));
    assert_eq!(end.report.addons, None);
    assert_eq!(end.report.kubeadm_phase, None);
    assert_eq!(end.report.write_limited, None);
    assert_eq!((end.content.as_str(), end.ca), ("", None));
}

#[test]
fn stopped_reconcile_keeps_the_ca_and_forgets_the_content() {
    let object = tenant(&json!({}));
    let mut snapshot = snapshot(&object);
    let desired = plan(&snapshot).desired.unwrap();
    snapshot.last = Some(succeeded(&snapshot, &desired, at(150)));
    let stopped = TenantClusterError::TimedOut(std::time::Duration::from_secs(20));
    let end = failed(&snapshot, None, &stopped, at(170));
    assert_eq!(end.content, "");
    assert_eq!(end.ca.as_deref(), Some(desired.access.ca()));
    assert!(end.report.addons.is_some());
}

#[test]
fn failure_after_another_ca_was_read_keeps_the_new_one() {
    let object = tenant(&json!({}));
    let mut snapshot = snapshot(&object);
    let desired = plan(&snapshot).desired.unwrap();
    let before = succeeded(&snapshot, &desired, at(150));
    snapshot.last = Some(CompletedReconcile {
        ca: Some(b"former CA".to_vec()),
        ..before
    });
    let end = failed(&snapshot, Some(&desired), &unreachable(), at(170));
    assert_eq!(end.ca.as_deref(), Some(&b"CA of super-admin.conf"[..]));
}
