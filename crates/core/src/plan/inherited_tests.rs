use serde_json::json;

use super::{
    fixture::{settled, snapshot},
    *,
};

const FORMER: &str = "99999999-2222-3333-4444-555555555555";

/// A tenant of the same name as one that is gone, whose Secrets are there still.
fn recreated() -> Snapshot {
    let mut world = settled(json!({}));
    for secret in world.secrets.values_mut() {
        for owner in secret.metadata.owner_references.iter_mut().flatten() {
            owner.uid = FORMER.to_owned();
        }
    }
    world
}

fn reason(plan: &Plan) -> Option<(&'static str, &str)> {
    let wait = plan.waits.first()?;
    Some((wait.reason, &wait.message))
}

#[test]
fn secrets_of_a_former_tenant_of_this_name_are_not_adopted() {
    let mut world = recreated();
    world.object.status = None;
    let names: Vec<String> = world.secrets.keys().cloned().collect();
    let only = |world: &Snapshot, name: &str| {
        let mut world = world.clone();
        world.secrets.retain(|secret, _| secret == name);
        world
    };
    assert_eq!(names.len(), 13, "{names:?}");
    for name in &names {
        let plan = plan(&only(&world, name)).unwrap();
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
    world.secrets.clear();
    assert_eq!(reason(&plan(&world).unwrap()), None, "it goes on by itself");
}

#[test]
fn a_restored_tenant_adopts_the_secrets_that_its_status_recorded() {
    let world = recreated();
    let plan = plan(&world).unwrap();
    assert_eq!(reason(&plan), None);
    let owned = plan
        .objects()
        .filter(|object| object.key.kind == Kind::Secret);
    for object in owned {
        let owner = &object.body["metadata"]["ownerReferences"][0]["uid"];
        assert_eq!(owner, &json!(world.object.metadata.uid), "{}", object.key);
    }
}

#[test]
fn a_restored_tenant_does_not_adopt_what_its_status_does_not_know() {
    let mut world = recreated();
    let other = settled(json!({"metadata": {"uid": "another"}}));
    let mut ca = other.secrets["full-ca"].clone();
    let certificates = world
        .object
        .status
        .as_mut()
        .unwrap()
        .certificates
        .as_mut()
        .unwrap();
    certificates.ca.as_mut().unwrap().checksum = Some("0123456789abcdef".to_owned());
    assert_eq!(
        reason(&plan(&world).unwrap()).unwrap().0,
        "SecretsOfAnotherOwner"
    );
    ca.metadata.owner_references = None;
    let world = Snapshot {
        secrets: BTreeMap::from([("full-ca".to_owned(), ca.clone())]),
        ..snapshot(json!({}))
    };
    assert_eq!(reason(&plan(&world).unwrap()), None, "a CA of a user's own");
}

#[test]
fn a_secret_of_a_tenant_of_another_name_is_not_adopted_even_if_the_status_recorded_it() {
    let mut world = settled(json!({}));
    let secret = world.secrets.get_mut("full-ca").unwrap();
    let owner = &mut secret.metadata.owner_references.as_mut().unwrap()[0];
    owner.name = "other".to_owned();
    owner.uid = FORMER.to_owned();
    let plan = plan(&world).unwrap();
    let (reason, message) = reason(&plan).unwrap();
    assert_eq!(reason, "SecretsOfAnotherOwner");
    assert!(message.contains("TenantControlPlane other"), "{message}");
}
