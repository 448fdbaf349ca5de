//! A call that was cut short is completed by the next one.

use std::time::Duration;

use super::tenancies::{assert_own_access, tenancy, with_tenant};
use crate::harness::Harness;

pub async fn ensure_completes_whatever_part_is_missing<H: Harness>() {
    let (server, store, tenancy) = with_tenant::<H>().await;
    let before = server.listing().await;
    for part in 0..H::PARTS {
        server.lose(&tenancy, part).await;
        store.ensure(&tenancy).await.unwrap();
        assert!(store.ensure(&tenancy).await.unwrap().is_empty(), "{part}");
        assert_eq!(server.listing().await, before, "{part}");
        // Data that is there does not keep a driver from completing the rest.
        assert_own_access(&server, &tenancy).await;
        let with_data = server.listing().await;
        server.lose(&tenancy, part).await;
        store.ensure(&tenancy).await.unwrap();
        assert_eq!(server.listing().await, with_data, "{part}");
        store.remove(&tenancy).await.unwrap();
        store.ensure(&tenancy).await.unwrap();
    }
}

pub async fn remove_completes_whatever_part_is_missing<H: Harness>() {
    let server = H::start().await;
    let (store, tenancy) = (server.administrator().await, tenancy::<H>("cp-a"));
    let empty = server.listing().await;
    for part in 0..H::PARTS {
        for with_data in [true, false] {
            store.ensure(&tenancy).await.unwrap();
            if with_data {
                assert_own_access(&server, &tenancy).await;
            }
            server.lose(&tenancy, part).await;
            let change = store.remove(&tenancy).await.unwrap();
            assert!(!change.is_empty());
            assert_eq!(server.listing().await, empty, "{part}");
        }
    }
}

pub async fn a_dropped_call_is_completed_by_the_next<H: Harness>() {
    let server = H::start().await;
    let (store, tenancy) = (server.administrator().await, tenancy::<H>("cp-a"));
    let empty = server.listing().await;
    for step in 1..40 {
        let limit = Duration::from_micros(step * 300);
        let _ = tokio::time::timeout(limit, store.ensure(&tenancy)).await;
        store.ensure(&tenancy).await.unwrap();
        assert!(store.ensure(&tenancy).await.unwrap().is_empty());
        assert_own_access(&server, &tenancy).await;
        let _ = tokio::time::timeout(limit, store.remove(&tenancy)).await;
        store.remove(&tenancy).await.unwrap();
        assert_eq!(server.listing().await, empty);
    }
}
