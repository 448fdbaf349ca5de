//! Owner records in the datastore decide who gets and who loses a schema or user.

use std::sync::Arc;

use kamaji_datastore::{DataStore, Error, Owner, Step, Tenancy};

use super::tenancies::{assert_own_access, assert_refused, named, with_tenant};
use crate::{harness::Harness, owner::owner};

pub async fn a_second_tenant_with_the_same_schema_or_user_is_refused<H: Harness>() {
    let (server, _, first) = with_tenant::<H>().await;
    assert_own_access(&server, &first).await;
    for (schema, user) in [
        ("cp-a", "two"),
        ("two", "user-of-cp-a"),
        ("cp-a", "user-of-cp-a"),
    ] {
        for error in assert_refused(&server, &named::<H>("second", schema, user)).await {
            assert!(matches!(error, Error::Owned { .. }), "{error}");
            assert!(error.to_string().contains("tenants/cp-a"), "{error}");
        }
    }
    assert_own_access(&server, &first).await;
}

pub async fn a_namesake_of_another_management_cluster_is_refused<H: Harness>() {
    let (server, _, first) = with_tenant::<H>().await;
    let namesake = Tenancy {
        owner: Owner {
            cluster: "another management cluster".to_owned(),
            ..first.owner.clone()
        },
        recorded: true,
        ..first
    };
    assert_refused(&server, &namesake).await;
}

pub async fn an_unrecorded_tenancy_is_taken_by_the_recorded_tenant_alone<H: Harness>() {
    let (server, store, tenancy) = with_tenant::<H>().await;
    assert_own_access(&server, &tenancy).await;
    server.delete_owner_records(&tenancy).await;
    for error in assert_refused(&server, &tenancy).await {
        assert!(matches!(error, Error::Foreign { .. }), "{error}");
    }
    let recorded = Tenancy {
        recorded: true,
        ..tenancy.clone()
    };
    let change = store.ensure(&recorded).await.unwrap();
    assert_eq!(change.steps, [Step::OwnerRecorded]);
    assert!(store.ensure(&tenancy).await.unwrap().is_empty());
    let late = Tenancy {
        owner: owner("late"),
        ..recorded
    };
    assert_refused(&server, &late).await;
}

pub async fn records_pass_to_a_successor_and_the_predecessor_loses_them<H: Harness>() {
    let (server, store, old) = with_tenant::<H>().await;
    let new = Tenancy {
        owner: owner("restored"),
        ..old.clone()
    };
    assert_refused(&server, &new).await;
    let successor = Tenancy {
        succeeds: Some(old.owner.clone()),
        ..new.clone()
    };
    let change = store.ensure(&successor).await.unwrap();
    assert_eq!(change.steps, [Step::OwnerRecorded]);
    assert!(store.ensure(&new).await.unwrap().is_empty());
    assert_refused(&server, &old).await;
}

pub async fn one_of_many_concurrent_claims_of_a_schema_succeeds<H: Harness>() {
    let server = H::start().await;
    let store = Arc::<dyn DataStore>::from(server.administrator().await);
    let tasks: Vec<_> = (0..12)
        .map(|n| {
            let store = Arc::clone(&store);
            let tenancy = named::<H>(&format!("t{n}"), "shared", &format!("user-{n}"));
            tokio::spawn(async move { (store.ensure(&tenancy).await.is_ok(), tenancy) })
        })
        .collect();
    let mut winners = Vec::new();
    for task in tasks {
        let (done, tenancy) = task.await.unwrap();
        winners.extend(done.then_some(tenancy));
    }
    assert_eq!(winners.len(), 1);
    assert_own_access(&server, &winners[0]).await;
}
