//! End of a fence: what it refused stays refused.

use std::collections::BTreeSet;

use super::super::with_tenant;
use super::*;
use crate::fences::created_during_fences;

/// kine searches for a key whose insert was refused, and reports a creation if it finds none: no such search may come to
/// that after the fence was lifted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_creation_that_a_fence_refused_is_acknowledged_when_it_is_lifted() {
    let (server, store, tenancy) = with_tenant("cp-a").await;
    let kine = kine_of(&server, &tenancy).await;
    let acknowledged = created_during_fences(&kine, store.as_ref(), &tenancy).await;
    let mut client = client_of(&server, &tenancy).await.unwrap();
    let query =
        "SELECT CAST(name AS CHAR) FROM `cp-a`.kine WHERE name LIKE '/registry/configmaps/%'";
    let found: Vec<String> = client.query(query).await.unwrap();
    let found: BTreeSet<String> = found.into_iter().collect();
    let lost: Vec<_> = acknowledged.difference(&found).collect();
    assert_eq!(lost, [""; 0], "acknowledged, and not there");
    assert!(acknowledged.len() > 100, "{}", acknowledged.len());
}
