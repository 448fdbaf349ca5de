//! The part of a tenant's plan that a migration of its data changes: conditions, access at the source, and the end of
//! the record. The copy itself is the operator's, see [`crate::migration`].

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kamaji_api::{
    condition::{ConditionType, Reason},
    tenant::{MigrationPhase, StorageMigrationStatus, TenantControlPlane},
};

use super::{builder::PlanBuilder, types::Wait};
use crate::{
    binding::{Access, data_stores, overrides},
    data_store::ResolvedDataStore,
    migration::{self, Change, Decision, View},
};

/// The record of a migration in the status, if it is the tenant's.
pub(super) fn record<'a>(builder: &PlanBuilder<'a>) -> Option<&'a StorageMigrationStatus> {
    let storage = migration::set_up(&builder.snapshot.object)?;
    let record = storage.migration.as_ref()?;
    migration::record::fits(record, storage).then_some(record)
}

/// Rights of the tenant in a DataStore in force: none to write as long as the status records a fence of the whole there.
pub(super) fn access(store: &ResolvedDataStore, builder: &PlanBuilder) -> Access {
    let storage = migration::set_up(&builder.snapshot.object);
    let storage = storage.filter(|_| record(builder).is_some());
    if storage.is_some_and(|storage| data_stores::is_fenced(storage, &store.name)) {
        Access::ReadOnly
    } else {
        Access::ReadWrite
    }
}

/// True while data moves, or pods change over to where it has moved.
pub(super) fn is_under_way(builder: &PlanBuilder) -> bool {
    record(builder).is_some_and(|record| record.phase != MigrationPhase::Failed)
}

/// Reports a migration that was asked for: the tenant is not as its spec wants it before it has ended.
pub(super) fn report(builder: &mut PlanBuilder) {
    let snapshot = builder.snapshot;
    let decision = migration::decide(&View::of(snapshot));
    let found = record(builder);
    if let Some(Time(at)) = found.and_then(|record| record.retry_at.as_ref()) {
        builder.requeue_at(*at);
    }
    let store = ConditionType::DataStoreReady;
    let wait = match (decision, found) {
        (Decision::Refused(refusal), _) if is_of_overrides(&snapshot.object) => Wait::new(
            store,
            Reason::OverridesChanged,
            format!(
                "spec.dataStoreOverrides asks for other DataStores than those that were set up ({}), which stay in force: {refusal}",
                overrides::describe(&overrides::effective(&snapshot.object))
            ),
        ),
        (Decision::Refused(refusal), _) => Wait::new(
            store,
            Reason::MigrationUnavailable,
            format!(
                "spec.dataStore asks for another DataStore, and the data stays where it is: {refusal}"
            ),
        ),
        (Decision::Blocked(wait), _) => Wait::new(
            store,
            wait.reason(),
            format!("the data cannot move as the spec asks: {wait}"),
        ),
        (_, Some(record)) => of_record(record),
        (Decision::Begin(record), None) => of_record(&record),
        (_, None) => return,
    };
    builder.wait(wait);
}

/// True if the spec asks for other overrides than those in force.
fn is_of_overrides(object: &TenantControlPlane) -> bool {
    overrides::changed(object).is_some()
}

fn of_record(record: &StorageMigrationStatus) -> Wait {
    let (source, target) = (&record.source, &record.target);
    let change = Change::of(record);
    let (subject, way_back) = (change.subject(), change.way_back());
    let why = record.message.as_deref().unwrap_or_default();
    let running =
        |text: String| Wait::new(ConditionType::Reconciled, Reason::MigrationRunning, text);
    match record.phase {
        MigrationPhase::Copying if record.fence.is_some() => running(format!(
            "an attempt to move {subject} from the DataStore {source} to {target} was broken off, and the tenant may not write in {source} until its fence there is lifted, which is tried again by itself: check that {source} answers"
        )),
        MigrationPhase::Copying | MigrationPhase::Fenced => running(format!(
            "{subject} is moving from the DataStore {source} to {target}, status.storage.migration has the progress; {way_back} to abort it"
        )),
        MigrationPhase::RollingBack if why.is_empty() => running(format!(
            "the migration to the DataStore {target} was aborted: the copy there is being removed, and the data stays in {source}"
        )),
        MigrationPhase::RollingBack => running(format!(
            "the migration to the DataStore {target} was aborted, and the data stays in {source}: the copy in {target} is not removed yet, which is tried again by itself: {why}"
        )),
        MigrationPhase::Switched => running(format!(
            "{subject} has moved from the DataStore {source} to {target}: the control plane's pods are being replaced"
        )),
        MigrationPhase::Failed if record.fence.is_some() => Wait::new(
            ConditionType::Reconciled,
            Reason::MigrationFailed,
            format!(
                "attempt {} to move {subject} from the DataStore {source} to {target} failed ({why}), and the tenant may not write in {source} until its fence there is lifted, which is tried again by itself: check that {source} answers",
                record.attempts
            ),
        ),
        MigrationPhase::Failed if record.retry_at.is_some() => Wait::new(
            ConditionType::Reconciled,
            Reason::MigrationFailed,
            format!(
                "attempt {} to move {subject} from the DataStore {source} to {target} failed, the tenant runs on in {source}, and the next attempt follows by itself: {why}",
                record.attempts
            ),
        ),
        MigrationPhase::Failed => Wait::new(
            ConditionType::Reconciled,
            Reason::MigrationGivenUp,
            format!(
                "{subject} could not be moved from the DataStore {source} to {target} and stays in {source}: {why}; change the spec or the annotation kamaji.clastix.io/migration-timeout to have it tried again, or {way_back}"
            ),
        ),
    }
}
