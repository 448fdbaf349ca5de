use serde_json::{Value, json};

use crate::{
    plan::{deletion, fixture::settled},
    snapshot::StoreWait,
    tenant::Tenant,
};

#[test]
fn deletion_unbinds_before_it_releases_secret_and_tenant() {
    let fixture = settled(json!({}));
    let tenant = Tenant::parse(&fixture.object).unwrap();
    let todo = deletion(&tenant, &fixture).unwrap();
    assert_eq!(todo.unbind.len(), 1);
    assert_eq!(
        todo.unbind[0].1.schema,
        "11111111-2222-3333-4444-555555555555"
    );
    let released = todo.release.unwrap().body;
    assert_eq!(released["metadata"]["finalizers"], Value::Null);
    assert_eq!(released["metadata"]["ownerReferences"][0]["name"], "full");
    assert!(released["data"]["DB_SCHEMA"].is_string());
    assert!(todo.finalizers.is_empty());
}

#[test]
fn deletion_waits_for_the_datastore_with_a_message() {
    let mut fixture = settled(json!({}));
    fixture.store = Err(StoreWait::Missing("default".to_owned()));
    let tenant = Tenant::parse(&fixture.object).unwrap();
    let wait = deletion(&tenant, &fixture).unwrap_err();
    assert!(
        wait.message.contains("the deletion waits"),
        "{}",
        wait.message
    );
}
