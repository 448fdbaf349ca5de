//! The change of the status from the source to the target, and the former source.

use super::*;

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
