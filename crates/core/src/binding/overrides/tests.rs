use serde_json::json;

use super::*;
use crate::{
    pki::{authority, key::KeyAlgorithm},
    plan::fixture::{NOW, store, tenant},
    rng::Seed,
};

fn pair(one: &str, other: &str) -> Override {
    (one.to_owned(), other.to_owned())
}

fn another() -> Vec<u8> {
    let mut entropy = Seed::from_text("another").for_purpose("ca");
    let now = NOW.parse().unwrap();
    let ca = authority::issue("etcd-ca", KeyAlgorithm::EcdsaP256, now, &mut entropy);
    ca.certificate_pem().to_vec()
}

#[test]
fn overrides_are_compared_without_order_and_leading_slash() {
    let one = [pair("/events", "a"), pair("leases", "b")];
    let other = [pair("/leases", "b"), pair("events", "a")];
    assert!(same(&one, &other));
    assert!(!same(&one, &one[..1]));
    assert!(!same(&one, &[pair("/events", "b"), pair("leases", "b")]));
}

#[test]
fn recorded_overrides_stay_in_force_whatever_the_spec_asks_for() {
    let desired = json!({"dataStoreOverrides": [{"resource": "/events", "dataStore": "gold"}]});
    let new = tenant(json!({"spec": desired}));
    assert_eq!(effective(&new), [pair("/events", "gold")]);
    assert_eq!(changed(&new), None);
    let setup = json!({"schema": "s", "user": "u"});
    let running = tenant(json!({
        "spec": desired,
        "status": {"storage": {"setup": setup, "overrides": []}},
    }));
    assert_eq!(effective(&running), []);
    assert_eq!(changed(&running).as_deref(), Some("none"));
    // Set up by an older build: what it runs with is what its spec says.
    let older = tenant(json!({"spec": desired, "status": {"storage": {"setup": setup}}}));
    assert_eq!(effective(&older), [pair("/events", "gold")]);
}

#[test]
fn a_bundle_has_each_authority_once_and_leaves_a_single_one_unchanged() {
    let main = store().tls.unwrap().ca;
    let same = [main.as_slice(), main.as_slice()];
    assert_eq!(bundle(&main, same.into_iter()), main);
    assert_eq!(bundle(b"as it is", std::iter::empty()), b"as it is");
    let other = another();
    let both = bundle(&main, [other.as_slice(), other.as_slice()].into_iter());
    assert_eq!(blocks(&both), [blocks(&main), blocks(&other)].concat());
    assert!(both.starts_with(&main));
}

#[test]
fn an_etcd_accepts_client_certificates_of_the_authorities_it_trusts() {
    let main = store().tls.unwrap();
    let with = |ca| StoreTls { ca, ..main.clone() };
    assert!(accepts_clients_of(&with(main.ca.clone()), &main));
    assert!(!accepts_clients_of(&with(another()), &main));
    assert!(accepts_clients_of(
        &with(bundle(&another(), [main.ca.as_slice()].into_iter())),
        &main
    ));
}
