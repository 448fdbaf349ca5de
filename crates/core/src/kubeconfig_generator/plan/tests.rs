use std::time::Duration;

use k8s_openapi::ByteString;
use kamaji_api::kubeconfig::KubeconfigGenerator;
use serde_json::{Value, json};

use super::*;
use crate::{
    kubeconfig_generator::fixture::{World, generator},
    pki::{authority, key::KeyAlgorithm},
    plan::fixture as tenants,
};

fn text(secret: &Secret) -> String {
    String::from_utf8(value(secret).unwrap().to_vec()).unwrap()
}

fn certificate(world: &World) -> Certificate {
    let text = text(world.output.as_ref().unwrap());
    let have = kubeconfig::credentials(text.as_bytes()).unwrap();
    Certificate::from_pem(&have.certificate).unwrap()
}

/// The refusal of a plan that writes nothing.
fn refusal(world: &World) -> String {
    let plan = world.plan();
    assert!(plan.write.is_none(), "{plan:?}");
    match plan.state {
        State::Missing(why) => why,
        State::Available => panic!("there is a kubeconfig"),
    }
}

/// Sets a key of a Secret.
fn put(secret: &mut Option<Secret>, key: &str, bytes: &[u8]) {
    let data = secret.as_mut().unwrap().data.get_or_insert_default();
    data.insert(key.to_owned(), ByteString(bytes.to_vec()));
}

fn annotate(secret: &mut Option<Secret>, key: &str, text: &str) {
    let meta = &mut secret.as_mut().unwrap().metadata;
    let all = meta.annotations.get_or_insert_default();
    all.insert(key.to_owned(), text.to_owned());
}

fn annotation<'a>(world: &'a World, key: &str) -> Option<&'a str> {
    let all = world.output.as_ref()?.metadata.annotations.as_ref()?;
    all.get(key).map(String::as_str)
}

#[test]
fn the_secret_has_names_labels_owner_and_kubeconfig_as_upstreams() {
    let plan = World::new().plan();
    assert_eq!(plan.state, State::Available);
    let object = plan.write.unwrap();
    assert_eq!(object.intent, Intent::Create);
    let mut body = object.body;
    body["data"] = Value::Null;
    body["metadata"]["annotations"]
        .as_object_mut()
        .unwrap()
        .remove(object::CONTENT_HASH);
    let expected = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "Opaque",
        "data": null,
        "metadata": {
            "name": "full-auditors",
            "namespace": "c2",
            "labels": {
                "kamaji.clastix.io/managed-by": "auditors",
                "kamaji.clastix.io/managed-for": "full",
                "kamaji.clastix.io/certificate_lifecycle_controller": "kubeconfig",
            },
            "annotations": {"kamaji.clastix.io/kubeconfig-generator-uid": "uid of auditors"},
            "ownerReferences": [{
                "apiVersion": "kamaji.clastix.io/v1alpha1",
                "kind": "TenantControlPlane",
                "name": "full",
                "uid": "11111111-2222-3333-4444-555555555555",
                "controller": true,
                "blockOwnerDeletion": true,
            }],
        },
    });
    assert_eq!(body, expected);
}

#[test]
fn the_kubeconfig_has_the_generators_name_and_the_services_address() {
    let world = World::settled();
    let read: Value = serde_saphyr::from_str(&text(world.output.as_ref().unwrap())).unwrap();
    assert_eq!(read["current-context"], "auditors");
    assert_eq!(read["users"][0]["name"], "auditors");
    let context = json!([{"name": "auditors", "context": {"cluster": "full", "user": "auditors"}}]);
    assert_eq!(read["contexts"], context);
    assert_eq!(read["clusters"][0]["name"], "full");
    let server = &read["clusters"][0]["cluster"]["server"];
    assert_eq!(server, "https://full.c2.svc:6443");
    let certificate = certificate(&world);
    assert_eq!(certificate.common_name, "auditor");
    assert_eq!(certificate.organizations, ["audit", "readers"]);
    let ca = world.authority.as_ref().unwrap().data.as_ref().unwrap();
    let ca = Certificate::from_pem(&ca["ca.crt"].0).unwrap();
    assert!(certificate.is_signed_by(&ca));
    let life = certificate.not_after.duration_since(world.now);
    assert_eq!(life.as_hours(), 8760);
}

#[test]
fn a_second_pass_writes_nothing() {
    let mut world = World::settled();
    let second = world.apply();
    assert!(second.write.is_none(), "{:?}", second.write);
    assert_eq!(second.state, State::Available);
    let due = second.due.unwrap();
    let ends = certificate(&world).not_after;
    assert!(
        ends - Duration::from_hours(24) <= due && due < ends,
        "{due}"
    );
}

#[test]
fn renewal_is_due_before_the_end_and_issues_another_certificate() {
    let mut world = World::settled();
    let due = world.plan().due.unwrap();
    world.now = due - Duration::from_secs(1);
    assert!(world.plan().write.is_none());
    let first = certificate(&world);
    world.now = due;
    let renewed = world.apply();
    assert!(matches!(renewed.write.unwrap().intent, Intent::Update(_)));
    assert!(certificate(&world).not_after > first.not_after);
    assert!(world.apply().write.is_none());
}

#[test]
fn an_empty_rotate_annotation_renews_once_and_is_stamped() {
    let mut world = World::settled();
    let first = certificate(&world);
    annotate(&mut world.output, labels::ROTATE, "");
    assert!(world.apply().write.is_some());
    assert_ne!(certificate(&world).der, first.der);
    assert_eq!(
        annotation(&world, labels::ROTATE),
        Some("2026-11-23T12:00:00Z")
    );
    assert!(world.apply().write.is_none());
}

#[test]
fn another_identity_renews_the_certificate() {
    for spec in [
        json!({"user": {"stringValue": "another"}}),
        json!({"groups": [{"stringValue": "readers"}]}),
        json!({"groups": [{"fromDefinition": "metadata.labels.team"}]}),
    ] {
        let mut world = World::settled();
        world.generator = generator(&spec);
        assert!(world.apply().write.is_some(), "{spec}");
        assert!(world.apply().write.is_none(), "{spec}");
    }
}

#[test]
fn groups_in_another_order_are_the_same_groups() {
    let mut world = World::settled();
    let first = certificate(&world);
    world.generator =
        generator(&json!({"groups": [{"stringValue": "audit"}, {"stringValue": "readers"}]}));
    assert!(world.apply().write.is_none());
    assert_eq!(certificate(&world).der, first.der);
}

#[test]
fn another_ca_of_the_tenant_renews_the_certificate() {
    let mut world = World::settled();
    let mut entropy = Seed::from_text("ca").for_purpose("ca");
    let ca = authority::issue(
        "kubernetes",
        KeyAlgorithm::EcdsaP256,
        world.now,
        &mut entropy,
    );
    put(&mut world.authority, "ca.crt", ca.certificate_pem());
    put(&mut world.authority, "ca.key", ca.key_pem());
    assert!(world.apply().write.is_some());
    assert!(certificate(&world).is_signed_by(ca.certificate()));
    assert!(world.apply().write.is_none());
}

#[test]
fn another_server_keeps_the_certificate() {
    let mut world = World::settled();
    let first = certificate(&world);
    world.generator = generator(&json!({"controlPlaneEndpointFrom": "admin.conf"}));
    assert!(world.apply().write.is_some());
    let text = text(world.output.as_ref().unwrap());
    assert!(text.contains("https://172.30.0.60:6443"), "{text}");
    assert_eq!(certificate(&world).der, first.der);
}

#[test]
fn tampered_text_labels_and_owners_are_written_again_with_the_same_certificate() {
    let mut world = World::settled();
    let first = certificate(&world);
    // A user beside the certificate that would run a program of somebody else's.
    let text = text(world.output.as_ref().unwrap());
    let line = text.lines().find(|line| line.contains("client-key-data"));
    let line = line.unwrap();
    let blanks = " ".repeat(line.len() - line.trim_start().len());
    let exec = format!("{blanks}exec: {{command: /bin/sh, apiVersion: v1}}\n{line}");
    let exec = text.replace(line, &exec);
    assert_ne!(exec, text);
    put(&mut world.output, VALUE, exec.as_bytes());
    assert!(world.apply().write.is_some());
    assert_eq!(self::text(world.output.as_ref().unwrap()), text);
    let label = |world: &mut World| {
        let meta = &mut world.output.as_mut().unwrap().metadata;
        meta.labels
            .get_or_insert_default()
            .remove(labels::LIFECYCLE);
    };
    label(&mut world);
    assert!(world.apply().write.is_some());
    assert_eq!(certificate(&world).der, first.der);
}

#[test]
fn a_template_of_a_hostile_hand_gives_its_server_and_nothing_else() {
    let mut world = World::new();
    let evil = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "x",
        "clusters": [{"name": "x", "cluster": {
            "server": "https://elsewhere.example:6443", "certificate-authority-data": "QQ==",
            "insecure-skip-tls-verify": true, "proxy-url": "http://elsewhere.example",
        }}],
        "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
        "users": [{"name": "x", "user": {
            "client-certificate-data": "QQ==", "client-key-data": "QQ==",
            "exec": {"command": "/bin/sh", "apiVersion": "client.authentication.k8s.io/v1"},
        }}],
    });
    put(&mut world.admin, "admin.svc", evil.to_string().as_bytes());
    world.apply();
    let text = text(world.output.as_ref().unwrap());
    assert!(text.contains("https://elsewhere.example:6443"), "{text}");
    for word in ["exec", "insecure", "proxy", "QQ=="] {
        assert!(!text.contains(word), "{word}: {text}");
    }
}

#[test]
fn templates_without_a_server_are_refused() {
    let admin = |server: &str| {
        json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "x",
            "clusters": [{"name": "x", "cluster": {"server": server, "certificate-authority-data": ""}}],
            "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
            "users": [{"name": "x", "user": {"client-certificate-data": "", "client-key-data": ""}}],
        })
        .to_string()
    };
    let long = format!("https://{}", "x".repeat(600));
    for (text, words) in [
        (String::new(), "cannot be read"),
        ("{}".to_owned(), "cannot be read"),
        (admin("http://plain.example"), "https://"),
        (admin("https://"), "https://"),
        (admin("https://a b"), "https://"),
        (admin(&long), "https://"),
    ] {
        let mut world = World::new();
        put(&mut world.admin, "admin.svc", text.as_bytes());
        let why = refusal(&world);
        assert!(
            why.contains(words) && why.contains("full-admin-kubeconfig"),
            "{why}"
        );
    }
    let mut world = World::new();
    world.generator = generator(&json!({"controlPlaneEndpointFrom": "none.conf"}));
    assert!(refusal(&world).contains("has no key \"none.conf\""));
}

#[test]
fn secrets_of_others_are_neither_written_nor_read() {
    let own = World::settled();
    let owner = |secret: &mut Option<Secret>| {
        let meta = &mut secret.as_mut().unwrap().metadata;
        meta.owner_references.get_or_insert_default()[0].uid = "another".to_owned();
    };
    let mut world = own.clone();
    owner(&mut world.output);
    assert!(refusal(&world).contains("its controller is another object"));
    let mut world = own.clone();
    owner(&mut world.authority);
    assert!(refusal(&world).contains("full-ca is not of this TenantControlPlane"));
    let mut world = own.clone();
    owner(&mut world.admin);
    assert!(refusal(&world).contains("full-admin-kubeconfig is not of this"));
    let mut world = own;
    world.output.as_mut().unwrap().metadata.owner_references = None;
    assert!(refusal(&world).contains("it names no controller"));
}

#[test]
fn absent_and_damaged_material_is_named() {
    let mut world = World::new();
    world.admin = None;
    assert!(
        refusal(&world).contains("full-admin-kubeconfig of the control plane is not there yet")
    );
    let mut world = World::new();
    world.authority = None;
    assert!(refusal(&world).contains("full-ca of the control plane is not there yet"));
    let mut world = World::new();
    put(&mut world.authority, "ca.key", b"rubbish");
    assert!(refusal(&world).contains("full-ca of the control plane cannot sign"));
}

#[test]
fn paused_secrets_stay_as_they_are() {
    let mut world = World::settled();
    annotate(&mut world.output, labels::PAUSED, "");
    annotate(&mut world.output, labels::ROTATE, "");
    let plan = world.plan();
    assert_eq!((plan.write, plan.state), (None, State::Available));
    put(&mut world.output, VALUE, b"");
    assert!(refusal(&world).contains("is paused"));
}

#[test]
fn a_refused_identity_leaves_the_kubeconfig_that_exists() {
    let mut world = World::settled();
    world.generator = generator(&json!({"groups": [{"fromDefinition": "metadata.labels.group"}]}));
    let labels = world.tenant.metadata.labels.get_or_insert_default();
    labels.insert("group".to_owned(), "system:masters".to_owned());
    assert!(refusal(&world).contains("only stringValue may name it"));
}

#[test]
fn a_secret_of_upstream_is_taken_over_with_its_certificate() {
    let mut world = World::settled();
    let first = certificate(&world);
    world.output.as_mut().unwrap().metadata.annotations = None;
    assert!(world.apply().write.is_some());
    assert_eq!(certificate(&world).der, first.der);
    assert_eq!(
        annotation(&world, labels::GENERATOR_UID),
        Some("uid of auditors")
    );
}

#[test]
fn a_generator_that_was_made_again_records_its_own_uid() {
    let mut world = World::settled();
    let again = KubeconfigGenerator {
        metadata: ObjectMeta {
            uid: Some("again".to_owned()),
            ..world.generator.metadata.clone()
        },
        ..world.generator.clone()
    };
    world.generator = again;
    assert!(world.apply().write.is_some());
    assert_eq!(annotation(&world, labels::GENERATOR_UID), Some("again"));
    assert!(world.apply().write.is_none());
}

#[test]
fn the_tenants_own_plan_knows_nothing_of_the_secret() {
    let mut live = tenants::settled(json!({}));
    let without = crate::plan::plan(&live).unwrap();
    let secret = World::settled().output.unwrap();
    live.secrets.insert("full-auditors".to_owned(), secret);
    let with = crate::plan::plan(&live).unwrap();
    assert_eq!(tenants::hashes(&without), tenants::hashes(&with));
    assert_eq!(without.prunes, with.prunes);
    assert!(!Names::of("full").include(crate::object::Kind::Secret, "full-auditors"));
}
