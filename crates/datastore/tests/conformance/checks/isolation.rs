//! A tenant reaches its own data and nothing else, whatever its neighbours are called.

use kamaji_datastore::{Error, Tenancy};

use super::tenancies::{assert_denied, assert_own_access, named, tenancy, with_tenant};
use crate::harness::{Harness, Isolated};

/// Pairs of tenancies whose names a careless driver confuses: prefixes, wildcards of SQL,
/// separators, case, and names as long as every driver takes.
fn colliding<H: Harness>() -> Vec<[Tenancy; 2]> {
    let long = |length: usize, end: &str| "x".repeat(length - end.len()) + end;
    let mut pairs: Vec<[[String; 2]; 2]> = [
        ["cp-a", "cp-aa"],
        ["cp_a", "cpxa"],
        ["a_b", "a-b"],
        ["a.b", "a_b-c"],
        ["Case", "case"],
        ["quo\"te", "quo'te"],
    ]
    .into_iter()
    .map(|pair| pair.map(|name| [name.to_owned(), name.to_owned()]))
    .collect();
    for [one, other] in [["", "y"], ["", "_"]] {
        pairs.push([
            [long(63, one), long(32, one)],
            [long(63, other), long(32, other)],
        ]);
    }
    pairs.push([[long(63, ""), long(32, "")], [long(62, ""), long(31, "")]]);
    let mut index = 0;
    let mut next = |[schema, user]: [String; 2]| {
        index += 1;
        named::<H>(&format!("t{index}"), &schema, &user)
    };
    pairs.into_iter().map(|pair| pair.map(&mut next)).collect()
}

pub async fn tenants_with_colliding_names_cannot_reach_each_other<H: Harness>() {
    for [one, other] in colliding::<H>() {
        let server = H::start().await;
        let store = server.administrator().await;
        for tenant in [&one, &other] {
            store.ensure(tenant).await.unwrap();
            assert_own_access(&server, tenant).await;
        }
        assert_denied(&server, &one, &other).await;
        assert_denied(&server, &other, &one).await;
        for tenant in [&one, &other] {
            assert!(store.ensure(tenant).await.unwrap().is_empty());
            assert_eq!(store.usage(tenant).await, Ok(1));
        }
    }
}

pub async fn removing_one_of_two_colliding_names_leaves_the_other<H: Harness>() {
    let server = H::start().await;
    let store = server.administrator().await;
    for [one, other] in colliding::<H>() {
        for (removed, left) in [(&one, &other), (&other, &one)] {
            store.ensure(left).await.unwrap();
            assert_own_access(&server, left).await;
            let before = server.listing().await;
            store.ensure(removed).await.unwrap();
            assert_own_access(&server, removed).await;
            store.remove(removed).await.unwrap();
            assert_eq!(server.listing().await, before, "{}", removed.schema);
            assert!(store.ensure(left).await.unwrap().is_empty());
            store.remove(left).await.unwrap();
        }
    }
}

pub async fn a_tenant_counts_its_own_data_and_no_neighbours<H: Isolated>() {
    let (server, store, tenant) = with_tenant::<H>().await;
    let neighbour = tenancy::<H>("cp-b");
    store.ensure(&neighbour).await.unwrap();
    assert_own_access(&server, &tenant).await;
    assert_own_access(&server, &neighbour).await;
    let connection = server.as_tenant(&tenant).await;
    assert_eq!(connection.usage(&tenant).await, Ok(1));
    let error = connection.usage(&neighbour).await.unwrap_err();
    assert!(matches!(error, Error::NotAuthorised { .. }), "{error}");
}

pub async fn the_size_of_a_tenant_is_that_of_its_own_data<H: Isolated>() {
    let (server, store, tenant) = with_tenant::<H>().await;
    let neighbour = tenancy::<H>("cp-aa");
    store.ensure(&neighbour).await.unwrap();
    assert_eq!(store.bytes(&tenant).await, Ok(0));
    assert_own_access(&server, &tenant).await;
    assert!(store.bytes(&tenant).await.unwrap() > 0);
    assert_eq!(store.bytes(&neighbour).await, Ok(0));
    assert_own_access(&server, &neighbour).await;
    assert!(store.bytes(&neighbour).await.unwrap() > 0);
    let connection = server.as_tenant(&tenant).await;
    // MySQL has no tables for those who may not read them.
    let answer = connection.bytes(&neighbour).await;
    assert!(
        matches!(answer, Err(Error::NotAuthorised { .. }) | Ok(0)),
        "{answer:?}"
    );
}

pub async fn a_tenant_has_no_privilege_beyond_its_own_data<H: Isolated>() {
    let (server, _, tenant) = with_tenant::<H>().await;
    let before = server.listing().await;
    let escalations = server.escalations(&tenant).await;
    assert!(!escalations.is_empty());
    for (attempt, outcome) in escalations {
        assert!(outcome.is_err(), "{attempt} was allowed");
    }
    let connection = server.as_tenant(&tenant).await;
    let error = connection.check().await.unwrap_err();
    assert!(matches!(error, Error::NotAuthorised { .. }), "{error}");
    let error = connection.remove(&tenant).await.unwrap_err();
    assert!(matches!(error, Error::NotAuthorised { .. }), "{error}");
    assert_eq!(server.listing().await, before);
}
