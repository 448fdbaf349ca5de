use serde_json::{Value, json};

use super::*;
use crate::plan::fixture;

fn now() -> Timestamp {
    fixture::NOW.parse().unwrap()
}

fn object(metadata: Value) -> DataStore {
    serde_json::from_value(json!({
        "apiVersion": "kamaji.clastix.io/v1alpha1",
        "kind": "DataStore",
        "metadata": metadata,
        "spec": {"driver": "etcd", "endpoints": ["10.0.0.5:2379"]},
    }))
    .unwrap()
}

fn used() -> BTreeSet<String> {
    BTreeSet::from(["ns/a".to_owned()])
}

#[test]
fn a_store_is_held_while_it_lives_or_is_used() {
    let fresh = plan(
        &object(json!({"name": "s"})),
        &BTreeSet::new(),
        &Ok(fixture::store()),
        now(),
    );
    assert_eq!(
        fresh.finalizers,
        Some(vec![labels::DATASTORE_FINALIZER.to_owned()])
    );
    assert!(fresh.status.ready);
    let leaving = object(json!({
        "name": "s",
        "finalizers": [labels::DATASTORE_FINALIZER],
        "deletionTimestamp": fixture::NOW,
    }));
    let held = plan(&leaving, &used(), &Ok(fixture::store()), now());
    assert_eq!(held.finalizers, None);
    let conditions = &held.status.conditions;
    let allowed = condition::find(conditions, condition::DATA_STORE_ALLOWED_DELETION).unwrap();
    assert!(allowed.status == "False" && allowed.message.contains("ns/a"));
    let free = plan(&leaving, &BTreeSet::new(), &Ok(fixture::store()), now());
    assert_eq!(free.finalizers, Some(Vec::new()));
}

#[test]
fn a_second_look_changes_nothing() {
    let mut store = object(json!({"name": "s", "finalizers": [labels::DATASTORE_FINALIZER]}));
    let first = plan(&store, &used(), &Ok(fixture::store()), now());
    store.status = Some(first.status.clone());
    let later = now() + std::time::Duration::from_hours(1);
    let second = plan(&store, &used(), &Ok(fixture::store()), later);
    assert_eq!(second.status, first.status);
    assert_eq!(second.finalizers, None);
}

#[test]
fn an_unusable_store_says_why() {
    let why = StoreError::NoBasicAuth;
    let status = plan(&object(json!({"name": "s"})), &used(), &Err(why), now()).status;
    assert!(!status.ready);
    let valid = condition::find(&status.conditions, condition::DATA_STORE_VALID).unwrap();
    assert_eq!(valid.reason, "BasicAuthValidationFailed");
}
