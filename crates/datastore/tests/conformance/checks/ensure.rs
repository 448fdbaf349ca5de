//! Ensure makes a tenancy exactly as desired, and writes nothing once it is.

use std::sync::Arc;

use kamaji_datastore::{AccessControl, DataStore, Driver};

use super::tenancies::{assert_denied, assert_own_access, tenancy, with_tenant};
use crate::harness::{Harness, Isolated};

pub async fn a_new_tenant_reads_and_writes_its_own_data<H: Harness>() {
    let server = H::start().await;
    let store = server.administrator().await;
    assert_eq!(store.check().await, Ok(AccessControl::On));
    let tenancy = tenancy::<H>("cp-a");
    let change = store.ensure(&tenancy).await.unwrap();
    assert!(!change.is_empty() && !change.revoked_access(), "{change}");
    assert_own_access(&server, &tenancy).await;
}

pub async fn a_second_ensure_changes_nothing<H: Harness>() {
    let (server, store, tenancy) = with_tenant::<H>().await;
    let before = server.listing().await;
    for store in [store, server.administrator().await] {
        let change = store.ensure(&tenancy).await.unwrap();
        assert!(change.is_empty(), "{change}");
    }
    assert_eq!(server.listing().await, before);
}

pub async fn access_that_was_taken_from_a_tenant_is_restored<H: Isolated>() {
    let (server, store, tenancy) = with_tenant::<H>().await;
    let before = server.listing().await;
    server.withhold(&tenancy).await;
    assert_denied(&server, &tenancy, &tenancy).await;
    let change = store.ensure(&tenancy).await.unwrap();
    assert!(!change.is_empty() && !change.revoked_access(), "{change}");
    assert_eq!(server.listing().await, before);
    assert_own_access(&server, &tenancy).await;
}

pub async fn access_to_a_neighbour_is_revoked_and_reported<H: Isolated>() {
    let (server, store, wide) = with_tenant::<H>().await;
    let neighbour = tenancy::<H>("cp-b");
    store.ensure(&neighbour).await.unwrap();
    assert_own_access(&server, &neighbour).await;
    let before = server.listing().await;
    server.widen(&wide, &neighbour).await;
    let change = store.ensure(&wide).await.unwrap();
    assert!(change.revoked_access(), "{change}");
    assert_eq!(server.listing().await, before);
    assert_denied(&server, &wide, &neighbour).await;
}

pub async fn tenants_may_be_ensured_at_the_same_time<H: Harness>() {
    let server = H::start().await;
    let store = Arc::<dyn DataStore>::from(server.administrator().await);
    let all: Vec<_> = (0..8).map(|n| tenancy::<H>(&format!("cp-{n}"))).collect();
    let tasks: Vec<_> = all
        .iter()
        .chain(&all)
        .map(|tenancy| {
            let (store, tenancy) = (Arc::clone(&store), tenancy.clone());
            tokio::spawn(async move { store.ensure(&tenancy).await.map(drop) })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    for tenancy in &all {
        assert!(store.ensure(tenancy).await.unwrap().is_empty());
        assert_own_access(&server, tenancy).await;
    }
}

pub async fn the_server_is_described_by_product_and_version<H: Harness>() {
    let server = H::start().await;
    let store = server.administrator().await;
    // Before the first tenant, and with one.
    for tenant in ["cp-a", "cp-b"] {
        let version = store.version().await.unwrap();
        let (product, number) = version.split_once(' ').unwrap();
        let products: &[&str] = match H::DRIVER {
            Driver::MySql => &["MySQL", "MariaDB"],
            other => &[other.as_str()],
        };
        assert!(products.contains(&product), "{version}");
        let is_number = number.starts_with(|c: char| c.is_ascii_digit());
        assert!(is_number && !number.contains(' '), "{version}");
        store.ensure(&tenancy::<H>(tenant)).await.unwrap();
        if H::DRIVER == Driver::Nats {
            break;
        }
    }
}
