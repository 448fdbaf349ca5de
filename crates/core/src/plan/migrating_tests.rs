use kamaji_api::{
    datastore::Driver,
    tenant::{
        FormerStorageStatus, MigrationPhase, StorageMigrationStatus, StorageStatus, VersionPhase,
    },
};
use serde_json::json;

use super::{
    Plan, Step, deletion,
    fixture::{after, condition_of, hashes, pods, settled, store, version_of},
    plan,
};
use crate::{
    binding::Access,
    check::violations,
    data_store::ResolvedDataStore,
    migration::{ends, record},
    object::Kind,
    snapshot::{Snapshot, StoreWait},
    tenant::Tenant,
};

fn postgres() -> ResolvedDataStore {
    ResolvedDataStore {
        name: "other".to_owned(),
        driver: Driver::PostgreSql,
        endpoints: vec!["db.example.com:5432".to_owned()],
        tls: None,
        basic_auth: Some(("kamaji".to_owned(), "secret".to_owned())),
        ..store()
    }
}

/// A running tenant whose spec asks for another DataStore, with a migration in `phase`.
fn moving(phase: MigrationPhase) -> Snapshot {
    let mut snapshot = settled(json!({}));
    let made = plan(&snapshot).unwrap();
    snapshot.deployment = pods(&made, |replicas| replicas);
    snapshot = after(snapshot.clone(), &plan(&snapshot).unwrap());
    snapshot.object.spec.data_store = Some("other".to_owned());
    snapshot.further.insert("other".to_owned(), Ok(postgres()));
    let record = StorageMigrationStatus {
        attempts: 1,
        phase,
        prepared: true,
        fence: (phase == MigrationPhase::Fenced).then(|| "fence".to_owned()),
        source: "default".to_owned(),
        target: "other".to_owned(),
        generation: Some(1),
        ..StorageMigrationStatus::default()
    };
    storage(&mut snapshot).migration = Some(record);
    snapshot
}

fn storage(snapshot: &mut Snapshot) -> &mut StorageStatus {
    let status = snapshot.object.status.as_mut().unwrap();
    status.storage.as_mut().unwrap()
}

fn bound(plan: &Plan) -> (&str, Access) {
    let mut bound = plan.steps.iter().filter_map(|step| match step {
        Step::Bind(store, binding) => Some((store.name.as_str(), binding.access)),
        Step::Write(_) => None,
    });
    bound.next().unwrap()
}

fn args(plan: &Plan) -> String {
    let deployment = plan.objects().find(|o| o.key.kind == Kind::Deployment);
    deployment.unwrap().body.to_string()
}

/// The snapshot after the cut, as the operator observes it.
fn switched() -> Snapshot {
    let mut snapshot = moving(MigrationPhase::Fenced);
    let tenant = Tenant::parse(&snapshot.object).unwrap();
    let change = crate::migration::Change {
        source: "default".to_owned(),
        target: "other".to_owned(),
        resources: Vec::new(),
    };
    let target = ends::ends(&tenant, &snapshot, &change).unwrap().target;
    let now = snapshot.now;
    let next = record::cut(storage(&mut snapshot), &target, "fence", now).unwrap();
    *storage(&mut snapshot) = next;
    let former = snapshot.store.clone();
    snapshot.further.clear();
    snapshot.further.insert("default".to_owned(), former);
    snapshot.store = Ok(postgres());
    snapshot
}

#[test]
fn every_object_stays_rendered_for_the_source_until_the_cut() {
    let before = hashes(&plan(&settled(json!({}))).unwrap());
    for phase in [
        MigrationPhase::Copying,
        MigrationPhase::Fenced,
        MigrationPhase::RollingBack,
        MigrationPhase::Failed,
    ] {
        let made = plan(&moving(phase)).unwrap();
        assert_eq!(hashes(&made), before, "{phase:?}");
        assert_eq!(violations(&made), Vec::<String>::new());
        let kept = made.status.storage.clone().unwrap();
        assert_eq!(kept.data_store_name.as_deref(), Some("default"));
        assert_eq!(
            kept.migration.unwrap().phase,
            phase,
            "the plan keeps the record"
        );
    }
}

#[test]
fn the_source_is_bound_without_the_right_to_write_while_fenced_and_at_no_other_time() {
    for (phase, access) in [
        (MigrationPhase::Copying, Access::ReadWrite),
        (MigrationPhase::Fenced, Access::ReadOnly),
        (MigrationPhase::RollingBack, Access::ReadWrite),
        (MigrationPhase::Failed, Access::ReadWrite),
    ] {
        let made = plan(&moving(phase)).unwrap();
        assert_eq!(bound(&made), ("default", access), "{phase:?}");
    }
    let mut failed = moving(MigrationPhase::Failed);
    storage(&mut failed).migration.as_mut().unwrap().fence = Some("fence".to_owned());
    let made = plan(&failed).unwrap();
    assert_eq!(bound(&made).1, Access::ReadOnly, "it is not lifted yet");
    let mut made_up = moving(MigrationPhase::Fenced);
    storage(&mut made_up).migration.as_mut().unwrap().source = "foreign".to_owned();
    assert_eq!(bound(&plan(&made_up).unwrap()).1, Access::ReadWrite);
}

#[test]
fn a_moving_tenant_is_migrating_and_says_how_to_abort() {
    for phase in [MigrationPhase::Copying, MigrationPhase::Fenced] {
        let made = plan(&moving(phase)).unwrap();
        assert_eq!(version_of(&made).status, Some(VersionPhase::Migrating));
        let (status, reason, message) = condition_of(&made, "Reconciled");
        assert_eq!((status, reason), ("False", "MigrationRunning"));
        assert!(
            message.contains("set spec.dataStore back to default"),
            "{message}"
        );
        assert_eq!(condition_of(&made, "DataStoreReady").0, "True");
    }
}

#[test]
fn a_failure_is_reported_with_its_cause_and_whether_another_attempt_follows() {
    let mut snapshot = moving(MigrationPhase::Failed);
    storage(&mut snapshot).migration.as_mut().unwrap().message =
        Some("the disk is full".to_owned());
    let made = plan(&snapshot).unwrap();
    let (_, reason, message) = condition_of(&made, "Reconciled");
    assert_eq!(reason, "MigrationGivenUp");
    assert!(message.contains("the disk is full"), "{message}");
    assert_eq!(version_of(&made).status, Some(VersionPhase::Ready));
    let at = snapshot.now + std::time::Duration::from_mins(1);
    storage(&mut snapshot).migration.as_mut().unwrap().retry_at =
        Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(at));
    let made = plan(&snapshot).unwrap();
    assert_eq!(condition_of(&made, "Reconciled").1, "MigrationFailed");
    assert_eq!(made.requeue_at, Some(at));
}

#[test]
fn after_the_cut_the_pods_are_rendered_for_the_target_and_the_record_ends_with_the_rollout() {
    let snapshot = switched();
    let made = plan(&snapshot).unwrap();
    assert_eq!(violations(&made), Vec::<String>::new());
    assert_eq!(bound(&made), ("other", Access::ReadWrite));
    assert!(args(&made).contains("kine"), "{}", args(&made));
    assert_eq!(version_of(&made).status, Some(VersionPhase::Migrating));
    let next = made.status.storage.clone().unwrap();
    assert_eq!(next.migration.unwrap().phase, MigrationPhase::Switched);
    assert_eq!(next.former.unwrap()[0].data_store, "default");
    let mut rolled = after(snapshot, &made);
    rolled.deployment = pods(&made, |replicas| replicas);
    let made = plan(&rolled).unwrap();
    assert_eq!(made.status.storage.clone().unwrap().migration, None);
    let ended = after(rolled, &made);
    let made = plan(&ended).unwrap();
    assert_eq!(version_of(&made).status, Some(VersionPhase::Ready));
    assert_eq!(condition_of(&made, "Reconciled").0, "True");
    let kept = made.status.storage.unwrap().former.unwrap();
    assert_eq!(kept[0].data_store, "default", "the source is kept");
}

#[test]
fn deletion_removes_the_data_at_the_source_the_copy_and_the_former_datastores() {
    let names = |snapshot: &Snapshot| -> Vec<String> {
        let tenant = Tenant::parse(&snapshot.object).unwrap();
        let todo = deletion(&tenant, snapshot).unwrap();
        todo.unbind
            .into_iter()
            .map(|(store, _)| store.name)
            .collect()
    };
    let finalized = |mut snapshot: Snapshot| {
        let finalizers = snapshot.object.metadata.finalizers.get_or_insert_default();
        finalizers.push(kamaji_api::labels::FINALIZER.to_owned());
        snapshot
    };
    let copying = finalized(moving(MigrationPhase::Copying));
    assert_eq!(names(&copying), ["default", "other"]);
    let mut unprepared = copying.clone();
    let record = storage(&mut unprepared).migration.as_mut().unwrap();
    (record.claimed, record.prepared) = (true, false);
    assert_eq!(names(&unprepared), ["default", "other"]);
    let record = storage(&mut unprepared).migration.as_mut().unwrap();
    record.claimed = false;
    assert_eq!(
        names(&unprepared),
        ["default"],
        "the tenant has nothing there"
    );
    let switched = finalized(switched());
    assert_eq!(names(&switched), ["other", "default"]);
    let mut gone = switched.clone();
    let missing = Err(StoreWait::Missing("default".to_owned()));
    gone.further.insert("default".to_owned(), missing);
    assert_eq!(names(&gone), ["other"]);
    let mut down = switched;
    let not_ready = StoreWait::NotReady {
        name: "default".to_owned(),
        why: "its Secret is gone".to_owned(),
    };
    down.further.insert("default".to_owned(), Err(not_ready));
    let tenant = Tenant::parse(&down.object).unwrap();
    let wait = deletion(&tenant, &down).unwrap_err();
    assert!(
        wait.message.contains("its Secret is gone"),
        "{}",
        wait.message
    );
}

#[test]
fn a_former_datastore_of_many_hands_is_listed_once() {
    let mut snapshot = switched();
    let extra = FormerStorageStatus {
        data_store: "default".to_owned(),
        since: None,
        user: String::new(),
    };
    storage(&mut snapshot).former.as_mut().unwrap().push(extra);
    let finalizers = snapshot.object.metadata.finalizers.get_or_insert_default();
    finalizers.push(kamaji_api::labels::FINALIZER.to_owned());
    let tenant = Tenant::parse(&snapshot.object).unwrap();
    assert_eq!(deletion(&tenant, &snapshot).unwrap().unbind.len(), 2);
}

#[test]
fn a_delay_of_a_roll_back_and_a_fence_that_is_not_lifted_are_in_the_condition() {
    let message = |phase, fence: Option<&str>| {
        let mut snapshot = moving(phase);
        snapshot.object.spec.data_store = Some("default".to_owned());
        let record = storage(&mut snapshot).migration.take().unwrap();
        storage(&mut snapshot).migration = Some(StorageMigrationStatus {
            fence: fence.map(str::to_owned),
            ..record::held_up(&record, "the disk is full; free space")
        });
        let now = storage(&mut snapshot).migration.as_mut().unwrap();
        now.phase = phase;
        let made = plan(&snapshot).unwrap();
        condition_of(&made, "Reconciled").2.to_owned()
    };
    let held_up = message(MigrationPhase::RollingBack, None);
    assert!(held_up.contains("the data stays in default"), "{held_up}");
    assert!(
        held_up.contains("the disk is full; free space"),
        "{held_up}"
    );
    let fenced = message(MigrationPhase::Failed, Some("fence"));
    for words in [
        "may not write in default until its fence there is lifted",
        "the disk is full; free space",
        "check that default answers",
    ] {
        assert!(fenced.contains(words), "{fenced}");
    }
}
