//! Creations through a kine while its tenant is fenced and freed again and again.

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

/// Keys below `/registry/configmaps/` whose creation kine has acknowledged while the tenant was fenced and freed.
pub async fn created_during_fences(
    kine: &Kine,
    store: &dyn DataStore,
    tenancy: &Tenancy,
) -> BTreeSet<String> {
    let stop = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..WRITERS)
        .map(|number| tokio::spawn(keep_creating(kine.client(), number, Arc::clone(&stop))))
        .collect();
    let fenced = Tenancy {
        access: Access::ReadOnly,
        ..tenancy.clone()
    };
    for _ in 0..FENCES {
        let attempt = attempt();
        store.fence(&fenced, &attempt).await.unwrap();
        tokio::time::sleep(WHILE).await;
        store.lift(tenancy, &attempt).await.unwrap();
        tokio::time::sleep(WHILE).await;
    }
    stop.store(true, Ordering::Relaxed);
    let created = join_all(writers).await;
    created.into_iter().flat_map(Result::unwrap).collect()
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
