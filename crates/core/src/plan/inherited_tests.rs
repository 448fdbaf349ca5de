use kamaji_api::condition::Reason;
use serde_json::json;
use std::collections::BTreeMap;

use super::{
    Plan,
    fixture::{settled, snapshot},
    plan,
};
use crate::{object::Kind, snapshot::Snapshot};

const FORMER: &str = "99999999-2222-3333-4444-555555555555";

/// A tenant of the same name as one that is gone, whose Secrets are there still.
fn recreated() -> Snapshot {
    let mut fixture = settled(json!({}));
    for secret in fixture.secrets.values_mut() {
        for owner in secret.metadata.owner_references.iter_mut().flatten() {
            owner.uid = FORMER.to_owned();
        }
    }
    fixture
}

fn reason(plan: &Plan) -> Option<(Reason, &str)> {
    let wait = plan.waits.first()?;
    Some((wait.reason, &wait.message))
}

#[test]
fn secrets_of_a_former_tenant_of_the_same_name_are_not_adopted() {
    let mut fixture = recreated();
    fixture.object.status = None;
    let names: Vec<String> = fixture.secrets.keys().cloned().collect();
    let only = |fixture: &Snapshot, name: &str| {
        let mut fixture = fixture.clone();
        fixture.secrets.retain(|secret, _| secret == name);
        fixture
    };
    assert_eq!(names.len(), 13, "{names:?}");
    for name in &names {
        let plan = plan(&only(&fixture, name)).unwrap();
        let (reason, message) = reason(&plan).unwrap();
        assert_eq!(reason, "SecretsOfAnotherOwner");
        assert!(
            message.contains(name) && message.contains(FORMER),
            "{message}"
        );
        let planned: Vec<_> = plan.objects().map(|object| object.key.kind).collect();
        assert_eq!(planned, [Kind::Service], "{name}");
        assert!(plan.prunes.is_empty());
    }
    fixture.secrets.clear();
    assert_eq!(
        reason(&plan(&fixture).unwrap()),
        None,
        "it goes on by itself"
    );
}

#[test]
fn restored_tenant_adopts_the_secrets_that_its_status_recorded() {
    let fixture = recreated();
    let plan = plan(&fixture).unwrap();
    assert_eq!(reason(&plan), None);
    let owned = plan
        .objects()
        .filter(|object| object.key.kind == Kind::Secret);
    for object in owned {
        let owner = &object.body["metadata"]["ownerReferences"][0]["uid"];
        assert_eq!(owner, &json!(fixture.object.metadata.uid), "{}", object.key);
    }
}

#[test]
fn restored_tenant_adopts_no_unrecorded_secret() {
    let mut fixture = recreated();
    let other = settled(json!({"metadata": {"uid": "another"}}));
    let mut ca = other.secrets["full-ca"].clone();
    let certificates = fixture
        .object
        .status
        .as_mut()
        .unwrap()
        .certificates
        .as_mut()
        .unwrap();
    certificates.ca.as_mut().unwrap().checksum = Some("0123456789abcdef".to_owned());
    assert_eq!(
        reason(&plan(&fixture).unwrap()).unwrap().0,
        "SecretsOfAnotherOwner"
    );
    ca.metadata.owner_references = None;
    let fixture = Snapshot {
        secrets: BTreeMap::from([("full-ca".to_owned(), ca.clone())]),
        ..snapshot(json!({}))
    };
    assert_eq!(
        reason(&plan(&fixture).unwrap()),
        None,
        "a CA of a user's own"
    );
}

#[test]
fn recorded_secret_of_a_tenant_of_another_name_is_not_adopted() {
    let mut fixture = settled(json!({}));
    let secret = fixture.secrets.get_mut("full-ca").unwrap();
    let owner = &mut secret.metadata.owner_references.as_mut().unwrap()[0];
    owner.name = "other".to_owned();
    owner.uid = FORMER.to_owned();
    let plan = plan(&fixture).unwrap();
    let (reason, message) = reason(&plan).unwrap();
    assert_eq!(reason, "SecretsOfAnotherOwner");
    assert!(message.contains("TenantControlPlane other"), "{message}");
}
