//! Records of a migration that were made up, and the bounds of those that the operator writes.

use super::*;

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
