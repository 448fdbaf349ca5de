use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff::Timestamp};
use kamaji_api::condition::find;
use serde_json::json;

use super::super::{
    FINALIZER,
    fixture::{converge, observe_again, remote, snapshot},
    plan,
};

/// The API server warns of any other form at each write.
#[test]
fn finalizer_is_qualified_by_a_domain() {
    let (domain, name) = FINALIZER.split_once('/').unwrap();
    assert!(domain.contains('.') && !name.is_empty() && !name.contains('/'));
}

#[test]
fn the_tenant_is_deleted_before_the_finalizer_is_removed() {
    let mut deleted = converge(snapshot(json!({})), "192.0.2.9:6443");
    deleted.tenant.as_mut().unwrap().metadata.uid = Some("t-1".to_owned());
    deleted.control_plane.metadata.deletion_timestamp =
        Some(serde_json::from_value(json!("2026-01-01T00:00:00Z")).unwrap());
    let first = plan(&deleted);
    assert_eq!(first.delete.as_deref(), Some("t-1"));
    assert_eq!(first.own, None);
    deleted.tenant = None;
    let second = plan(&deleted);
    assert_eq!(second.own, Some(json!({"metadata": {"finalizers": []}})));
}

#[test]
fn a_remote_tenant_is_deleted_with_its_control_plane_and_not_with_a_copy_of_it() {
    let now: Timestamp = Timestamp::UNIX_EPOCH;
    let deleted = |name: &str, uid: &str| {
        let mut deleted = remote();
        deleted.tenant.as_mut().unwrap().metadata.uid = Some("t-1".to_owned());
        let metadata = &mut deleted.control_plane.metadata;
        metadata.name = Some(name.to_owned());
        metadata.uid = Some(uid.to_owned());
        metadata.deletion_timestamp = Some(Time(now));
        observe_again(&mut deleted);
        deleted
    };
    // One that was restored has another uid, and its record.
    assert_eq!(plan(&deleted("a", "u-2")).delete.as_deref(), Some("t-1"));
    let copy = plan(&deleted("copy", "u-3"));
    assert_eq!(
        (copy.delete, copy.own),
        (None, Some(json!({"metadata": {"finalizers": []}})))
    );
    // The one of another management cluster has the same name, and no record.
    let mut other = deleted("a", "u-4");
    other.control_plane.metadata.annotations = None;
    observe_again(&mut other);
    assert_eq!(plan(&other).delete, None);
    other.control_plane.metadata.deletion_timestamp = None;
    let refused = plan(&other);
    assert_eq!(refused.objects, []);
    let said = refused.status.unwrap();
    let said = find(&said.conditions, "TenantControlPlaneCreated").unwrap();
    assert!(said.message.contains("n/a/u-4"), "{}", said.message);
}

#[test]
fn a_remote_tenant_of_upstream_is_deleted_with_the_control_plane_of_its_uid_alone() {
    let mut deleted = remote();
    let tenant = deleted.tenant.as_mut().unwrap();
    tenant.metadata.name = Some("kcp-u-1".to_owned());
    tenant.metadata.uid = Some("t-1".to_owned());
    tenant.metadata.annotations = None;
    let metadata = &mut deleted.control_plane.metadata;
    metadata.uid = Some("u-1".to_owned());
    metadata.deletion_timestamp = Some(Time(Timestamp::UNIX_EPOCH));
    deleted.place.name = "kcp-u-1".to_owned();
    deleted.place.owner = "u-1".to_owned();
    assert_eq!(plan(&deleted).delete.as_deref(), Some("t-1"));
    // The record, an annotation, names the uid of another control plane.
    deleted.control_plane.metadata.uid = Some("u-3".to_owned());
    assert_eq!(plan(&deleted).delete, None);
}

#[test]
fn an_orphaned_tenant_is_kept() {
    let mut deleted = converge(snapshot(json!({})), "192.0.2.9:6443");
    deleted.tenant.as_mut().unwrap().metadata.uid = Some("t-1".to_owned());
    let metadata = &mut deleted.control_plane.metadata;
    metadata.deletion_timestamp = Some(Time(Timestamp::UNIX_EPOCH));
    metadata
        .finalizers
        .get_or_insert_default()
        .push("orphan".to_owned());
    let waits = plan(&deleted);
    assert_eq!((waits.delete, waits.own), (None, None));
    deleted.tenant.as_mut().unwrap().metadata.owner_references = None;
    let done = plan(&deleted);
    assert_eq!(
        done.own,
        Some(json!({"metadata": {"finalizers": ["orphan"]}}))
    );
}
