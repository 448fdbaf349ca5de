//! Changes of a tenant's rights, fences that end among them: what was refused meanwhile is not acknowledged.

use std::collections::BTreeSet;
use std::time::Duration;

use super::super::with_tenant;
use super::*;
use crate::fences::{created_during, fence_and_lift};

/// A right that no tenant has, so that the next pass repairs the grants.
const FOREIGN: &str = "GRANT DROP ON `cp-a`.* TO 'cp-a'@'%'";

/// Asserts that the tenant's table has every key whose creation was acknowledged, and that many were.
async fn assert_kept(server: &Server, tenancy: &Tenancy, acknowledged: &BTreeSet<String>) {
    let mut client = client_of(server, tenancy).await.unwrap();
    let query =
        "SELECT CAST(name AS CHAR) FROM `cp-a`.kine WHERE name LIKE '/registry/configmaps/%'";
    let found: Vec<String> = client.query(query).await.unwrap();
    let found: BTreeSet<String> = found.into_iter().collect();
    let lost: Vec<_> = acknowledged.difference(&found).collect();
    assert_eq!(lost, [""; 0], "acknowledged, and not there");
    assert!(acknowledged.len() > 100, "{}", acknowledged.len());
}

/// kine searches for a key whose insert was refused, and reports a creation if it finds none: no such search may come to
/// that after the fence was lifted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_creation_that_a_fence_refused_is_acknowledged_when_it_is_lifted() {
    let (server, store, tenancy) = with_tenant("cp-a").await;
    let kine = kine_of(&server, &tenancy).await;
    let work = fence_and_lift(store.as_ref(), &tenancy);
    let acknowledged = created_during(&kine, work).await;
    assert_kept(&server, &tenancy, &acknowledged).await;
}

/// Connections end with a repair, and the inserts on them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_creation_that_a_repair_of_grants_ended_is_acknowledged() {
    let (server, store, tenancy) = with_tenant("cp-a").await;
    let kine = kine_of(&server, &tenancy).await;
    let acknowledged = created_during(&kine, async {
        for _ in 0..6 {
            server.execute(FOREIGN).await;
            assert!(!store.ensure(&tenancy).await.unwrap().is_empty());
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    })
    .await;
    assert_kept(&server, &tenancy, &acknowledged).await;
}
