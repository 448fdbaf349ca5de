use k8s_openapi::{api::coordination::v1::LeaseSpec, apimachinery::pkg::apis::meta::v1::MicroTime};
use kube::api::ObjectMeta;

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn lease(namespace: &str, holder: &str, (acquired, renewed): (i64, i64)) -> Lease {
    Lease {
        metadata: ObjectMeta {
            namespace: Some(namespace.to_owned()),
            ..ObjectMeta::default()
        },
        spec: Some(LeaseSpec {
            holder_identity: Some(holder.to_owned()),
            acquire_time: Some(MicroTime(at(acquired))),
            renew_time: Some(MicroTime(at(renewed))),
            ..LeaseSpec::default()
        }),
    }
}

#[test]
fn whoever_was_first_leads_and_the_others_know_it() {
    let leases = [lease("b", "x", (5, 100)), lease("a", "y", (6, 100))];
    let now = at(101);
    assert_eq!(held_elsewhere(&leases, "b", now), None);
    let found = held_elsewhere(&leases, "a", now).unwrap();
    assert_eq!(found, ("b".to_owned(), "x".to_owned()));
}

#[test]
fn a_lease_that_nobody_holds_or_renews_is_nobodys() {
    let leases = [lease("a", "", (1, 100)), lease("b", "gone", (2, 10))];
    assert_eq!(held_elsewhere(&leases, "c", at(101)), None);
}
