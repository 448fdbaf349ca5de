use kamaji_api::condition::Reason;
use serde_json::{Value, json};

use super::*;
use crate::{
    snapshot::StoreWait,
    tenant_cluster::{
        fixture::{admin_secret, at, available, object, snapshot},
        report,
        schedule::{Cause, RETRY},
        snapshot::{AdminSecret, CompletedReconcile},
    },
};

/// A tenant available since 100 and configured before, changed by a JSON merge.
fn changed(changes: &Value) -> kamaji_api::tenant::TenantControlPlane {
    let mut body = serde_json::to_value(object(available(100, true))).unwrap();
    json_patch::merge(&mut body, changes);
    serde_json::from_value(body).unwrap()
}

/// The end, at `seconds`, of a reconcile that carried out the plan of this snapshot.
fn completed(snapshot: &TenantClusterSnapshot, seconds: u64) -> CompletedReconcile {
    let desired = plan(snapshot).desired.unwrap();
    report::succeeded(snapshot, &desired, at(seconds))
}

#[test]
fn available_tenant_cluster_has_stages_credentials_and_an_immediate_reconcile() {
    let object = object(available(100, false));
    let plan = plan(&snapshot(&object));
    assert_eq!(plan.availability, Availability::Since(at(100)));
    assert_eq!(plan.next, Next::Now(Cause::New));
    let desired = plan.desired.unwrap();
    assert!(matches!(desired.stages[1].steps[0], Step::Create(_)));
    assert_eq!(desired.write_limit, WriteLimit::None);
    assert_eq!(desired.credentials().unwrap().certificate, b"cert");
}

#[test]
fn objects_are_listed_in_the_order_of_their_writes() {
    let object = changed(&json!({"spec": {"writePermissions": {"blockDeletion": true}}}));
    let desired = plan(&snapshot(&object)).desired.unwrap();
    let names: Vec<_> = desired.objects().map(|o| o.key.to_string()).collect();
    assert_eq!(
        names.last().unwrap(),
        "ValidatingWebhookConfiguration kamaji-write-permissions"
    );
    assert!(matches!(desired.stages[1].steps[0], Step::Ensure(_)));
    assert_eq!(desired.write_limit, WriteLimit::Planned);
}

#[test]
fn same_snapshot_gives_the_same_plan() {
    let object = changed(&json!({}));
    let (first, second) = (plan(&snapshot(&object)), plan(&snapshot(&object)));
    assert_eq!(first.next, second.next);
    let (first, second) = (first.desired.unwrap(), second.desired.unwrap());
    assert_eq!(first.stages, second.stages);
    assert_eq!(first.hash, second.hash);
}

#[test]
fn unavailable_tenant_cluster_is_planned_and_left_alone() {
    for (changes, availability) in [
        (json!({"status": null}), Availability::Unavailable),
        (
            json!({"metadata": {"annotations": {"kamaji.clastix.io/paused": "true"}}}),
            Availability::Unavailable,
        ),
        (
            json!({"metadata": {"deletionTimestamp": at(120).to_string()}}),
            Availability::Deleting,
        ),
    ] {
        let object = changed(&changes);
        let plan = plan(&snapshot(&object));
        assert_eq!(plan.availability, availability);
        let expected = match availability {
            Availability::Deleting => Next::Never,
            _ => Next::After(plan.drift),
        };
        assert_eq!(plan.next, expected);
        assert!(plan.desired.is_ok());
    }
}

#[test]
fn admin_secret_is_read_only_for_a_tenant_that_is_available_and_can_be_parsed() {
    let needs = |changes: Value| snapshot(&changed(&changes)).needs_admin_secret();
    assert!(needs(json!({})));
    assert!(!needs(json!({"status": null})));
    let version = json!({"kubernetes": {"version": "newest"}});
    assert!(!needs(json!({"spec": version})));
}

#[test]
fn unreadable_object_makes_an_available_tenant_cluster_unavailable() {
    let object = changed(&json!({}));
    let mut snapshot = snapshot(&object);
    snapshot.unreadable = true;
    assert_eq!(plan(&snapshot).availability, Availability::Unavailable);
}

#[test]
fn every_missing_part_has_its_reason() {
    let with = |changes: &Value, change: &dyn Fn(&mut TenantClusterSnapshot)| {
        let object = changed(changes);
        let mut snapshot = snapshot(&object);
        change(&mut snapshot);
        plan(&snapshot).desired.unwrap_err().reason()
    };
    let none = json!({});
    let version = json!({"spec": {"kubernetes": {"version": "newest"}}});
    assert_eq!(with(&version, &|_| ()), Reason::SpecInvalid);
    let secret =
        |secret: AdminSecret| with(&none, &|snapshot| snapshot.admin_secret = secret.clone());
    assert_eq!(secret(AdminSecret::NotRead), Reason::NotReconciledYet);
    assert_eq!(secret(admin_secret(&[])), Reason::KubeconfigMissing);
    let address = json!({"spec": {"networkProfile": {"address": null}}});
    assert_eq!(with(&address, &|_| ()), Reason::ServicePending);
    let store = with(&none, &|snapshot| {
        snapshot.store = Err(StoreWait::Missing("gone".to_owned()));
    });
    assert_eq!(store, Reason::DataStoreMissing);
    let patch = json!({"spec": {"kubernetes": {"kubelet": {
        "configurationJSONPatches": [{"op": "remove", "path": "/nothing"}],
    }}}});
    assert_eq!(with(&patch, &|_| ()), Reason::TenantClusterInvalid);
}

#[test]
fn unread_secret_is_no_obstacle_to_a_plan_once_the_ca_is_known() {
    let object = changed(&json!({}));
    let mut snapshot = snapshot(&object);
    let read = plan(&snapshot).desired.unwrap();
    snapshot.last = Some(completed(&snapshot, 150));
    snapshot.admin_secret = AdminSecret::NotRead;
    let unread = plan(&snapshot);
    let desired = unread.desired.unwrap();
    assert_eq!(desired.hash, read.hash);
    assert_eq!(desired.stages, read.stages);
    assert!(matches!(
        desired.credentials(),
        Err(TenantClusterError::NotRead(_))
    ));
    let rest = unread.drift.saturating_sub(Duration::from_secs(10));
    assert_eq!(unread.next, Next::After(rest));
}

#[test]
fn changed_content_is_reconciled_at_once_and_a_failure_after_a_delay() {
    let before = changed(&json!({}));
    let last = completed(&snapshot(&before), 150);
    let after = changed(&json!({"spec": {"addons": {"coreDNS": null}}}));
    let mut snapshot = TenantClusterSnapshot {
        admin_secret: AdminSecret::NotRead,
        last: Some(last),
        ..snapshot(&after)
    };
    assert_eq!(plan(&snapshot).next, Next::Now(Cause::Changed));
    let error = TenantClusterError::ApiUnreachable("no route".to_owned());
    let desired = plan(&snapshot).desired.unwrap();
    let failed = report::failed(&snapshot, Some(&desired), &error, at(155));
    snapshot.last = Some(failed);
    assert_eq!(plan(&snapshot).next, Next::After(RETRY));
}

#[test]
fn drift_is_reconciled_within_one_and_a_half_periods_and_sooner_with_a_write_limit() {
    let object = changed(&json!({}));
    let mut snapshot = snapshot(&object);
    let drift = plan(&snapshot).drift;
    assert!((snapshot.resync..=snapshot.resync * 3 / 2).contains(&drift));
    snapshot.last = Some(completed(&snapshot, 160));
    snapshot.now = at(160) + drift;
    assert_eq!(plan(&snapshot).next, Next::Now(Cause::Overdue));
    let limited = changed(&json!({"spec": {"writePermissions": {"blockUpdate": true}}}));
    snapshot.object = &limited;
    assert!(plan(&snapshot).drift <= Duration::from_mins(1));
}
