use serde_json::json;

use super::*;
use crate::object::{Intent, Version};

fn service() -> WebhookService {
    WebhookService {
        namespace: "kamaji-system".to_owned(),
        name: "kamaji-webhook-service".to_owned(),
    }
}

fn at(now: Timestamp) -> RenewalTime {
    RenewalTime {
        now,
        threshold: 30 * DAY,
    }
}

fn start() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().expect("a time")
}

fn plan(live: Option<&Secret>, now: Timestamp) -> CertificatePlan {
    plan_certificate(
        live,
        &service(),
        at(now),
        &Seed::from_text(&now.to_string()),
    )
}

/// Writes the planned Secret until it is kept; returns the Secret and when it is due.
fn apply(mut live: Option<Secret>, now: Timestamp) -> (Secret, Timestamp) {
    for _ in 0..3 {
        match plan(live.as_ref(), now) {
            CertificatePlan::Keep { due, .. } => {
                return (live.expect("a Secret that is kept"), due.expect("ours"));
            }
            CertificatePlan::Write { object, .. } => {
                let mut secret: Secret = serde_json::from_value(object.body).expect("a Secret");
                secret.metadata.uid = Some("uid".to_owned());
                secret.metadata.resource_version = Some("7".to_owned());
                live = Some(secret);
            }
            CertificatePlan::Unusable(problem) => panic!("{problem}"),
        }
    }
    panic!("the Secret is still written at {now}");
}

fn get<'a>(secret: &'a Secret, key: &str) -> &'a [u8] {
    &secret.data.as_ref().expect("data")[key].0
}

fn authorities(secret: &Secret) -> Vec<Certificate> {
    TrustBundle::parse(get(secret, CA))
        .certificates()
        .cloned()
        .collect()
}

fn leaf(secret: &Secret) -> Certificate {
    Certificate::from_pem(get(secret, LEAF)).expect("a leaf")
}

fn without(secret: &Secret, key: &str) -> Secret {
    let mut secret = secret.clone();
    secret.data.as_mut().expect("data").remove(key);
    secret
}

#[test]
fn the_first_secret_is_created_and_then_kept() {
    let CertificatePlan::Write { object, .. } = plan(None, start()) else {
        panic!("nothing is there")
    };
    assert_eq!(object.intent, Intent::Create);
    assert_eq!(object.key.name, "kamaji-webhook-server-cert");
    let (secret, due) = apply(None, start());
    let (leaf, authorities) = (leaf(&secret), authorities(&secret));
    assert_eq!(authorities.len(), 1);
    assert!(leaf.verifies(&authorities[0]));
    assert_eq!(leaf.usages, [Usage::Server]);
    assert!(
        leaf.dns_names
            .contains(&"kamaji-webhook-service.kamaji-system.svc".to_owned())
    );
    assert_eq!(due, leaf.not_after - 30 * DAY);
    let CertificatePlan::Keep { material, .. } = plan(Some(&secret), due - DAY) else {
        panic!("it is not due")
    };
    assert_eq!(material.authorities, get(&secret, CA));
}

#[test]
fn a_leaf_that_is_due_is_renewed_by_the_same_authority() {
    let (old, due) = apply(None, start());
    let CertificatePlan::Write { object, .. } = plan(Some(&old), due) else {
        panic!("it is due")
    };
    assert_eq!(object.intent, Intent::Update(Version::of(&old.metadata)));
    assert_eq!(Version::of(&old.metadata).revision, 7);
    let (new, _) = apply(Some(old.clone()), due);
    assert_ne!(get(&old, LEAF), get(&new, LEAF));
    assert_eq!(get(&old, CA), get(&new, CA));
    assert_eq!(get(&old, CA_KEY), get(&new, CA_KEY));
}

/// Plans the Secret for 25 years, each time when it is due: every client that read the bundle up to a day ago
/// trusts every leaf, at every step.
#[test]
fn every_client_trusts_every_leaf_for_25_years() {
    let (mut secret, mut due) = apply(None, start());
    let mut former = secret.clone();
    let mut signers = vec![authorities(&secret)[0].clone()];
    let end = start() + 25 * YEAR;
    let mut steps = 0;
    while due < end {
        let now = due;
        let (next, next_due) = apply(Some(secret.clone()), now);
        assert!(next_due > now, "no progress at {now}");
        let (leaf, bundle) = (leaf(&next), authorities(&next));
        assert!(leaf.not_after > now + HOUR, "it ends at {now}");
        assert!(
            authorities(&secret).iter().any(|ca| leaf.verifies(ca)),
            "clients with the last bundle are cut off at {now}"
        );
        assert!(bundle.iter().any(|ca| leaf.verifies(ca)));
        let served = super::tests::leaf(&secret);
        assert!(
            bundle.iter().any(|ca| served.verifies(ca)),
            "clients with the new bundle do not trust replicas that are late at {now}"
        );
        if bundle[0] != signers[signers.len() - 1] {
            signers.push(bundle[0].clone());
        }
        assert!(bundle.len() <= 2);
        former = std::mem::replace(&mut secret, next);
        due = next_due;
        steps += 1;
    }
    assert!(
        signers.len() >= 3,
        "{} authorities in 25 years",
        signers.len()
    );
    assert!((30..60).contains(&steps), "{steps} steps");
    assert_ne!(former, secret);
}

#[test]
fn a_damaged_authority_is_replaced_and_its_leaf_stays_for_a_day() {
    let (mut secret, _) = apply(None, start());
    let served = get(&secret, LEAF).to_vec();
    secret
        .data
        .as_mut()
        .expect("data")
        .insert(CA_KEY.to_owned(), ByteString(b"x".to_vec()));
    let now = start() + DAY;
    let (next, due) = apply(Some(secret), now);
    assert_eq!(get(&next, LEAF), served);
    assert_eq!(authorities(&next).len(), 2);
    assert_eq!(due, now + DAY);
    let (moved, _) = apply(Some(next), due);
    assert_ne!(get(&moved, LEAF), served);
}

#[test]
fn a_damaged_leaf_is_replaced() {
    let (secret, _) = apply(None, start());
    for key in [LEAF, LEAF_KEY] {
        let (next, _) = apply(Some(without(&secret, key)), start() + DAY);
        assert!(leaf(&next).verifies(&authorities(&secret)[0]), "{key}");
    }
}

#[test]
fn another_service_gets_another_certificate() {
    let (secret, _) = apply(None, start());
    let other = WebhookService {
        name: "other".to_owned(),
        ..service()
    };
    assert_eq!(other.secret_name(), "other-server-cert");
    let plan = plan_certificate(Some(&secret), &other, at(start()), &Seed::from_text("x"));
    assert!(matches!(plan, CertificatePlan::Write { .. }));
}

#[test]
fn a_secret_of_another_controller_is_used_and_never_written() {
    let (ours, _) = apply(None, start());
    let theirs = without(&ours, CA_KEY);
    let CertificatePlan::Keep {
        due: None,
        material,
    } = plan(Some(&theirs), start())
    else {
        panic!("it is good")
    };
    assert_eq!(material.certificate, get(&ours, LEAF));
    let CertificatePlan::Unusable(problem) = plan(Some(&theirs), start() + 2 * YEAR) else {
        panic!("it has ended")
    };
    assert!(problem.contains("kamaji-webhook-server-cert") && problem.contains("ended"));
    assert!(matches!(
        plan(Some(&without(&theirs, LEAF_KEY)), start()),
        CertificatePlan::Unusable(_)
    ));
}

#[test]
fn an_empty_secret_is_filled_and_keeps_its_type() {
    let empty = Secret {
        type_: Some("Opaque".to_owned()),
        ..Secret::default()
    };
    let CertificatePlan::Write { object, .. } = plan(Some(&empty), start()) else {
        panic!("empty")
    };
    assert_eq!(object.body["type"], "Opaque");
    assert_eq!(object.intent, Intent::Update(Version::of(&empty.metadata)));
}

#[test]
fn bundles_are_injected_only_into_webhooks_that_call_the_service() {
    let webhook = |name: &str, service: &str| json!({"name": name, "clientConfig": {"service": {"name": service, "namespace": "kamaji-system"}}});
    let mut configuration = json!({"webhooks": [
        webhook("theirs", "other"),
        webhook("ours", "kamaji-webhook-service"),
        {"name": "url", "clientConfig": {"url": "https://example.com"}},
    ]});
    let patch = inject(&configuration, &service(), b"bundle").expect("it is missing");
    json_patch::patch(&mut configuration, &patch).expect("it applies");
    assert_eq!(
        configuration["webhooks"][1]["clientConfig"]["caBundle"],
        STANDARD.encode("bundle")
    );
    assert_eq!(configuration["webhooks"][0], webhook("theirs", "other"));
    assert_eq!(inject(&configuration, &service(), b"bundle"), None);
    assert!(inject(&configuration, &service(), b"other").is_some());
    assert_eq!(inject(&json!({}), &service(), b"bundle"), None);
}
