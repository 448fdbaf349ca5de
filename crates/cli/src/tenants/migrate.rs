//! `kamaji migrate`: moves a tenant's data to another DataStore, and waits until its pods have changed over.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kamaji_api::{
    condition::Reason,
    datastore::DataStore,
    labels,
    tenant::{MigrationPhase, StorageMigrationStatus, StorageStatus, TenantControlPlane},
};
use kamaji_core::migration;
use kamaji_shell::ObjectKey;
use kube::Api;
use serde_json::{Value, json};

use crate::{
    access::{Access, AccessFlags, TenantName},
    duration::seconds,
    failure::Unreached,
    terminal::{note, print},
};

use super::{preflight, progress::Progress};

/// Period of the requests.
const PERIOD: Duration = Duration::from_secs(1);
/// Answers in a row that fail before the wait ends.
const FAILURES: u32 = 60;

/// Arguments of `kamaji migrate`.
#[derive(clap::Args)]
pub struct Arguments {
    /// The tenant, as NAME or NAMESPACE/NAME
    #[arg(long, value_name = "TENANT")]
    tenant_control_plane: TenantName,
    /// Name of the DataStore that the data is to move to
    #[arg(long, value_name = "NAME")]
    target_datastore: TenantName,
    /// Delete what the tenant has in the target already
    #[arg(long)]
    cleanup_prior_migration: bool,
    /// Time limit of the migration, and of the wait; by default 24h, and no limit of the wait
    #[arg(long, value_parser = seconds)]
    timeout: Option<Duration>,
    /// Print size, estimate and what stands in the way, and change nothing
    #[arg(long)]
    preflight: bool,
    #[command(flatten)]
    access: AccessFlags,
}

/// Changes `spec.dataStore` of the tenant and waits; progress goes to standard error.
pub async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let access = Access::open(&arguments.access).await?;
    let key = access.key(&arguments.tenant_control_plane);
    let tenant = access.living_tenant(&key).await?;
    let target = arguments.target_datastore.name();
    let Some(storage) = migration::set_up(&tenant) else {
        bail!("{key} has no data yet: set spec.dataStore to {target} instead");
    };
    if storage.data_store_name.as_deref() == Some(target) && storage.migration.is_none() {
        return print(&format!("the data of {key} is in {target} already\n"));
    }
    let store = store(&access, target).await?;
    if arguments.preflight {
        return print(&preflight::report(&tenant, storage, &store));
    }
    if let Some(blocker) = preflight::blockers(&tenant, storage, &store).first() {
        bail!("{key} cannot move to {target}: {blocker}");
    }
    access.patch(&tenant, patch(arguments)).await?;
    wait(&access, (&key, &tenant), arguments).await
}

async fn store(access: &Access, name: &str) -> anyhow::Result<DataStore> {
    let api: Api<DataStore> = Api::all(access.client());
    let what = format!("reading the DataStore {name}");
    let found = access.find(&what, api.get(name)).await?;
    found.with_context(|| format!("there is no DataStore {name}"))
}

/// The changed spec, with the annotations that upstream's job reads, too.
fn patch(arguments: &Arguments) -> Value {
    let mut annotations = serde_json::Map::new();
    if arguments.cleanup_prior_migration {
        annotations.insert(labels::CLEANUP_PRIOR_MIGRATION.to_owned(), json!("true"));
    }
    if let Some(timeout) = arguments.timeout {
        let text = format!("{}s", timeout.as_secs());
        annotations.insert(labels::MIGRATION_TIMEOUT.to_owned(), json!(text));
    }
    json!({
        "metadata": {"annotations": annotations},
        "spec": {"dataStore": arguments.target_datastore.name()},
    })
}

async fn wait(
    access: &Access,
    (key, first): (&ObjectKey, &TenantControlPlane),
    arguments: &Arguments,
) -> anyhow::Result<()> {
    let target = arguments.target_datastore.name();
    let (begin, mut last, mut failures) = (Instant::now(), String::new(), 0);
    loop {
        tokio::time::sleep(PERIOD).await;
        let text = match access.find_tenant(key).await {
            Ok(Some(tenant)) if tenant.metadata.uid == first.metadata.uid => {
                failures = 0;
                match assess(&tenant, target) {
                    Progress::Reached => {
                        return print(&format!("the data of {key} is in {target}\n"));
                    }
                    Progress::Stalled(text) => {
                        return Err(Unreached::Stalled(format!("{key}: {text}")).into());
                    }
                    Progress::Waiting(text) => text,
                }
            }
            Ok(_) => return Err(Unreached::Stalled(format!("{key} was deleted meanwhile")).into()),
            Err(error) if failures < FAILURES => {
                failures += 1;
                format!("{error:#}")
            }
            Err(error) => return Err(error),
        };
        if text != last {
            note(&format!(
                "{key} after {}s: {text}",
                begin.elapsed().as_secs()
            ));
            last = text;
        }
        if arguments
            .timeout
            .is_some_and(|limit| begin.elapsed() >= limit)
        {
            let text = format!("the data of {key} has not moved in time, last seen: {last}");
            return Err(Unreached::TimedOut(text).into());
        }
    }
}

/// Distance of a tenant from the end of its migration, by the last answer.
fn assess(tenant: &TenantControlPlane, target: &str) -> Progress {
    let storage = tenant.status.as_ref().and_then(|s| s.storage.as_ref());
    if tenant.spec.data_store.as_deref() != Some(target) {
        return Progress::Stalled("spec.dataStore was changed meanwhile".to_owned());
    }
    let conditions = tenant.status.as_ref().map(|status| &status.conditions);
    let stalled = conditions.and_then(|all| {
        let reasons = [Reason::MigrationUnavailable, Reason::MigrationGivenUp];
        let current = |c: &Condition| c.observed_generation == tenant.metadata.generation;
        let mut found = all.iter().filter(|c| current(c));
        found.find(|c| c.status == "False" && reasons.iter().any(|reason| c.reason == *reason))
    });
    if let Some(stalled) = stalled {
        return Progress::Stalled(stalled.message.clone());
    }
    match storage {
        Some(storage) if has_moved(storage, target) => Progress::Reached,
        Some(StorageStatus {
            migration: Some(record),
            ..
        }) => Progress::Waiting(course(record)),
        _ => Progress::Waiting("the operator has not begun yet".to_owned()),
    }
}

fn has_moved(storage: &StorageStatus, target: &str) -> bool {
    storage.data_store_name.as_deref() == Some(target) && storage.migration.is_none()
}

fn course(record: &StorageMigrationStatus) -> String {
    let attempt = match record.attempts {
        0 | 1 => String::new(),
        several => format!("attempt {several}, "),
    };
    match record.phase {
        MigrationPhase::Copying => {
            let found = record.progress.clone().unwrap_or_default();
            format!(
                "{attempt}copying: {} keys, {} bytes, {} compared, {} revisions behind",
                found.keys, found.bytes, found.verified, found.lag
            )
        }
        MigrationPhase::Fenced => format!("{attempt}writes are refused for the last changes"),
        MigrationPhase::Switched => "the data has moved, pods are being replaced".to_owned(),
        MigrationPhase::RollingBack => "the migration was aborted and is rolled back".to_owned(),
        MigrationPhase::Failed => format!(
            "{attempt}failed, and is tried again: {}",
            record.message.as_deref().unwrap_or_default()
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant(storage: &Value) -> TenantControlPlane {
        serde_json::from_value(json!({
            "metadata": {"name": "t", "namespace": "ns", "generation": 2},
            "spec": {
                "dataStore": "other", "kubernetes": {"version": "v1.36.3", "kubelet": {}},
                "controlPlane": {"deployment": {}, "service": {"serviceType": "ClusterIP"}},
            },
            "status": {"storage": storage},
        }))
        .unwrap()
    }

    #[test]
    fn a_migration_has_ended_once_the_record_is_gone() {
        let record = |phase: &str| json!({"source": "default", "target": "other", "phase": phase});
        let copying = json!({"dataStoreName": "default", "migration": record("Copying")});
        let switched = json!({"dataStoreName": "other", "migration": record("Switched")});
        for under_way in [copying, switched] {
            let seen = assess(&tenant(&under_way), "other");
            assert!(matches!(seen, Progress::Waiting(_)), "{seen:?}");
        }
        let moved = json!({"dataStoreName": "other"});
        assert_eq!(assess(&tenant(&moved), "other"), Progress::Reached);
    }

    #[test]
    fn a_spec_that_asks_for_something_else_ends_the_wait() {
        let seen = assess(&tenant(&json!({"dataStoreName": "default"})), "third");
        assert!(matches!(seen, Progress::Stalled(_)), "{seen:?}");
    }

    #[test]
    fn progress_names_figures_and_the_attempt() {
        let record: StorageMigrationStatus = serde_json::from_value(json!({
            "source": "a", "target": "b", "phase": "Copying", "attempts": 3,
            "progress": {"keys": 70, "bytes": 900, "lag": 4, "verified": 2},
        }))
        .unwrap();
        let text = course(&record);
        for part in ["attempt 3", "70 keys", "900 bytes", "4 revisions"] {
            assert!(text.contains(part), "{text}");
        }
    }
}
