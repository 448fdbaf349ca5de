//! Attempts of a migration: their begin, repetition, pauses, roll back and end.

use super::*;

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
