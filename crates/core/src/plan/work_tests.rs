//! Costly work of the first reconcile of a tenant: key pairs, signatures and verifications.

use k8s_openapi::api::core::v1::Service;
use serde_json::json;

use super::{
    fixture::{after, hashes, pods, settled, snapshot},
    plan, service_to_create,
};
use crate::{
    object::{Intent, Kind},
    pki::tally::{Tally, during},
    rng::Seed,
    snapshot::Snapshot,
};

/// A tenant without any object, whose keys no other test has.
fn new_tenant(seed: &str) -> Snapshot {
    Snapshot {
        service: None,
        seed: Seed::from_text(seed),
        ..snapshot(json!({}))
    }
}

fn address() -> Option<Service> {
    snapshot(json!({})).service
}

/// Plans and applies `rounds` times, as one reconcile does: same seed, and the address after the first round.
fn reconcile(mut observed: Snapshot, rounds: usize) -> Tally {
    let (seed, address) = (observed.seed.clone(), address());
    let ((), tally) = during(|| {
        for _ in 0..rounds {
            let made = plan(&observed).unwrap();
            observed = Snapshot {
                service: address.clone(),
                deployment: pods(&made, |_| 0),
                seed: seed.clone(),
                ..after(observed.clone(), &made)
            };
        }
    });
    tally
}

/// Key pairs: three authorities, five leaves, six kubeconfigs. Service-account keys are not signed.
const KEYS: usize = 14;

#[test]
fn a_tenant_whose_address_is_known_makes_each_key_and_signature_once_and_verifies_none() {
    let observed = Snapshot {
        service: address(),
        ..new_tenant("known address")
    };
    let [generated, read, signed, verified, _] = reconcile(observed, 3);
    assert_eq!((generated, signed, verified), (KEYS, KEYS - 1, 0));
    assert_eq!(read, 1, "the CA of the datastore signs");
}

#[test]
fn a_tenant_whose_address_comes_late_reads_its_authorities_once_and_verifies_nothing() {
    let [generated, read, signed, verified, _] = reconcile(new_tenant("late address"), 4);
    assert_eq!((generated, signed, verified), (KEYS, KEYS - 1, 0));
    assert_eq!(read, 3, "three CAs sign");
}

#[test]
fn a_certificate_is_parsed_once_by_each_plan() {
    let observed = Snapshot {
        service: address(),
        ..new_tenant("parsed once")
    };
    let [.., first] = reconcile(observed.clone(), 1);
    let [.., both] = reconcile(observed, 2);
    assert_eq!(first, 3, "three CAs");
    assert_eq!(both - first, 3 + 11, "three CAs and eleven leaves");
}

#[test]
fn the_service_of_a_new_tenant_is_planned_alone_as_in_the_whole_plan() {
    let observed = new_tenant("service");
    let (alone, tally) = during(|| service_to_create(&observed).unwrap());
    assert_eq!(tally, [0; 5]);
    assert_eq!(
        (alone.key.kind, &alone.intent),
        (Kind::Service, &Intent::Create)
    );
    let whole = plan(&observed).unwrap();
    assert_eq!(whole.objects().next(), Some(&alone));
}

#[test]
fn a_service_that_exists_is_never_planned_alone() {
    let known = settled(json!({}));
    assert!(service_to_create(&known).is_none());
    let foreign = Snapshot {
        service: None,
        ..known
    };
    assert!(
        service_to_create(&foreign).is_none(),
        "{:?}",
        hashes(&plan(&foreign).unwrap())
    );
}
