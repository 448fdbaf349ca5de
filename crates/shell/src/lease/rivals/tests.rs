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
fn the_operator_whose_lease_was_acquired_first_leads() {
    let leases = [lease("b", "x", (5, 100)), lease("a", "y", (6, 100))];
    let now = at(101);
    assert_eq!(held_elsewhere(&leases, "b", now), None);
    let found = held_elsewhere(&leases, "a", now).unwrap();
    assert_eq!((&*found.namespace, &*found.holder), ("b", "x"));
}

#[test]
fn of_two_leases_acquired_at_once_the_first_namespace_leads() {
    let leases = [lease("b", "x", (5, 100)), lease("a", "y", (5, 100))];
    assert_eq!(held_elsewhere(&leases, "a", at(101)), None);
    assert!(held_elsewhere(&leases, "b", at(101)).is_some());
}

#[test]
fn a_lease_without_a_holder_or_renewals_does_not_count() {
    let leases = [lease("a", "", (1, 100)), lease("b", "gone", (2, 10))];
    assert_eq!(held_elsewhere(&leases, "c", at(101)), None);
}

#[test]
fn a_lease_without_its_times_or_with_impossible_ones_never_counts() {
    type Change = fn(&mut Lease);
    let changes: [(&str, Change); 6] = [
        ("no spec", |lease| lease.spec = None),
        ("no acquireTime", |lease| {
            lease.spec.as_mut().unwrap().acquire_time = None;
        }),
        ("no renewTime", |lease| {
            lease.spec.as_mut().unwrap().renew_time = None;
        }),
        ("no holder", |lease| {
            lease.spec.as_mut().unwrap().holder_identity = None;
        }),
        ("acquired after it was renewed", |lease| {
            lease.spec.as_mut().unwrap().acquire_time = Some(MicroTime(at(101)));
        }),
        ("renewed in an hour", |lease| {
            lease.spec.as_mut().unwrap().renew_time = Some(MicroTime(at(3700)));
        }),
    ];
    for (what, change) in changes {
        let mut lease = lease("a", "x", (5, 100));
        assert!(held_elsewhere(std::slice::from_ref(&lease), "z", at(101)).is_some());
        change(&mut lease);
        assert_eq!(held_elsewhere(&[lease], "z", at(101)), None, "{what}");
    }
}
