//! Refusals of a migration, which name their cause and the next action.

use super::*;

#[test]
fn data_moves_between_every_pair_of_drivers() {
    let all = [
        Driver::Etcd,
        Driver::MySql,
        Driver::PostgreSql,
        Driver::Nats,
    ];
    for (from, to) in all.iter().flat_map(|from| all.map(|to| (*from, to))) {
        let checked = route::check(&another("from", from), &another("to", to));
        assert_eq!(checked, Ok(()), "{from:?} to {to:?}");
    }
}

#[test]
fn datastores_with_a_common_endpoint_are_refused() {
    let source = another("from", Driver::Etcd);
    let same = ResolvedDataStore {
        name: "to".to_owned(),
        ..source.clone()
    };
    let refusal = route::check(&source, &same).unwrap_err().to_string();
    assert!(refusal.contains("from.example.com:5432"), "{refusal}");
}

#[test]
fn annotations_that_cannot_be_read_refuse_the_migration_by_name() {
    for (key, value) in [
        (labels::MIGRATION_TIMEOUT, "soon"),
        (labels::MIGRATION_TIMEOUT, "1s"),
        (labels::CLEANUP_PRIOR_MIGRATION, "yes"),
    ] {
        let mut snapshot = asking(Driver::PostgreSql);
        annotate(&mut snapshot, key, value);
        let Decision::Refused(refusal) = decided(&snapshot) else {
            panic!("{key}={value} is accepted");
        };
        assert!(refusal.to_string().contains(key), "{refusal}");
    }
}

#[test]
fn obstacles_name_the_datastore_and_the_next_action() {
    let mut snapshot = asking(Driver::PostgreSql);
    snapshot.further.clear();
    assert_eq!(
        decided(&snapshot),
        Decision::Blocked(StoreWait::Missing("other".to_owned()))
    );
    let mut full = asking(Driver::PostgreSql);
    let former = (0..MOST_FORMER).map(|n| FormerStorageStatus {
        data_store: format!("former-{n}"),
        since: None,
        user: "u".to_owned(),
    });
    storage_mut(&mut full).former = Some(former.collect());
    let Decision::Refused(refusal) = decided(&full) else {
        panic!("it begins");
    };
    assert!(
        refusal.to_string().contains("release-migration-source"),
        "{refusal}"
    );
    let mut restoring = asking(Driver::PostgreSql);
    annotate(&mut restoring, labels::RESTORING, "x");
    assert_eq!(decided(&restoring), Decision::Refused(Refusal::Restoring));
}

#[test]
fn overrides_keep_the_data_in_etcd() {
    let mut snapshot = asking(Driver::PostgreSql);
    snapshot.overrides = Ok(vec![(
        "/events".to_owned(),
        another("events", Driver::Etcd),
    )]);
    assert!(matches!(
        decided(&snapshot),
        Decision::Refused(Refusal::Overrides(_))
    ));
    let mut etcd = asking(Driver::Etcd);
    etcd.overrides = Ok(vec![(
        "/events".to_owned(),
        another("events", Driver::Etcd),
    )]);
    assert!(matches!(decided(&etcd), Decision::Begin(_)));
}

#[test]
fn an_end_that_holds_single_resources_is_refused_by_name_and_by_endpoint() {
    let alias = |of: &str| ResolvedDataStore {
        name: "alias".to_owned(),
        ..another(of, Driver::Etcd)
    };
    for (store, end) in [
        (another("other", Driver::Etcd), "other"),
        (alias("other"), "other"),
        (store(), "default"),
    ] {
        let mut snapshot = asking(Driver::Etcd);
        let name = store.name.clone();
        snapshot.overrides = Ok(vec![("/events".to_owned(), store)]);
        let Decision::Refused(refusal) = decided(&snapshot) else {
            panic!("{name}: {:?}", decided(&snapshot));
        };
        let words = refusal.to_string();
        let says = format!("the DataStore {name}, which holds /events by status.storage.overrides");
        assert!(words.starts_with(&says), "{words}");
        assert!(
            words.contains(&format!("as the DataStore {end}:")),
            "{words}"
        );
        assert!(
            words.contains("set spec.dataStore back to default"),
            "{words}"
        );
    }
}
