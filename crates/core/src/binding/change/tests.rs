use k8s_openapi::jiff::Timestamp;
use kamaji_api::tenant::MigrationPhase;
use serde_json::{Value, json};

use super::*;
use crate::{
    data_store::ResolvedDataStore,
    migration::{
        Decision, Options, Refusal, View, decide,
        ends::{Ends, ends},
        record::{self, Request},
    },
    plan::fixture::{settled, store},
    snapshot::Snapshot,
    tenant::Tenant,
};

fn another(name: &str) -> ResolvedDataStore {
    ResolvedDataStore {
        name: name.to_owned(),
        endpoints: vec![format!("{name}.example.com:2379")],
        ..store()
    }
}

fn items(pairs: &[(&str, &str)]) -> Value {
    let item = |(resource, store): &(&str, &str)| json!({"resource": resource, "dataStore": store});
    pairs.iter().map(item).collect()
}

/// A tenant whose overrides are `before`, and whose spec asks for `after`.
fn changing(before: &[(&str, &str)], after: &[(&str, &str)]) -> Snapshot {
    let mut snapshot = settled(json!({}));
    let status = snapshot.object.status.as_mut().unwrap();
    let storage = status.storage.as_mut().unwrap();
    let recorded = before.iter().map(|(resource, store)| {
        json!({"resource": resource, "dataStore": store, "schema": "s", "user": "u"})
    });
    storage.overrides = Some(serde_json::from_value(recorded.collect()).unwrap());
    snapshot.object.spec.data_store_overrides = serde_json::from_value(items(after)).unwrap();
    let stores = before
        .iter()
        .map(|(resource, store)| ((*resource).to_owned(), another(store)));
    snapshot.overrides = Ok(stores.collect());
    for (_, store) in after.iter().filter(|(_, store)| *store != "default") {
        snapshot
            .further
            .insert((*store).to_owned(), Ok(another(store)));
    }
    snapshot
}

fn decided(snapshot: &Snapshot) -> Decision {
    decide(&View::of(snapshot))
}

fn storage(snapshot: &Snapshot) -> StorageStatus {
    set_up(&snapshot.object).unwrap().clone()
}

fn both(snapshot: &Snapshot) -> (Change, Ends) {
    let change = wanted(&snapshot.object).unwrap().unwrap();
    let tenant = Tenant::parse(&snapshot.object).unwrap();
    let ends = ends(&tenant, snapshot, &change).unwrap();
    (change, ends)
}

/// The storage before and after the cut of the change that the spec asks for.
fn moved(snapshot: &Snapshot) -> (StorageStatus, StorageStatus) {
    let (change, ends) = both(snapshot);
    let now: Timestamp = snapshot.now;
    let request = Request {
        change: &change,
        generation: Some(1),
        now,
    };
    let options = Options::of(&snapshot.object).unwrap();
    let record = record::fenced(&record::begin(request, options, None), "uid/1/x");
    let before = StorageStatus {
        migration: Some(record),
        ..storage(snapshot)
    };
    let after = record::cut(&before, &ends.target, "uid/1/x", now).unwrap();
    (before, after)
}

fn in_stores(storage: &StorageStatus) -> Vec<(&str, &str)> {
    let items = storage.overrides.iter().flatten();
    items
        .map(|item| (item.resource.as_str(), item.data_store.as_str()))
        .collect()
}

#[test]
fn a_change_into_out_of_and_between_overrides_has_one_source_and_one_target() {
    const LEASES: &str = "coordination.k8s.io/leases";
    for (before, after, source, target, resources) in [
        (
            &[][..],
            &[("/events", "a")][..],
            "default",
            "a",
            &["/events"][..],
        ),
        (&[("/events", "a")], &[], "a", "default", &["/events"]),
        (
            &[("/events", "a")],
            &[("/events", "b")],
            "a",
            "b",
            &["/events"],
        ),
        (
            &[("/pods", "b")],
            &[("/events", "a"), ("/pods", "b"), (LEASES, "a")],
            "default",
            "a",
            &[LEASES, "/events"],
        ),
    ] {
        let snapshot = changing(before, after);
        let change = wanted(&snapshot.object).unwrap().unwrap();
        assert_eq!(
            (change.source.as_str(), change.target.as_str()),
            (source, target)
        );
        assert_eq!(change.resources, resources);
        assert!(
            matches!(decided(&snapshot), Decision::Begin(_)),
            "{after:?}"
        );
    }
    for (before, after) in [
        (&[][..], &[][..]),
        (&[("/events", "a")], &[("events", "a")]),
        (
            &[("/events", "a"), ("/pods", "b")],
            &[("/pods", "b"), ("/events", "a")],
        ),
    ] {
        assert_eq!(wanted(&changing(before, after).object), None, "{after:?}");
    }
}

#[test]
fn a_change_that_cannot_be_carried_out_is_refused_with_the_way_out() {
    let long = format!("/{}", "e".repeat(300));
    for (before, after, words) in [
        (
            &[][..],
            &[("/events", "a"), ("/pods", "b")][..],
            "change those of one pair first",
        ),
        (
            &[("/events", "a")],
            &[("/pods", "a")],
            "change those of one pair first",
        ),
        (
            &[],
            &[("/events", "default")],
            "the tenant's own DataStore: leave it out",
        ),
        (&[], &[("/events", "a"), ("events", "a")], "twice: keep one"),
        (
            &[],
            &[("events", "a")],
            "not of the form /RESOURCE or GROUP/RESOURCE",
        ),
        (
            &[],
            &[("example.com/widgets", "a")],
            "no override for CRDs and their instances",
        ),
        (&[], &[("/services", "a")], "node ports together with them"),
        (&[], &[("events.k8s.io/events", "a")], "write /events"),
        (
            &[],
            &[("/../kamaji", "a")],
            "no resource whose keys are known for certain",
        ),
        (
            &[],
            &[("/events'\"`", "a")],
            "no resource whose keys are known for certain",
        ),
        (
            &[],
            &[(long.as_str(), "a")],
            "no resource whose keys are known for certain",
        ),
        (&[("example.com/widgets", "a")], &[], "no override for CRDs"),
    ] {
        let snapshot = changing(before, after);
        match decided(&snapshot) {
            Decision::Refused(Refusal::Change(refusal)) => {
                let text = refusal.to_string();
                assert!(text.contains(words), "{text}");
            }
            other => panic!("{after:?}: {other:?}"),
        }
    }
    let mut snapshot = changing(&[], &[("/events", "a")]);
    snapshot.object.spec.data_store = Some("other".to_owned());
    let refusal = wanted(&snapshot.object).unwrap().unwrap_err().to_string();
    assert!(
        refusal.contains("spec.dataStore to default, or spec.dataStoreOverrides to none"),
        "{refusal}"
    );
}

#[test]
fn stores_that_are_one_server_or_trust_another_authority_are_refused() {
    let mut snapshot = changing(&[("/pods", "b")], &[("/pods", "b"), ("/events", "a")]);
    let beside = snapshot.overrides.as_ref().unwrap()[0].1.endpoints.clone();
    for (endpoints, other) in [(store().endpoints, "default"), (beside, "b")] {
        let same = ResolvedDataStore {
            endpoints,
            ..another("a")
        };
        snapshot.further.insert("a".to_owned(), Ok(same));
        let Decision::Refused(refusal @ Refusal::OneServer { .. }) = decided(&snapshot) else {
            panic!("{other}");
        };
        let text = refusal.to_string();
        assert!(
            text.contains(other) && text.contains("of another etcd"),
            "{text}"
        );
    }
    let mut stranger = another("a");
    stranger.tls.as_mut().unwrap().ca = b"other".to_vec();
    snapshot.further.insert("a".to_owned(), Ok(stranger));
    let decision = decided(&snapshot);
    assert!(
        matches!(decision, Decision::Refused(Refusal::Authority(_))),
        "{decision:?}"
    );
    let postgres = ResolvedDataStore {
        driver: kamaji_api::datastore::Driver::PostgreSql,
        ..another("a")
    };
    snapshot.further.insert("a".to_owned(), Ok(postgres));
    assert!(matches!(decided(&snapshot), Decision::Blocked(_)));
}

#[test]
fn the_cut_moves_the_resources_alone_and_records_a_store_that_nothing_is_left_in() {
    let (before, after) = moved(&changing(
        &[("/pods", "b")],
        &[("/pods", "b"), ("/events", "a")],
    ));
    assert_eq!(in_stores(&after), [("/pods", "b"), ("/events", "a")]);
    assert_eq!(
        (&after.data_store_name, &after.driver),
        (&before.data_store_name, &before.driver)
    );
    assert_eq!((&after.setup, &after.former), (&before.setup, &None));
    let record = after.migration.as_ref().unwrap();
    assert_eq!(record.phase, MigrationPhase::Switched);
    assert!(record::fits(record, &after) && !record::fits(record, &before));

    let (_, after) = moved(&changing(
        &[("/events", "a"), ("/pods", "a")],
        &[("/pods", "a")],
    ));
    assert_eq!(in_stores(&after), [("/pods", "a")]);
    assert_eq!(after.former, None, "the pods are there still");

    let (_, after) = moved(&changing(&[("/events", "a")], &[("/events", "b")]));
    assert_eq!(in_stores(&after), [("/events", "b")]);
    assert_eq!(after.former.unwrap()[0].data_store, "a");
}

#[test]
fn a_store_that_is_used_besides_is_an_end_for_the_resources_alone() {
    let (_, ends) = both(&changing(
        &[("/pods", "b")],
        &[("/pods", "b"), ("/events", "a")],
    ));
    assert!(ends.source.stays && !ends.target.stays);
    for end in [&ends.source, &ends.target] {
        assert_eq!(end.binding.part, ["events/"]);
    }
    assert_eq!(ends.source.removal().part, ["events/"]);
    assert!(
        ends.target.removal().part.is_empty(),
        "nothing else is there"
    );
    let beside: Vec<&str> = ends
        .beside
        .iter()
        .map(|(_, end)| end.store.name.as_str())
        .collect();
    assert_eq!(beside, ["b"]);

    let (_, ends) = both(&changing(&[("/events", "a")], &[]));
    assert!(!ends.source.stays && ends.target.stays);
    let (_, ends) = both(&changing(
        &[("/events", "a"), ("/pods", "b")],
        &[("/events", "b"), ("/pods", "b")],
    ));
    assert!(!ends.source.stays && ends.target.stays);
    let beside: Vec<&str> = ends
        .beside
        .iter()
        .map(|(_, end)| end.store.name.as_str())
        .collect();
    assert_eq!(beside, ["default"]);
}

#[test]
fn a_list_set_back_or_changed_again_rolls_back_and_a_made_up_record_is_dropped() {
    let mut snapshot = changing(&[], &[("/events", "a")]);
    let Decision::Begin(record) = decided(&snapshot) else {
        panic!("it begins");
    };
    let put = |snapshot: &mut Snapshot, record: &StorageMigrationStatus| {
        let status = snapshot.object.status.as_mut().unwrap();
        status.storage.as_mut().unwrap().migration = Some(record.clone());
    };
    put(&mut snapshot, &record);
    assert!(
        matches!(decided(&snapshot), Decision::Begin(_)),
        "after a crash"
    );
    for after in [
        items(&[]),
        items(&[("/events", "b")]),
        items(&[("/events", "a"), ("/pods", "a")]),
    ] {
        let mut left = snapshot.clone();
        left.object.spec.data_store_overrides = serde_json::from_value(after).unwrap();
        assert!(matches!(decided(&left), Decision::RollBack(_)));
    }
    for (source, target, resource) in [
        ("a", "default", "/events"),
        ("default", "default", "/events"),
        ("default", "a", "/../x"),
        ("default", "a", "example.com/widgets"),
    ] {
        let made_up = StorageMigrationStatus {
            source: source.to_owned(),
            target: target.to_owned(),
            resources: vec![resource.to_owned()],
            phase: MigrationPhase::RollingBack,
            ..(*record).clone()
        };
        put(&mut snapshot, &made_up);
        assert_eq!(
            decided(&snapshot),
            Decision::Discard,
            "{source} {target} {resource}"
        );
    }
}
