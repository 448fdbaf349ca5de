use std::time::Duration;

use kamaji_api::{
    datastore::Driver,
    tenant::{MigrationProgress, StorageSetupStatus},
};
use serde_json::{Value, json};

use super::{
    ends::{End, ends, former_end, in_force, target},
    record::{MOST_ATTEMPTS, advanced, cut, failed},
    *,
};
use crate::{
    data_store::ResolvedDataStore,
    plan::fixture::{NOW, annotate, settled, store},
    snapshot::Snapshot,
    tenant::Tenant,
};

/// A DataStore at an endpoint of its own.
fn another(name: &str, driver: Driver) -> ResolvedDataStore {
    ResolvedDataStore {
        name: name.to_owned(),
        driver,
        endpoints: vec![format!("{name}.example.com:5432")],
        basic_auth: Some(("kamaji".to_owned(), "secret".to_owned())),
        ..store()
    }
}

/// A tenant whose data is in `default`, and whose spec asks for `other` of `driver`.
fn asking(driver: Driver) -> Snapshot {
    let mut snapshot = settled(json!({}));
    snapshot.object.spec.data_store = Some("other".to_owned());
    let other = Ok(another("other", driver));
    snapshot.further.insert("other".to_owned(), other);
    snapshot
}

fn decided(snapshot: &Snapshot) -> Decision {
    decide(&View::of(snapshot))
}

fn storage(snapshot: &Snapshot) -> &StorageStatus {
    set_up(&snapshot.object).unwrap()
}

fn storage_mut(snapshot: &mut Snapshot) -> &mut StorageStatus {
    let status = snapshot.object.status.as_mut().unwrap();
    status.storage.as_mut().unwrap()
}

fn put(snapshot: &mut Snapshot, record: StorageMigrationStatus) {
    storage_mut(snapshot).migration = Some(record);
}

/// The record of the first attempt.
fn begun(snapshot: &Snapshot) -> StorageMigrationStatus {
    match decided(snapshot) {
        Decision::Begin(record) => *record,
        other => panic!("{other:?}"),
    }
}

fn in_phase(snapshot: &Snapshot, phase: MigrationPhase) -> StorageMigrationStatus {
    StorageMigrationStatus {
        fence: (phase == MigrationPhase::Fenced).then(|| "uid/1".to_owned()),
        phase,
        prepared: true,
        ..begun(snapshot)
    }
}

fn to_other() -> Change {
    Change {
        source: "default".to_owned(),
        target: "other".to_owned(),
        resources: Vec::new(),
    }
}

fn target_end(snapshot: &Snapshot) -> End {
    let tenant = Tenant::parse(&snapshot.object).unwrap();
    ends(&tenant, snapshot, &to_other()).unwrap().target
}

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
fn a_tenant_that_asks_for_nothing_else_is_left_alone() {
    let mut snapshot = settled(json!({}));
    for asked in [None, Some(String::new()), Some("default".to_owned())] {
        snapshot.object.spec.data_store = asked;
        assert_eq!(decided(&snapshot), Decision::Idle);
        assert!(!concerns(&snapshot.object));
    }
    let mut new = asking(Driver::PostgreSql);
    storage_mut(&mut new).setup = None;
    assert_eq!(decided(&new), Decision::Idle, "nothing is set up yet");
}

#[test]
fn a_changed_spec_begins_the_first_attempt_with_a_deadline() {
    let mut snapshot = asking(Driver::PostgreSql);
    annotate(&mut snapshot, labels::MIGRATION_TIMEOUT, "1h30m");
    let first = begun(&snapshot);
    assert_eq!((&*first.source, &*first.target), ("default", "other"));
    assert_eq!((first.attempts, first.phase), (1, MigrationPhase::Copying));
    assert!(!first.claimed, "nothing is at the target");
    assert!(!first.prepared, "nothing at the target may be deleted");
    let deadline = snapshot.now + Duration::from_mins(90);
    assert_eq!(first.deadline, Some(Time(deadline)));
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
fn a_restart_in_copying_and_after_a_fence_begins_the_same_attempt_anew() {
    for phase in [MigrationPhase::Copying, MigrationPhase::Fenced] {
        let mut snapshot = asking(Driver::PostgreSql);
        let had = record::lifted(&in_phase(&snapshot, phase));
        put(&mut snapshot, had.clone());
        snapshot.now += Duration::from_mins(1);
        let again = begun(&snapshot);
        assert_eq!((again.attempts, again.phase), (1, MigrationPhase::Copying));
        assert!(again.prepared, "the copy may be deleted");
        assert_eq!(again.deadline, had.deadline, "no restart puts it off");
    }
}

#[test]
fn a_fence_is_lifted_before_anything_else_whatever_keeps_the_next_attempt_from_its_beginning() {
    let mut snapshot = asking(Driver::PostgreSql);
    let fence = record::fenced(&begun(&snapshot), "uid/1");
    let ended = failed(&fence, "too slow", snapshot.now);
    assert_eq!(ended.fence, fence.fence, "it stands");
    let broken_off = StorageMigrationStatus {
        phase: MigrationPhase::Copying,
        ..fence.clone()
    };
    for record in [fence, broken_off, ended.clone()] {
        put(&mut snapshot, record.clone());
        assert!(is_fenced(&snapshot.object));
        let lift = Decision::Lift(Box::new(record));
        assert_eq!(decided(&snapshot), lift);
        let mut blocked = snapshot.clone();
        blocked.further.clear();
        assert_eq!(decided(&blocked), lift, "without the target");
        annotate(&mut blocked, labels::MIGRATION_TIMEOUT, "soon");
        assert_eq!(decided(&blocked), lift, "with options that are refused");
    }
    put(&mut snapshot, record::lifted(&ended));
    assert!(!is_fenced(&snapshot.object));
    assert!(matches!(decided(&snapshot), Decision::Wait(_)));
}

#[test]
fn failures_are_followed_by_attempts_with_growing_pauses_and_an_end() {
    let mut snapshot = asking(Driver::PostgreSql);
    let mut pauses = Vec::new();
    for attempt in 1..=MOST_ATTEMPTS {
        let current = begun(&snapshot);
        assert_eq!(current.attempts, attempt);
        let ended = failed(&current, "the disk is full", snapshot.now);
        put(&mut snapshot, ended.clone());
        let Some(Time(at)) = ended.retry_at else {
            break;
        };
        assert_eq!(decided(&snapshot), Decision::Wait(at));
        pauses.push(at.duration_since(snapshot.now).as_secs());
        snapshot.now = at;
    }
    assert_eq!(pauses, [30, 60, 120, 240]);
    assert_eq!(decided(&snapshot), Decision::GivenUp);
    snapshot.object.metadata.generation = Some(2);
    assert_eq!(begun(&snapshot).attempts, 1, "another spec begins anew");
}

#[test]
fn a_longer_time_limit_revives_a_migration_that_ran_out_of_time() {
    let mut snapshot = asking(Driver::PostgreSql);
    annotate(&mut snapshot, labels::MIGRATION_TIMEOUT, "10m");
    let current = begun(&snapshot);
    snapshot.now += Duration::from_mins(10);
    assert!(record::is_overdue(&current, snapshot.now));
    let ended = failed(&current, "out of time", snapshot.now);
    assert_eq!(ended.retry_at, None);
    put(&mut snapshot, ended);
    assert_eq!(decided(&snapshot), Decision::GivenUp);
    annotate(&mut snapshot, labels::MIGRATION_TIMEOUT, "10h");
    let again = begun(&snapshot);
    assert!(!record::is_overdue(&again, snapshot.now));
}

#[test]
fn a_spec_that_goes_back_or_elsewhere_before_the_cut_rolls_back() {
    for phase in [
        MigrationPhase::Copying,
        MigrationPhase::Fenced,
        MigrationPhase::Failed,
        MigrationPhase::RollingBack,
    ] {
        for asked in [None, Some("default".to_owned()), Some("third".to_owned())] {
            let mut snapshot = asking(Driver::PostgreSql);
            let had = in_phase(&snapshot, phase);
            put(&mut snapshot, had.clone());
            snapshot.object.spec.data_store = asked;
            assert_eq!(decided(&snapshot), Decision::RollBack(Box::new(had)));
        }
    }
}

#[test]
fn a_roll_back_ends_before_the_same_target_is_tried_again() {
    let mut snapshot = asking(Driver::PostgreSql);
    let had = in_phase(&snapshot, MigrationPhase::RollingBack);
    put(&mut snapshot, had.clone());
    assert_eq!(decided(&snapshot), Decision::RollBack(Box::new(had)));
}

#[test]
fn a_made_up_record_is_discarded_whatever_it_names() {
    let snapshot = asking(Driver::PostgreSql);
    let honest = in_phase(&snapshot, MigrationPhase::Copying);
    let named = |source: &str, target: &str, phase| StorageMigrationStatus {
        source: source.to_owned(),
        target: target.to_owned(),
        phase,
        ..honest.clone()
    };
    for made_up in [
        named("foreign", "other", MigrationPhase::Fenced),
        named("default", "default", MigrationPhase::RollingBack),
        named("", "", MigrationPhase::Copying),
        named("default", "other", MigrationPhase::Switched),
    ] {
        let mut snapshot = asking(Driver::PostgreSql);
        put(&mut snapshot, made_up.clone());
        assert_eq!(decided(&snapshot), Decision::Discard, "{made_up:?}");
        assert_eq!(
            cut(
                storage(&snapshot),
                &target_end(&snapshot),
                "uid/1",
                snapshot.now
            ),
            None
        );
    }
}

#[test]
fn ends_in_force_are_those_of_tenant_and_overrides_whatever_a_made_up_record_calls_its_target() {
    let mut snapshot = asking(Driver::PostgreSql);
    let honest = in_phase(&snapshot, MigrationPhase::RollingBack);
    let events = another("events", Driver::Etcd);
    let resources = ["/events", "/pods"].map(|one| (one.to_owned(), events.clone()));
    snapshot.overrides = Ok(resources.into());
    snapshot
        .further
        .insert("events".to_owned(), Ok(events.clone()));
    let made_up = StorageMigrationStatus {
        target: "events".to_owned(),
        ..honest
    };
    put(&mut snapshot, made_up);
    let tenant = Tenant::parse(&snapshot.object).unwrap();
    let names = |ends: Vec<End>| ends.into_iter().map(|end| end.store.name);
    let found: Vec<String> = names(in_force(&tenant, &snapshot).unwrap()).collect();
    assert_eq!(found, ["default", "events"]);
    snapshot.overrides = Err(StoreWait::Missing("events".to_owned()));
    assert!(
        in_force(&tenant, &snapshot).is_err(),
        "nothing may be removed then"
    );
}

#[test]
fn the_cut_moves_the_storage_and_keeps_the_source_as_a_former_one() {
    let mut snapshot = asking(Driver::MySql);
    let target = target_end(&snapshot);
    let fenced = in_phase(&snapshot, MigrationPhase::Fenced);
    put(&mut snapshot, fenced);
    let before = storage(&snapshot).setup.clone().unwrap();
    let after = cut(storage(&snapshot), &target, "uid/1", snapshot.now).unwrap();
    assert_eq!(after.data_store_name.as_deref(), Some("other"));
    assert_eq!(after.driver.as_deref(), Some("MySQL"));
    assert_eq!(after.usage, None);
    let StorageSetupStatus { schema, user, .. } = after.setup.clone().unwrap();
    assert_eq!(schema, before.schema);
    assert_eq!(user.as_deref(), Some("11111111222233334444555555555555"));
    let former = after.former.clone().unwrap();
    assert_eq!(former.len(), 1);
    assert_eq!(
        (&*former[0].data_store, Some(&former[0].user)),
        ("default", before.user.as_ref())
    );
    let phase = after.migration.clone().unwrap().phase;
    assert_eq!(phase, MigrationPhase::Switched);
    *storage_mut(&mut snapshot) = after.clone();
    assert_eq!(decided(&snapshot), Decision::Idle, "the pods change over");
    assert_eq!(
        cut(&after, &target, "uid/1", snapshot.now),
        None,
        "there is one cut"
    );
}

#[test]
fn nothing_but_a_fenced_migration_to_that_target_is_cut() {
    let mut snapshot = asking(Driver::PostgreSql);
    let target = target_end(&snapshot);
    for phase in [
        MigrationPhase::Copying,
        MigrationPhase::RollingBack,
        MigrationPhase::Failed,
        MigrationPhase::Switched,
    ] {
        let found = in_phase(&snapshot, phase);
        let storage = StorageStatus {
            migration: Some(found),
            ..storage(&snapshot).clone()
        };
        assert_eq!(
            cut(&storage, &target, "uid/1", snapshot.now),
            None,
            "{phase:?}"
        );
    }
    let other_target = StorageMigrationStatus {
        target: "third".to_owned(),
        ..in_phase(&snapshot, MigrationPhase::Fenced)
    };
    put(&mut snapshot, other_target);
    assert_eq!(
        cut(storage(&snapshot), &target, "uid/1", snapshot.now),
        None
    );
}

#[test]
fn a_copy_is_not_cut_under_the_fence_of_another_attempt() {
    let mut snapshot = asking(Driver::PostgreSql);
    let target = target_end(&snapshot);
    let fenced = in_phase(&snapshot, MigrationPhase::Fenced);
    for (recorded, is_cut) in [(Some("uid/1"), true), (Some("uid/2"), false), (None, false)] {
        let record = StorageMigrationStatus {
            fence: recorded.map(str::to_owned),
            ..fenced.clone()
        };
        put(&mut snapshot, record);
        let after = cut(storage(&snapshot), &target, "uid/1", snapshot.now);
        assert_eq!(after.is_some(), is_cut, "{recorded:?}");
    }
}

#[test]
fn a_tenant_that_leaves_nats_has_a_user_of_its_own() {
    for (driver, chosen, user) in [
        (Driver::Etcd, None, "11111111-2222-3333-4444-555555555555"),
        (Driver::MySql, None, "11111111222233334444555555555555"),
        (Driver::PostgreSql, Some("green"), "green"),
        (Driver::Nats, None, "kamaji"),
    ] {
        let mut snapshot = asking(driver);
        snapshot.object.spec.data_store_username = chosen.map(str::to_owned);
        let nats = another("default", Driver::Nats);
        snapshot.store = Ok(ResolvedDataStore {
            basic_auth: Some(("account".to_owned(), "secret".to_owned())),
            ..nats
        });
        let storage = storage_mut(&mut snapshot);
        storage.driver = Some("NATS".to_owned());
        storage.setup.as_mut().unwrap().user = Some("account".to_owned());
        let tenant = Tenant::parse(&snapshot.object).unwrap();
        let end = target(&tenant, &snapshot, &to_other()).unwrap();
        assert_eq!(end.binding.user, user, "{driver:?}");
    }
}

#[test]
fn a_tenant_that_moves_back_has_the_user_that_it_left() {
    let mut snapshot = asking(Driver::MySql);
    let fenced = in_phase(&snapshot, MigrationPhase::Fenced);
    let target = target_end(&snapshot);
    put(&mut snapshot, fenced);
    let after = cut(storage(&snapshot), &target, "uid/1", snapshot.now).unwrap();
    *storage_mut(&mut snapshot) = after;
    let back = snapshot.store.clone();
    snapshot.further.insert("default".to_owned(), back);
    let tenant = Tenant::parse(&snapshot.object).unwrap();
    let left = former_end(&tenant, &snapshot, "default").unwrap().unwrap();
    assert_eq!(left.binding.user, "11111111-2222-3333-4444-555555555555");
}

#[test]
fn a_former_name_that_no_tenant_may_have_reaches_nothing() {
    let mut snapshot = asking(Driver::PostgreSql);
    for user in ["postgres", "kamaji", "a/b"] {
        storage_mut(&mut snapshot).former = Some(vec![FormerStorageStatus {
            data_store: "other".to_owned(),
            since: None,
            user: user.to_owned(),
        }]);
        let tenant = Tenant::parse(&snapshot.object).unwrap();
        let end = former_end(&tenant, &snapshot, "other").unwrap();
        assert!(end.is_none(), "{user}");
    }
}

#[test]
fn the_password_stays_and_a_secret_that_was_changed_stops_the_attempt() {
    let mut snapshot = asking(Driver::PostgreSql);
    let tenant = Tenant::parse(&snapshot.object).unwrap();
    let found = ends(&tenant, &snapshot, &to_other()).unwrap();
    assert_eq!(found.source.binding.password, found.target.binding.password);
    assert_eq!(found.target.binding.connection, "other.example.com:5432");
    assert!(
        !found.target.binding.recorded,
        "an unrecorded place is not taken"
    );
    crate::plan::fixture::corrupt(
        &mut snapshot,
        "full-datastore-config",
        "DB_PASSWORD",
        b"mine",
    );
    let error = ends(&tenant, &snapshot, &to_other())
        .unwrap_err()
        .to_string();
    assert!(error.contains("full-datastore-config"), "{error}");
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

#[test]
fn a_former_datastore_is_released_by_its_name_and_never_the_one_in_force() {
    let mut snapshot = settled(json!({}));
    let former = |name: &str| FormerStorageStatus {
        data_store: name.to_owned(),
        since: None,
        user: "u".to_owned(),
    };
    storage_mut(&mut snapshot).former = Some(vec![former("left"), former("default")]);
    annotate(&mut snapshot, labels::RELEASE_MIGRATION_SOURCE, "default");
    assert_eq!(decided(&snapshot), Decision::Idle);
    annotate(&mut snapshot, labels::RELEASE_MIGRATION_SOURCE, "unknown");
    assert_eq!(decided(&snapshot), Decision::Idle);
    annotate(&mut snapshot, labels::RELEASE_MIGRATION_SOURCE, "left");
    assert_eq!(decided(&snapshot), Decision::Release(former("left")));
    snapshot.object.spec.data_store = Some("left".to_owned());
    let left = Ok(another("left", Driver::PostgreSql));
    snapshot.further.insert("left".to_owned(), left);
    assert!(
        matches!(decided(&snapshot), Decision::Begin(_)),
        "it is needed again"
    );
}

#[test]
fn messages_and_figures_of_a_record_are_bounded() {
    let snapshot = asking(Driver::PostgreSql);
    let first = begun(&snapshot);
    let long = failed(&first, &"ä".repeat(5000), NOW.parse().unwrap());
    assert_eq!(long.message.unwrap().len(), 2048);
    let progress = MigrationProgress {
        keys: 7,
        ..MigrationProgress::default()
    };
    let next = advanced(&first, progress.clone());
    assert_eq!(next.progress, Some(progress));
    let hostile = StorageMigrationStatus {
        attempts: i32::MAX,
        ..first.clone()
    };
    assert_eq!(failed(&hostile, "x", snapshot.now).retry_at, None);
    let negative = StorageMigrationStatus {
        attempts: i32::MIN,
        ..first
    };
    assert!(failed(&negative, "x", snapshot.now).retry_at.is_some());
}

#[test]
fn a_record_survives_the_way_through_the_api_server() {
    let snapshot = asking(Driver::PostgreSql);
    let first = begun(&snapshot);
    let text: Value = serde_json::to_value(&first).unwrap();
    assert_eq!(text["phase"], "Copying");
    let read: StorageMigrationStatus = serde_json::from_value(text).unwrap();
    assert_eq!(read, first);
}
