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

fn plan(
    store: &DataStore,
    used_by: &BTreeSet<String>,
    resolved: &Result<ResolvedDataStore, StoreError>,
    now: Timestamp,
) -> StorePlan {
    let facts = Facts {
        used_by,
        resolved,
        health: &Health::Unknown,
        probe: None,
    };
    super::plan(store, facts, now)
}

/// Status and reason of both conditions of a check.
fn checked_conditions(store: &DataStore, health: &Health) -> (DataStoreStatus, Vec<[String; 2]>) {
    let (used_by, resolved) = (used(), Ok(fixture::store()));
    let facts = Facts {
        used_by: &used_by,
        resolved: &resolved,
        health,
        probe: None,
    };
    let status = super::plan(store, facts, now()).status;
    let types = [condition::DATA_STORE_AVAILABLE, condition::ACCESS_CONTROL];
    let checked_conditions = types
        .iter()
        .filter_map(|type_| condition::find(&status.conditions, type_))
        .map(|found| [found.status.clone(), found.reason.clone()])
        .collect();
    (status, checked_conditions)
}

#[test]
fn findings_of_a_check_stay_until_the_next_one() {
    let mut store = object(json!({"name": "s"}));
    assert!(checked_conditions(&store, &Health::Unknown).1.is_empty());
    let pair = |one: &str, other: &str| [one.to_owned(), other.to_owned()];
    for (health, expected) in [
        (
            Health::Sound,
            [pair("True", "Answers"), pair("True", "Enforced")],
        ),
        (
            Health::Unknown,
            [pair("True", "Answers"), pair("True", "Enforced")],
        ),
        (
            Health::AccessControlOff("off".to_owned()),
            [pair("True", "Answers"), pair("False", "Off")],
        ),
        (
            Health::Open {
                exposure: "everybody reads everything",
                remedy: "enable it",
            },
            [pair("True", "Answers"), pair("False", "Accepted")],
        ),
        (
            Health::Failed("down".to_owned()),
            [pair("False", "CheckFailed"), pair("False", "Accepted")],
        ),
    ] {
        let (status, conditions) = checked_conditions(&store, &health);
        assert_eq!(conditions, expected, "{health:?}");
        store.status = Some(status);
    }
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
fn a_second_plan_changes_nothing() {
    let mut store = object(json!({"name": "s", "finalizers": [labels::DATASTORE_FINALIZER]}));
    let first = plan(&store, &used(), &Ok(fixture::store()), now());
    store.status = Some(first.status.clone());
    let later = now() + std::time::Duration::from_hours(1);
    let second = plan(&store, &used(), &Ok(fixture::store()), later);
    assert_eq!(second.status, first.status);
    assert_eq!(second.finalizers, None);
}

#[test]
fn an_unusable_store_has_the_reason_in_its_condition() {
    let why = StoreError::NoBasicAuth;
    let status = plan(&object(json!({"name": "s"})), &used(), &Err(why), now()).status;
    assert!(!status.ready);
    let valid = condition::find(&status.conditions, condition::DATA_STORE_VALID).unwrap();
    assert_eq!(valid.reason, "BasicAuthValidationFailed");
}

#[test]
fn the_answer_to_a_probe_stays_in_the_status_when_later_probes_fail() {
    let (used_by, resolved) = (used(), Ok(fixture::store()));
    let probe = Probe {
        version: "etcd 3.6.4".to_owned(),
        latency: std::time::Duration::from_millis(3),
        at: now(),
    };
    let mut facts = Facts {
        used_by: &used_by,
        resolved: &resolved,
        health: &Health::Sound,
        probe: Some(&probe),
    };
    let mut store = object(json!({"name": "s"}));
    let status = super::plan(&store, facts, now()).status;
    let found = status.probe.clone().unwrap();
    assert_eq!(
        (found.version.as_str(), found.latency.as_str()),
        ("etcd 3.6.4", "5ms")
    );
    store.status = Some(status);
    (facts.probe, facts.health) = (None, &Health::Unknown);
    let kept = super::plan(&store, facts, now()).status;
    assert_eq!(kept.probe, Some(found));
}

#[test]
fn a_store_with_more_tenants_than_a_status_can_name_counts_all_and_is_held_by_each() {
    let tenants = |count: usize| -> BTreeSet<String> {
        let longest = "x".repeat(63);
        (0..count).map(|n| format!("{longest}/{n:063}")).collect()
    };
    let store = object(
        json!({"name": "s", "finalizers": [labels::DATASTORE_FINALIZER],
        "deletionTimestamp": fixture::NOW}),
    );
    let plan = plan(&store, &tenants(12_000), &Ok(fixture::store()), now());
    assert_eq!(plan.finalizers, None);
    assert_eq!(plan.status.users, Some(12_000));
    let size = serde_json::to_string(&plan.status).unwrap().len();
    assert!(size < 1 << 20, "{size} bytes");
    // A tenant that is not named changes the count alone.
    let mut next = store.clone();
    next.status = Some(plan.status);
    let facts = Facts {
        used_by: &tenants(12_001),
        resolved: &Ok(fixture::store()),
        health: &Health::Unknown,
        probe: None,
    };
    let later = super::plan(&next, facts, now()).status;
    assert_eq!(later.users, Some(12_001));
    assert_eq!(later.used_by, next.status.unwrap().used_by);
}
