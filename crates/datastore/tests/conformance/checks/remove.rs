//! Remove deletes exactly what is the tenant's.

use kamaji_datastore::Step;

use super::tenancies::{assert_denied, assert_own_access, tenancy, with_tenant};
use crate::harness::Harness;

pub async fn remove_deletes_everything_of_a_tenant_and_nothing_else<H: Harness>() {
    let server = H::start().await;
    let store = server.administrator().await;
    let neighbour = tenancy::<H>("cp-b");
    store.ensure(&neighbour).await.unwrap();
    assert_own_access(&server, &neighbour).await;
    let before = server.listing().await;
    let tenancy = tenancy::<H>("cp-a");
    store.ensure(&tenancy).await.unwrap();
    assert_own_access(&server, &tenancy).await;

    let change = store.remove(&tenancy).await.unwrap();
    assert_eq!(change.steps.last(), Some(&Step::OwnerRemoved), "{change}");
    assert_eq!(server.listing().await, before);
    assert_own_access(&server, &neighbour).await;
}

pub async fn a_second_remove_and_that_of_an_unknown_tenant_change_nothing<H: Harness>() {
    let (server, store, first) = with_tenant::<H>().await;
    assert!(!store.remove(&first).await.unwrap().is_empty());
    let before = server.listing().await;
    for absent in [first, tenancy::<H>("nobody")] {
        let change = store.remove(&absent).await.unwrap();
        assert!(change.is_empty(), "{change}");
    }
    assert_eq!(server.listing().await, before);
}

pub async fn credentials_of_a_removed_tenant_reach_nothing<H: Harness>() {
    let (server, store, tenancy) = with_tenant::<H>().await;
    assert_own_access(&server, &tenancy).await;
    store.remove(&tenancy).await.unwrap();
    assert_denied(&server, &tenancy, &tenancy).await;
}
