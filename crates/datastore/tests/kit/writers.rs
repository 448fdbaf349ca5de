//! Clients that write as a tenant's API server does, and remember what they were acknowledged.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use etcd_client::Client;

use crate::kit_kine::{delete, write};

/// Clients that write at once.
pub const WRITERS: usize = 20;

/// Keys below the root as acknowledged, `None` for a key that was deleted. A key whose last write had no answer, or was
/// refused, is left out.
pub type Acknowledged = BTreeMap<String, Option<Vec<u8>>>;

/// Creates, rewrites and deletes keys in several namespaces until a write fails or the stop.
pub async fn keep_writing(
    (client, root): (Client, String),
    number: usize,
    stop: Arc<AtomicBool>,
) -> Acknowledged {
    let mut acknowledged = Acknowledged::new();
    for n in 0_usize.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let kind = [
            "configmaps/kube-system",
            "secrets/default",
            "leases/kube-node-lease",
        ][n % 3];
        let key = format!("{kind}/{number}-{n}");
        let path = format!("{root}{key}");
        let value: Vec<u8> = (0..=255).cycle().skip(n).take(600).collect();
        let Ok(revision) = write(&client, &path, 0, b"first").await else {
            break;
        };
        let Ok(revision) = write(&client, &path, revision, &value).await else {
            break;
        };
        if n % 4 != 0 {
            acknowledged.insert(key, Some(value));
        } else if delete(&client, &path, revision).await.is_ok() {
            acknowledged.insert(key, None);
        } else {
            break;
        }
    }
    acknowledged
}
