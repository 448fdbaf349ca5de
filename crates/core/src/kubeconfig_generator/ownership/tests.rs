use serde_json::json;

use super::*;
use crate::kubeconfig_generator::fixture::{GENERATOR, World, generator};

fn live(world: &World) -> Secret {
    world.output.clone().unwrap()
}

fn verdict(world: &World, secret: &Secret, exists: bool) -> Option<Version> {
    let parties = Parties {
        name: GENERATOR,
        generator: exists.then_some(&world.generator),
        namespace: None,
        tenant: &world.tenant,
    };
    to_delete(&secret.metadata, &parties)
}

#[test]
fn names_of_other_secrets_are_refused_for_generators() {
    assert_eq!(secret_name("full", "auditors").unwrap(), "full-auditors");
    for (tenant, generator) in [
        ("full", "ca"),
        ("full", "admin-kubeconfig"),
        ("full", "kubeconfig"),
        ("full", "etcd"),
        // The CA of a tenant `full-two`, which may come later.
        ("full", "two-ca"),
        // The serving certificate of a tenant `web`.
        ("web-api", "server-certificate"),
    ] {
        let error = secret_name(tenant, generator).unwrap_err();
        assert_eq!(error, NameError::Reserved(format!("{tenant}-{generator}")));
    }
    assert!(secret_name("full", "viewer-kubeconfig").is_ok());
    let long = "x".repeat(64);
    assert!(matches!(
        secret_name("full", &long),
        Err(NameError::Label(_))
    ));
    assert!(matches!(secret_name(&long, "a"), Err(NameError::Label(_))));
}

#[test]
fn a_secret_is_of_the_tenant_by_uid_and_of_the_generator_by_label_and_name() {
    let world = World::settled();
    let check = |change: &dyn Fn(&mut Secret)| {
        let mut secret = live(&world);
        change(&mut secret);
        check(&secret.metadata, &world.tenant, GENERATOR).is_ok()
    };
    let label = |secret: &mut Secret, key: &str, value: &str| {
        let all = secret.metadata.labels.get_or_insert_default();
        all.insert(key.to_owned(), value.to_owned());
    };
    assert!(check(&|_| {}));
    assert!(!check(&|secret| secret.metadata.owner_references = None));
    let owner = |secret: &mut Secret, change: &dyn Fn(&mut OwnerReference)| {
        let owners = secret.metadata.owner_references.get_or_insert_default();
        change(&mut owners[0]);
    };
    assert!(!check(
        &|secret| owner(secret, &|owner| owner.uid = "another".to_owned())
    ));
    assert!(!check(
        &|secret| owner(secret, &|owner| owner.controller = None)
    ));
    assert!(!check(
        &|secret| owner(secret, &|owner| owner.kind = "ConfigMap".to_owned())
    ));
    assert!(!check(&|secret| label(
        secret,
        labels::MANAGED_BY,
        "others"
    )));
    assert!(!check(&|secret| label(
        secret,
        labels::MANAGED_FOR,
        "others"
    )));
    // A copy under another name, labels and owners included.
    assert!(!check(
        &|secret| secret.metadata.name = Some("full-copy".to_owned())
    ));
}

#[test]
fn composed_names_of_two_pairs_may_be_equal_and_the_labels_decide() {
    // Tenant a-b of generator c, and tenant a of generator b-c.
    let meta = |generator: &str, tenant: &str| -> ObjectMeta {
        let labels = json!({labels::MANAGED_BY: generator, labels::MANAGED_FOR: tenant});
        serde_json::from_value(json!({"name": "a-b-c", "labels": labels})).unwrap()
    };
    assert_eq!(parties_of(&meta("c", "a-b")), Some(("c", "a-b")));
    assert_eq!(parties_of(&meta("b-c", "a")), Some(("b-c", "a")));
    assert_eq!(parties_of(&meta("c", "a")), None);
    assert_eq!(parties_of(&meta("", "a-b-c")), None);
}

#[test]
fn what_nobody_requests_any_more_is_deleted_at_the_observed_version() {
    let mut world = World::settled();
    let secret = live(&world);
    assert_eq!(verdict(&world, &secret, true), None);
    let version = Version::of(&secret.metadata);
    assert_eq!(version.revision, 7);
    assert_eq!(verdict(&world, &secret, false), Some(version.clone()));
    world.generator =
        generator(&json!({"tenantControlPlaneSelector": {"matchLabels": {"team": "blue"}}}));
    assert_eq!(verdict(&world, &secret, true), Some(version));
}

#[test]
fn what_is_not_certainly_ours_is_never_deleted() {
    let world = World::settled();
    let kept = |change: &dyn Fn(&mut Secret)| {
        let mut secret = live(&world);
        change(&mut secret);
        verdict(&world, &secret, false).is_none()
    };
    assert!(!kept(&|_| {}));
    assert!(kept(&|secret| secret.metadata.annotations = None));
    assert!(kept(&|secret| {
        let all = secret.metadata.annotations.get_or_insert_default();
        all.insert(labels::GENERATOR_UID.to_owned(), String::new());
    }));
    assert!(kept(&|secret| {
        let all = secret.metadata.annotations.get_or_insert_default();
        all.insert(labels::PAUSED.to_owned(), String::new());
    }));
    assert!(kept(&|secret| secret.metadata.owner_references = None));
    assert!(kept(
        &|secret| secret.metadata.name = Some("full-ca".to_owned())
    ));
    assert!(kept(&|secret| secret.metadata.labels = None));
}

#[test]
fn selectors_that_cannot_be_evaluated_delete_nothing() {
    let mut world = World::settled();
    let broken = json!({"matchExpressions": [{"key": "a", "operator": "Like"}]});
    world.generator = generator(&json!({"tenantControlPlaneSelector": broken}));
    assert_eq!(verdict(&world, &live(&world), true), None);
}

#[test]
fn control_plane_secrets_belong_to_the_tenant_by_uid() {
    let world = World::new();
    let mut secret = world.authority.clone().unwrap();
    assert!(is_of_control_plane(&secret, &world.tenant));
    secret.metadata.owner_references.get_or_insert_default()[0].uid = "former".to_owned();
    assert!(!is_of_control_plane(&secret, &world.tenant));
    secret.metadata.owner_references = None;
    assert!(!is_of_control_plane(&secret, &world.tenant));
}
