use super::*;
use crate::pki::{
    authority,
    certificate::Usage,
    fixture::{DAY, Foreign, authority, entropy, now},
    key::KeyAlgorithm,
    leaf::Pair,
    leaves,
};

const HOUR: Duration = Duration::from_hours(1);

fn request() -> LeafRequest {
    LeafRequest {
        organizations: vec!["staff".into()],
        dns_names: vec!["a.example".into()],
        ip_addresses: vec!["10.0.0.1".parse().unwrap()],
        ..leaves::user("jo", None, KeyAlgorithm::EcdsaP256)
    }
}

/// A change that a test makes to a leaf which conforms to every rule.
struct Case {
    request: LeafRequest,
    authority: Authority,
    pair: Pair,
    at: Timestamp,
    threshold: Duration,
    rotate: bool,
}

impl Case {
    fn good() -> Self {
        Self::by(authority())
    }

    fn by(authority: Authority) -> Self {
        let pair = authority.sign(&request(), now(), &mut entropy("leaf"));
        Self {
            request: request(),
            authority,
            pair,
            at: now(),
            threshold: DAY,
            rotate: false,
        }
    }

    fn evaluate(&self) -> Verdict {
        let subject = Subject {
            purpose: "leaf",
            request: &self.request,
            authority: &self.authority,
            certificate: Some(self.pair.certificate_pem.as_bytes()),
            key: Some(self.pair.key_pem.as_bytes()),
            rotate: self.rotate,
        };
        evaluate(&subject, self.at, self.threshold)
    }
}

/// The verdict about the good leaf after `change`.
fn changed(change: impl FnOnce(&mut Case)) -> Verdict {
    let mut case = Case::good();
    change(&mut case);
    case.evaluate()
}

#[test]
fn a_good_leaf_is_kept_until_a_deadline_before_its_end() {
    let due = now() + 364 * DAY;
    assert_eq!(Case::good().evaluate(), Verdict::Keep { due });
    assert_eq!(next_deadline(now() + 365 * DAY, DAY), due);
    let late = changed(|case| case.at = due - Duration::from_secs(1));
    assert_eq!(late, Verdict::Keep { due });
}

#[test]
fn each_violated_rule_gives_its_reason() {
    let other = |purpose| {
        authority::issue(
            "kubernetes",
            KeyAlgorithm::EcdsaP256,
            now(),
            &mut entropy(purpose),
        )
    };
    let end = now() + 365 * DAY;
    let key = Foreign::new().pems().1;
    let table = [
        (
            changed(|case| case.rotate = true),
            Reason::RotationRequested,
        ),
        (
            changed(|case| case.pair.certificate_pem.clear()),
            Reason::Missing,
        ),
        (
            changed(|case| case.pair.key_pem = "\n".into()),
            Reason::Missing,
        ),
        (changed(|case| case.pair.key_pem = key), Reason::KeyMismatch),
        (
            changed(|case| case.authority = other("x")),
            Reason::IssuedByAnother,
        ),
        (
            changed(|case| case.request.usages.push(Usage::Server)),
            Reason::UsageMissing,
        ),
        (
            changed(|case| case.request.common_name = "al".into()),
            Reason::SubjectDiffers("CN=jo, O=staff".into()),
        ),
        (
            changed(|case| case.request.organizations.clear()),
            Reason::SubjectDiffers("CN=jo, O=staff".into()),
        ),
        (
            changed(|case| case.request.dns_names.push("b.example".into())),
            Reason::NameMissing("b.example".into()),
        ),
        (
            changed(|case| case.request.ip_addresses.push("10.0.0.2".parse().unwrap())),
            Reason::NameMissing("10.0.0.2".into()),
        ),
        (changed(|case| case.at = end - DAY), Reason::Ends(end)),
        (changed(|case| case.at = end + DAY), Reason::Ends(end)),
    ];
    for (have, want) in table {
        assert_eq!(have, Verdict::Renew(want));
    }
}

#[test]
fn an_unreadable_leaf_is_renewed() {
    for verdict in [
        changed(|case| case.pair.certificate_pem = "x".into()),
        changed(|case| case.pair.key_pem = "x".into()),
    ] {
        assert!(
            matches!(verdict, Verdict::Renew(Reason::Unreadable(_))),
            "{verdict:?}"
        );
    }
}

#[test]
fn a_missing_leaf_is_issued() {
    let case = Case::good();
    let subject = Subject {
        purpose: "leaf",
        request: &case.request,
        authority: &case.authority,
        certificate: None,
        key: None,
        rotate: false,
    };
    assert_eq!(
        evaluate(&subject, now(), DAY),
        Verdict::Renew(Reason::Missing)
    );
}

#[test]
fn names_and_usages_beyond_the_request_are_accepted() {
    let verdict = changed(|case| {
        case.request.dns_names.clear();
        case.request.ip_addresses.clear();
        case.request.usages.clear();
    });
    assert!(matches!(verdict, Verdict::Keep { .. }));
}

#[test]
fn names_that_no_certificate_can_carry_are_not_required() {
    let verdict = changed(|case| case.request.dns_names.push("a b".into()));
    assert!(matches!(verdict, Verdict::Keep { .. }));
}

#[test]
fn another_key_algorithm_alone_does_not_renew_a_leaf() {
    let verdict = changed(|case| case.request.algorithm = KeyAlgorithm::Rsa2048);
    assert!(matches!(verdict, Verdict::Keep { .. }));
}

#[test]
fn a_leaf_that_ends_with_its_authority_is_kept() {
    let end = now() + 10 * HOUR;
    let ca = Foreign {
        not_after: end,
        ..Foreign::new()
    };
    let mut case = Case::by(ca.load());
    assert_eq!(case.evaluate(), Verdict::Keep { due: end });
    case.at = end - Duration::from_secs(1);
    assert_eq!(case.evaluate(), Verdict::Keep { due: end });
}

#[test]
fn a_leaf_from_the_future_is_renewed_unless_its_authority_is_from_the_future_too() {
    let start = now() - Duration::from_mins(5);
    let early = now() - HOUR;
    let mut case = Case::by(Foreign::new().load());
    case.at = early;
    assert_eq!(case.evaluate(), Verdict::Renew(Reason::NotYetValid(start)));
    let mut case = Case::good();
    case.at = early;
    assert!(matches!(case.evaluate(), Verdict::Keep { .. }));
}

#[test]
fn a_threshold_longer_than_a_leaf_lives_does_not_renew_it_in_each_pass() {
    let verdict = changed(|case| case.threshold = 1_000 * DAY);
    let Verdict::Keep { due } = verdict else {
        panic!("{verdict:?}");
    };
    assert!(due > now() + 180 * DAY);
    let later = changed(|case| {
        case.threshold = 1_000 * DAY;
        case.at = due;
    });
    assert!(matches!(later, Verdict::Renew(Reason::Ends(_))));
}
