use super::*;
use crate::pki::{
    authority,
    fixture::{DAY, entropy, now},
    key::KeyAlgorithm,
    leaves,
};

const POLICY: RotationPolicy = RotationPolicy {
    lead: Duration::from_hours(400 * 24),
    spread: DAY,
};

fn issue(name: &str, at: Timestamp) -> Authority {
    authority::issue(name, KeyAlgorithm::EcdsaP256, at, &mut entropy(name))
}

fn leaf(authority: &Authority, at: Timestamp) -> Certificate {
    let request = leaves::front_proxy_client(KeyAlgorithm::EcdsaP256);
    let pair = authority.sign(&request, at, &mut entropy(&at.to_string()));
    Certificate::from_pem(pair.certificate_pem.as_bytes()).unwrap()
}

fn stored(bundle: &[&Authority], key: &[u8], at: Timestamp) -> Stored {
    let pems = bundle.iter().map(|ca| ca.certificate_pem());
    let pem = pems.collect::<Vec<_>>().concat();
    Stored::read(TrustBundle::parse(&pem), key, at)
}

fn names(bundle: &TrustBundle) -> Vec<&str> {
    let names = bundle.certificates().map(|ca| ca.common_name.as_str());
    names.collect()
}

#[test]
fn a_signer_that_lasts_stays_and_is_steady() {
    let ca = issue("first", now());
    let read = stored(&[&ca], ca.key_pem(), now());
    let (rotation, reason) =
        read.ensure_signer(POLICY, now(), || panic!("no new authority is needed"));
    assert_eq!(reason, None);
    let leaf = leaf(&ca, now());
    assert_eq!(rotation.phase(&[&leaf]), Phase::Steady);
    assert_eq!(
        rotation.due(&[&leaf]),
        ca.certificate().not_after - POLICY.lead
    );
}

#[test]
fn every_phase_follows_the_one_before_and_lasts_for_the_spread() {
    let first = issue("first", now());
    let begin = first.certificate().not_after - POLICY.lead;
    let read = stored(&[&first], first.key_pem(), begin);
    let (mut rotation, reason) = read.ensure_signer(POLICY, begin, || issue("second", begin));
    assert!(reason.is_some_and(|text| text.contains("ends at")));
    assert_eq!(names(&rotation.bundle()), ["second", "first"]);

    let old = leaf(&first, begin);
    let leaves_move = begin + DAY;
    assert_eq!(rotation.phase(&[&old]), Phase::Announced { leaves_move });
    assert_eq!(rotation.due(&[&old]), leaves_move);
    assert!(rotation.may_keep(&old, begin));
    assert!(!rotation.may_keep(&old, leaves_move));
    assert!(!rotation.retire(&[&old], leaves_move));

    let new = leaf(rotation.signer(), leaves_move);
    let former_retire = leaves_move + DAY;
    assert_eq!(rotation.phase(&[&new]), Phase::Moved { former_retire });
    assert_eq!(rotation.due(&[&new]), former_retire);
    assert!(!rotation.retire(&[&new], former_retire - DAY / 2));
    assert!(rotation.retire(&[&new], former_retire));
    assert_eq!(names(&rotation.bundle()), ["second"]);
    assert_eq!(rotation.phase(&[&new]), Phase::Steady);
}

#[test]
fn the_former_authorities_stay_until_the_last_of_several_leaves_has_moved() {
    let (first, second) = (issue("first", now()), issue("second", now()));
    let read = stored(&[&second, &first], second.key_pem(), now());
    let (mut rotation, _) = read.ensure_signer(POLICY, now(), || panic!("it lasts"));
    let (early, late, behind) = (
        leaf(&second, now() + DAY),
        leaf(&second, now() + 3 * DAY),
        leaf(&first, now()),
    );
    assert!(matches!(
        rotation.phase(&[&early, &behind]),
        Phase::Announced { .. }
    ));
    assert!(matches!(rotation.phase(&[]), Phase::Announced { .. }));
    assert!(!rotation.retire(&[&early, &behind], now() + 30 * DAY));
    assert!(!rotation.retire(&[&early, &late], now() + 3 * DAY));
    assert!(rotation.retire(&[&early, &late], now() + 4 * DAY));
}

#[test]
fn a_second_former_authority_passes_through_a_rotation() {
    let [zeroth, first] = ["zeroth", "first"].map(|name| issue(name, now()));
    let begin = first.certificate().not_after - POLICY.lead;
    let read = stored(&[&first, &zeroth], first.key_pem(), begin);
    let (rotation, _) = read.ensure_signer(POLICY, begin, || issue("second", begin));
    let bundle = rotation.bundle();
    assert_eq!(names(&bundle), ["second", "zeroth", "first"]);
    for authority in [&zeroth, &first] {
        let leaf = leaf(authority, begin);
        assert!(bundle.trusts(&leaf) && rotation.may_keep(&leaf, begin));
    }
    assert_eq!(TrustBundle::parse(&bundle.to_pem()), bundle);
}

#[test]
fn a_signer_without_its_key_becomes_a_former_authority() {
    let first = issue("first", now());
    let read = stored(&[&first], b"x", now());
    let (rotation, reason) = read.ensure_signer(POLICY, now(), || issue("second", now()));
    assert_eq!(reason.as_deref(), Some("there is no authority"));
    assert_eq!(names(&rotation.bundle()), ["second", "first"]);
}

#[test]
fn a_former_authority_that_ended_is_dropped_in_every_phase() {
    let first = issue("first", now());
    let begin = first.certificate().not_after - DAY;
    let read = stored(&[&first], b"x", begin);
    let (mut rotation, _) = read.ensure_signer(POLICY, begin, || issue("second", begin));
    assert!(!rotation.retire(&[], begin));
    assert!(rotation.retire(&[], begin + DAY));
}
