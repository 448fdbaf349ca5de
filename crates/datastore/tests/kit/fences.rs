//! Creations through a kine while the rights of its tenant change, as by fences that are lifted.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use etcd_client::Client;
use futures::future::join_all;
use kamaji_datastore::{Access, DataStore, Tenancy};

use crate::attempt::attempt;
use crate::kit_kine::{Kine, write};

/// Clients that create keys at once.
const WRITERS: usize = 20;
/// Times that the tenant is fenced.
const FENCES: usize = 6;
/// Time with a fence, and time without.
const WHILE: Duration = Duration::from_millis(300);

/// Keys below `/registry/configmaps/` whose creation kine has acknowledged while `work` lasted.
pub async fn created_during(kine: &Kine, work: impl Future<Output = ()>) -> BTreeSet<String> {
    let stop = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..WRITERS)
        .map(|number| tokio::spawn(keep_creating(kine.client(), number, Arc::clone(&stop))))
        .collect();
    work.await;
    stop.store(true, Ordering::Relaxed);
    let created = join_all(writers).await;
    created.into_iter().flat_map(Result::unwrap).collect()
}

/// Fences the tenant and frees it, again and again.
pub async fn fence_and_lift(store: &dyn DataStore, tenancy: &Tenancy) {
    let fenced = tenancy.with_access(Access::ReadOnly);
    for _ in 0..FENCES {
        let attempt = attempt();
        store.fence(&fenced, &attempt).await.unwrap();
        tokio::time::sleep(WHILE).await;
        store.lift(tenancy, &attempt).await.unwrap();
        tokio::time::sleep(WHILE).await;
    }
}

/// Creates keys, refused or not, until `stop` is set; the acknowledged ones.
async fn keep_creating(client: Client, number: usize, stop: Arc<AtomicBool>) -> Vec<String> {
    let mut acknowledged = Vec::new();
    for n in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let key = format!("/registry/configmaps/default/{number}-{n}");
        if write(&client, &key, 0, b"value").await.is_ok() {
            acknowledged.push(key);
        }
    }
    acknowledged
}
