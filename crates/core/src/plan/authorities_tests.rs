use std::time::Duration;

use k8s_openapi::ByteString;
use kamaji_api::condition;
use kamaji_api::labels;
use serde_json::json;

use super::{
    Plan,
    fixture::{after, annotate, hashes, requested_replacement, settled, snapshot},
    plan,
};
use crate::{
    object::{Intent, Kind, Object},
    pki::{authority, key::KeyAlgorithm, kubeconfig::credentials, trust::TrustBundle},
    rng::Seed,
    snapshot::{Snapshot, StoreWait},
};

const AUTHORITIES: [&str; 3] = [
    "full-ca",
    "full-front-proxy-ca-certificate",
    "full-sa-certificate",
];

fn valid(plan: &Plan) -> (&str, &str, &str) {
    let conditions = &plan.status.conditions;
    let condition = condition::find(conditions, "CertificatesValid").unwrap();
    (&condition.status, &condition.reason, &condition.message)
}

fn planned<'a>(plan: &'a Plan, name: &str) -> Option<&'a Object> {
    plan.objects().find(|object| object.key.name == name)
}

fn deployed(plan: &Plan) -> bool {
    plan.objects()
        .any(|object| object.key.kind == Kind::Deployment)
}

fn without(fixture: &Snapshot, name: &str) -> Snapshot {
    let mut fixture = fixture.clone();
    fixture.secrets.remove(name);
    fixture.children.retain(|child, _| child.name != name);
    fixture
}

/// The Secret is there, with nothing or with nothing but blanks in it.
fn emptied(fixture: &Snapshot, name: &str, blank: bool) -> Snapshot {
    let mut fixture = fixture.clone();
    let secret = fixture.secrets.get_mut(name).unwrap();
    if blank {
        for bytes in secret.data.iter_mut().flatten() {
            *bytes.1 = ByteString(b" \n".to_vec());
        }
    } else {
        secret.data = None;
    }
    fixture
}

fn ask_for_rotation(fixture: &mut Snapshot, name: &str) {
    let secret = fixture.secrets.get_mut(name).unwrap();
    let annotations = secret.metadata.annotations.get_or_insert_default();
    annotations.insert(labels::ROTATE.to_owned(), String::new());
}

fn pause(fixture: &mut Snapshot, name: &str) {
    let secret = fixture.secrets.get_mut(name).unwrap();
    let annotations = secret.metadata.annotations.get_or_insert_default();
    annotations.insert(labels::PAUSED.to_owned(), "true".to_owned());
}

#[test]
fn lost_authority_is_reported_and_not_replaced() {
    let fixture = settled(json!({}));
    for name in AUTHORITIES {
        let mut unrecorded = emptied(&fixture, name, false);
        unrecorded.object.status = None;
        for lost in [
            Box::new(without(&fixture, name)),
            Box::new(emptied(&fixture, name, false)),
            Box::new(emptied(&fixture, name, true)),
            Box::new(unrecorded),
        ] {
            let plan = plan(&lost).unwrap();
            assert!(planned(&plan, name).is_none(), "{name} is written");
            assert!(planned(&plan, "full-admin-kubeconfig").is_none());
            assert!(!deployed(&plan) && plan.prunes.is_empty());
            let (status, reason, message) = valid(&plan);
            assert_eq!((status, reason), ("False", "AuthorityLost"));
            assert!(
                message.contains(name) && message.contains("restore"),
                "{message}"
            );
            assert!(plan.requeue_at.is_some_and(|at| at > lost.now));
            let next = after(*lost, &plan);
            assert_eq!(super::plan(&next).unwrap().status, plan.status);
        }
    }
}

#[test]
fn authority_recorded_only_in_a_restored_status_is_lost() {
    let checksum = "0123456789abcdef0123456789abcdef";
    let recorded = json!({"secretName": "full-ca", "checksum": checksum});
    let fixture =
        snapshot(json!({"status": {"certificates": {"ca": recorded.clone(), "sa": recorded}}}));
    let plan = plan(&fixture).unwrap();
    assert_eq!(valid(&plan).1, "AuthorityLost");
    assert_eq!(
        requested_replacement(&plan),
        Some(format!("ca:{checksum},sa:{checksum}"))
    );
    assert!(planned(&plan, "full-ca").is_none() && !deployed(&plan));
}

#[test]
fn annotation_replaces_a_lost_authority_and_is_removed() {
    let fixture = settled(json!({}));
    for name in AUTHORITIES {
        let had = fixture.secrets[name].data.clone();
        let mut lost = without(&fixture, name);
        let value = requested_replacement(&plan(&lost).unwrap()).unwrap();
        annotate(&mut lost, labels::REPLACE_AUTHORITY, &value);
        let made = plan(&lost).unwrap();
        assert_eq!(planned(&made, name).unwrap().intent, Intent::Create);
        assert!(made.answered && deployed(&made));
        assert_eq!(valid(&made).1, "AsPlanned");
        let fixture = after(lost.clone(), &made);
        assert_ne!(fixture.secrets[name].data, had);
        assert_eq!(hashes(&plan(&fixture).unwrap()), hashes(&made));
        assert!(!plan(&fixture).unwrap().answered);
    }
}

#[test]
fn crash_before_the_annotation_is_removed_issues_no_second_key() {
    let mut lost = without(&settled(json!({})), "full-ca");
    let value = requested_replacement(&plan(&lost).unwrap()).unwrap();
    annotate(&mut lost, labels::REPLACE_AUTHORITY, &value);
    let made = after(lost.clone(), &plan(&lost).unwrap());
    // The Secret was written, and nothing after it.
    lost.secrets
        .insert("full-ca".to_owned(), made.secrets["full-ca"].clone());
    let again = plan(&lost).unwrap();
    assert!(again.answered);
    let fixture = after(lost, &again);
    assert_eq!(
        fixture.secrets["full-ca"].data,
        made.secrets["full-ca"].data
    );
}

#[test]
fn annotation_for_one_loss_replaces_no_other_authority() {
    let mut fixture = without(&settled(json!({})), "full-ca");
    let value = requested_replacement(&plan(&fixture).unwrap()).unwrap();
    annotate(&mut fixture, labels::REPLACE_AUTHORITY, &value);
    let made = plan(&fixture).unwrap();
    let mut fixture = without(&after(fixture, &made), "full-ca");
    // A GitOps controller restores the annotation.
    annotate(&mut fixture, labels::REPLACE_AUTHORITY, &value);
    let plan = plan(&fixture).unwrap();
    assert!(planned(&plan, "full-ca").is_none() && !plan.answered);
    let (_, reason, message) = valid(&plan);
    assert_eq!(reason, "AuthorityLost");
    assert!(message.contains("another loss"), "{message}");
}

#[test]
fn unreadable_annotation_is_reported() {
    let mut fixture = settled(json!({}));
    annotate(&mut fixture, labels::REPLACE_AUTHORITY, "everything");
    let sound = plan(&fixture).unwrap();
    let (status, reason, message) = valid(&sound);
    assert_eq!((status, reason), ("True", "AnnotationUnreadable"));
    assert!(
        message.contains("everything") && !sound.answered,
        "{message}"
    );
    let plan = plan(&without(&fixture, "full-ca")).unwrap();
    let (_, reason, message) = valid(&plan);
    assert_eq!(reason, "AuthorityLost");
    assert!(message.contains("everything"), "{message}");
}

#[test]
fn authority_rotation_waits_for_a_complete_plan() {
    let fixture = settled(json!({}));
    let mut no_store = fixture.clone();
    no_store.store = Err(StoreWait::Missing("gold".to_owned()));
    let mut no_address = fixture.clone();
    no_address.service = None;
    let no_tokens = without(&fixture, "full-sa-certificate");
    for (mut held, expected) in [
        (Box::new(no_store), "gold"),
        (Box::new(no_address), "Service"),
        (Box::new(no_tokens), "full-sa"),
    ] {
        ask_for_rotation(&mut held, "full-ca");
        let had = held.secrets["full-ca"].data.clone();
        let waiting = plan(&held).unwrap();
        let (_, reason, message) = valid(&waiting);
        assert_eq!(reason, "RenewalWaits");
        assert!(message.contains(expected), "{message}");
        assert_eq!(after(*held, &waiting).secrets["full-ca"].data, had);
    }
    let mut lost = without(&fixture, "full-ca");
    let value = requested_replacement(&plan(&lost).unwrap()).unwrap();
    annotate(&mut lost, labels::REPLACE_AUTHORITY, &value);
    lost.store = Err(StoreWait::Missing("gold".to_owned()));
    let waiting = plan(&lost).unwrap();
    assert_eq!(valid(&waiting).1, "RenewalWaits");
    assert!(planned(&waiting, "full-ca").is_none() && !waiting.answered);
}

#[test]
fn paused_secret_is_not_renewed_and_keeps_foreign_content() {
    let mut fixture = settled(json!({}));
    let names: Vec<String> = fixture.secrets.keys().cloned().collect();
    for name in &names {
        pause(&mut fixture, name);
        let data = fixture
            .secrets
            .get_mut(name)
            .unwrap()
            .data
            .as_mut()
            .unwrap();
        data.insert("note".to_owned(), ByteString(b"mine".to_vec()));
    }
    ask_for_rotation(&mut fixture, "full-ca");
    let had = fixture.secrets.clone();
    fixture.now += Duration::from_hours(24 * 365);
    let first = plan(&fixture).unwrap();
    assert_eq!(valid(&first).1, "AsPlanned");
    let fixture = after(fixture, &first);
    for name in &names {
        assert_eq!(fixture.secrets[name].data, had[name].data, "{name}");
    }
    let mut fixture = fixture;
    for name in &names {
        pause(&mut fixture, name);
    }
    assert_eq!(hashes(&plan(&fixture).unwrap()), hashes(&first));
}

#[test]
fn ca_provided_for_cluster_api_is_adopted_with_its_type() {
    let made = settled(json!({})).secrets["full-ca"].data.clone().unwrap();
    for type_ in ["cluster.x-k8s.io/secret", "kubernetes.io/tls", "Opaque"] {
        let mut fixture = snapshot(json!({}));
        let pair = ["tls.crt", "tls.key"].map(|key| (key.to_owned(), made[key].clone()));
        let mut secret = k8s_openapi::api::core::v1::Secret {
            type_: Some(type_.to_owned()),
            data: Some(pair.into_iter().collect()),
            ..Default::default()
        };
        secret.metadata.name = Some("full-ca".to_owned());
        fixture.secrets.insert("full-ca".to_owned(), secret);
        let plan = plan(&fixture).unwrap();
        assert_eq!(valid(&plan).1, "AsPlanned", "{:?}", valid(&plan));
        let object = planned(&plan, "full-ca").unwrap();
        assert!(
            matches!(object.intent, Intent::Adopt(_)),
            "{:?}",
            object.intent
        );
        assert_eq!(object.body["type"], json!(type_));
        let fixture = after(fixture, &plan);
        assert_eq!(fixture.secrets["full-ca"].data.as_ref(), Some(&made));
        assert!(deployed(&plan));
    }
}

#[test]
fn expiring_authority_is_warned_of_and_requeued_and_blocks_nothing() {
    let mut fixture = settled(json!({}));
    let first = plan(&fixture).unwrap();
    assert_eq!(first.expiries.len(), 2);
    let notice = first.expiries[0].notice;
    // No leaf is due in between.
    fixture.settings.expiration_deadline = Duration::from_secs(1);
    fixture.now = notice - Duration::from_hours(1);
    let renewed = plan(&fixture).unwrap();
    let mut fixture = after(fixture, &renewed);
    let before = plan(&fixture).unwrap();
    assert_eq!(valid(&before).1, "AsPlanned");
    assert_eq!(before.requeue_at, Some(notice));
    fixture.now = notice;
    let warned = plan(&fixture).unwrap();
    let (status, reason, message) = valid(&warned);
    assert_eq!((status, reason), ("True", "AuthorityExpiring"));
    for part in AUTHORITIES[..2].iter().copied().chain(["rotate"]) {
        assert!(message.contains(part), "{part}: {message}");
    }
    assert!(warned.waits.is_empty() && deployed(&warned));
    let mut fixture = after(fixture, &warned);
    fixture.now += Duration::from_hours(30 * 24);
    let later = plan(&fixture).unwrap();
    assert_eq!(valid(&later), valid(&warned), "nothing is written each day");
}

#[test]
fn end_of_an_authority_is_that_of_the_live_one_until_a_rotation_is_written() {
    let mut fixture = settled(json!({}));
    let ends = |plan: &Plan| {
        plan.expiries
            .iter()
            .map(|expiry| expiry.ends)
            .min()
            .unwrap()
    };
    let before = ends(&plan(&fixture).unwrap());
    fixture.now += Duration::from_hours(24);
    for name in ["full-ca", "full-front-proxy-ca-certificate"] {
        ask_for_rotation(&mut fixture, name);
    }
    let rotated = plan(&fixture).unwrap();
    assert_eq!(ends(&rotated), before);
    let written = after(fixture, &rotated);
    assert!(ends(&plan(&written).unwrap()) > before);
}

#[test]
fn leaves_that_expire_with_their_authority_are_not_reissued_before() {
    let mut fixture = settled(json!({}));
    let ends = plan(&fixture).unwrap().expiries[0].ends;
    fixture.now = ends - Duration::from_hours(20 * 24);
    let capped = plan(&fixture).unwrap();
    let mut fixture = after(fixture, &capped);
    for hours in [1, 19 * 24, 20 * 24 - 1] {
        fixture.now = ends - Duration::from_hours(20 * 24 - hours);
        let plan = plan(&fixture).unwrap();
        assert_eq!(hashes(&plan), hashes(&capped), "after {hours} hours");
        assert!(
            plan.requeue_at
                .is_some_and(|at| at > fixture.now && at <= ends)
        );
    }
}

#[test]
fn former_authorities_behind_the_ca_are_trusted_by_kubeconfigs() {
    let mut fixture = settled(json!({}));
    let data = fixture.secrets.get_mut("full-ca").unwrap();
    let certificate = data.data.as_mut().unwrap().get_mut("ca.crt").unwrap();
    for name in ["first", "second"] {
        let mut entropy = Seed::from_text(name).for_purpose(name);
        let former = authority::issue(name, KeyAlgorithm::EcdsaP256, fixture.now, &mut entropy);
        certificate.0.extend(former.certificate_pem());
    }
    let bundle = certificate.0.clone();
    assert_eq!(TrustBundle::parse(&bundle).len(), 3);
    let before = &fixture.secrets["full-admin-kubeconfig"];
    let before = credentials(&before.data.as_ref().unwrap()["admin.conf"].0).unwrap();
    let fixture = after(fixture.clone(), &plan(&fixture).unwrap());
    let kubeconfig = &fixture.secrets["full-admin-kubeconfig"];
    let now = credentials(&kubeconfig.data.as_ref().unwrap()["admin.conf"].0).unwrap();
    assert_eq!(now.ca, bundle);
    assert_eq!(
        now.certificate, before.certificate,
        "the signer is the same"
    );
    let again = after(fixture.clone(), &plan(&fixture).unwrap());
    assert_eq!(again.secrets, fixture.secrets);
}

#[test]
fn bundle_over_the_limit_is_reported_with_its_own_remedy() {
    let mut fixture = settled(json!({}));
    let data = fixture.secrets.get_mut("full-ca").unwrap();
    let certificate = data.data.as_mut().unwrap().get_mut("ca.crt").unwrap();
    certificate.0 = certificate.0.repeat(17);
    let plan = plan(&fixture).unwrap();
    assert!(planned(&plan, "full-ca").is_none() && !deployed(&plan));
    let (status, reason, message) = valid(&plan);
    assert_eq!((status, reason), ("False", "AuthorityDamaged"));
    assert!(message.contains("full-ca cannot be used"), "{message}");
    assert!(
        message.contains("17 certificates, and at most 16"),
        "{message}"
    );
    assert!(
        message.contains("remove those") && !message.contains("backup"),
        "{message}"
    );
}
