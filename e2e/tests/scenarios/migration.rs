//! A tenant moves from etcd to PostgreSQL while kubectl writes: everything acknowledged is there afterwards.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Result, ensure};
use kamaji_e2e::databases::{Channel, postgresql};
use kamaji_e2e::kubectl::Kubectl;
use kamaji_e2e::tenant::Tenant;
use kamaji_e2e::testbed::Testbed;
use kamaji_e2e::wait::until;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{databases, manifest};

/// Clients that write at once.
const WRITERS: usize = 5;
/// Longest time of the migration, the replacement of the pods included.
const MIGRATION: Duration = Duration::from_mins(5);

/// Moves a tenant with real pods under writers.
pub async fn from_etcd_to_postgresql(testbed: Testbed) -> Result<()> {
    let server = postgresql::start(&testbed.bed, Channel::Tls).await?;
    databases::apply_data_store(&testbed, &server).await?;
    let spec = json!({
        "dataStore": "default",
        "controlPlane": {"deployment": {"replicas": 2}},
        "networkProfile": databases::network(&testbed),
    });
    let tenant = Tenant::apply(&testbed, &manifest::tenant("moving", "moves", spec)).await?;
    tenant.wait_ready(Duration::from_mins(3)).await?;
    let kubectl = tenant.kubectl().await?;
    let stop = Arc::new(AtomicBool::new(false));
    let mut writers = JoinSet::new();
    for number in 0..WRITERS {
        writers.spawn(keep_writing(kubectl.clone(), number, Arc::clone(&stop)));
    }
    tokio::time::sleep(Duration::from_secs(5)).await;
    tenant
        .patch(&json!({"spec": {"dataStore": server.name()}}))
        .await?;
    until("the tenant has moved", MIGRATION, || {
        has_moved(&tenant, server.name())
    })
    .await?;
    tenant.wait_ready(Duration::from_mins(3)).await?;
    tokio::time::sleep(Duration::from_secs(5)).await;
    stop.store(true, Ordering::Relaxed);
    let mut acknowledged = Vec::new();
    while let Some(ended) = writers.join_next().await {
        acknowledged.extend(ended?);
    }
    ensure!(acknowledged.len() > 3 * WRITERS, "{acknowledged:?}");
    let found = kubectl.run("-n default get configmaps -o name").await?;
    for name in &acknowledged {
        let line = format!("configmap/{name}");
        ensure!(found.lines().any(|found| found == line), "{name} is lost");
    }
    tenant.delete().await?;
    databases::remove(&testbed, &server).await
}

/// Creates `ConfigMap`s until it is told to stop; the names of those that were acknowledged.
async fn keep_writing(kubectl: Kubectl, number: usize, stop: Arc<AtomicBool>) -> Vec<String> {
    let mut acknowledged = Vec::new();
    for n in 0_usize.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let name = format!("written-{number}-{n}");
        let line = format!("-n default create configmap {name} --from-literal=key=value");
        match kubectl.run(&line).await {
            Ok(_) => acknowledged.push(name),
            // Refused by the fence, or sent to a pod that ends.
            Err(_) => tokio::time::sleep(Duration::from_millis(200)).await,
        }
    }
    acknowledged
}

async fn has_moved(tenant: &Tenant, target: String) -> Result<()> {
    let storage: Value = tenant.get().await?["status"]["storage"].take();
    let named = storage["dataStoreName"] == target.as_str();
    ensure!(named && storage["migration"].is_null(), "{storage}");
    Ok(())
}
