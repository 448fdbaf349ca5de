mod attempts;
mod cut;
mod records;
mod refusals;

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
