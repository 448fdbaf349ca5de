//! Renewals of tenants with an invalid spec.

use std::time::Duration;

use kamaji_api::condition;
use serde_json::json;

use super::{
    fixture::{after, settled, snapshot, tenant},
    plan,
};
use crate::{object::Kind, snapshot::Snapshot};

/// Spec that an older operator accepted: the pod range overlaps the service range.
fn overlap() -> serde_json::Value {
    json!({"spec": {"networkProfile": {"podCidr": "10.112.0.0/20", "certSANs": ["https://wrong"]}}})
}

/// A running tenant whose spec is invalid by now.
fn refused() -> Snapshot {
    let mut fixture = settled(json!({}));
    fixture.object.spec = tenant(overlap()).spec;
    fixture
}

#[test]
fn running_invalid_tenant_is_renewed_and_otherwise_unchanged() {
    let fixture = refused();
    let planned = plan(&fixture).unwrap();
    let found = condition::find(&planned.status.conditions, "Reconciled").unwrap();
    assert_eq!(
        (found.status.as_str(), found.reason.as_str()),
        ("False", "SpecInvalid")
    );
    assert!(found.message.contains("overlaps"), "{}", found.message);
    let due = planned.requeue_at.unwrap();
    assert!(
        due > fixture.now + Duration::from_hours(24 * 360),
        "it wakes by itself: {due}"
    );

    let mut later = after(fixture, &planned);
    later.now = due;
    let renewed = plan(&later).unwrap();
    assert!(renewed.prunes.is_empty());
    assert!(
        renewed
            .objects()
            .all(|object| object.key.kind == Kind::Secret)
    );
    for name in [
        "full-api-server-certificate",
        "full-admin-kubeconfig",
        "full-datastore-certificate",
    ] {
        let object = renewed.objects().find(|object| object.key.name == name);
        let body = &object.unwrap_or_else(|| panic!("no {name}")).body;
        let old = serde_json::to_value(&later.secrets[name].data).unwrap();
        let same = body["data"] == old;
        assert_eq!(
            same,
            name == "full-datastore-certificate",
            "{name}: lasts ten years"
        );
    }
    let ca = |fixture: &Snapshot| fixture.secrets["full-ca"].data.clone();
    let then = after(later.clone(), &renewed);
    assert_eq!(ca(&then), ca(&later));
    let again = plan(&then).unwrap();
    assert_eq!(again.status, renewed.status, "and comes to rest");
}

#[test]
fn invalid_tenant_without_secrets_gets_no_objects() {
    let fixture = snapshot(overlap());
    let planned = plan(&fixture).unwrap();
    assert_eq!(planned.objects().count(), 0);
    assert!(planned.steps.is_empty() && planned.finalizers.is_none());
}

#[test]
fn invalid_tenant_gets_no_secret_that_it_lacks() {
    let mut fixture = refused();
    let lost = "full-front-proxy-client-certificate";
    fixture.secrets.remove(lost).unwrap();
    let planned = plan(&fixture).unwrap();
    let names: Vec<_> = planned
        .objects()
        .map(|object| object.key.name.as_str())
        .collect();
    assert!(!names.contains(&lost), "{names:?}");
    assert!(names.contains(&"full-datastore-certificate"), "{names:?}");
}

#[test]
fn api_server_certificate_is_not_renewed_while_the_address_is_invalid() {
    let mut fixture = settled(json!({}));
    fixture.object.spec.network_profile.address = Some("no address".to_owned());
    let planned = plan(&fixture).unwrap();
    let names: Vec<_> = planned
        .objects()
        .map(|object| object.key.name.as_str())
        .collect();
    assert!(!names.contains(&"full-api-server-certificate"), "{names:?}");
    assert!(names.contains(&"full-datastore-certificate"), "{names:?}");
}

#[test]
fn certificates_without_an_address_are_renewed_while_the_address_cannot_be_parsed() {
    let mut fixture = settled(json!({}));
    let wrong = json!({"spec": {"networkProfile": {"address": "192.0.2.300"}}});
    fixture.object.spec = tenant(wrong).spec;
    let due = plan(&fixture).unwrap().requeue_at.unwrap();
    fixture.now = due + Duration::from_hours(24);
    let renewed = plan(&fixture).unwrap();
    let changed = |name: &str| {
        let object = renewed.objects().find(|object| object.key.name == name);
        let old = serde_json::to_value(&fixture.secrets[name].data).unwrap();
        object.is_some_and(|object| object.body["data"] != old)
    };
    for name in [
        "full-front-proxy-client-certificate",
        "full-api-server-kubelet-client-certificate",
    ] {
        assert!(changed(name), "{name} is not renewed");
    }
    for name in ["full-api-server-certificate", "full-admin-kubeconfig"] {
        assert!(
            !changed(name),
            "{name} is issued for an address that is not known"
        );
    }
}
