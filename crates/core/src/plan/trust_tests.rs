//! A CA that follows another: what each consumer trusts, and who signs, while both are in the bundle.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use k8s_openapi::ByteString;
use serde_json::{Value, json};

use super::{
    Plan,
    fixture::{after, corrupt, hashes, planned, settled, store},
    plan,
};
use crate::{
    object::Kind,
    pki::{
        authority::{self, Authority},
        certificate::Certificate,
        key::KeyAlgorithm,
        kubeconfig::{Credentials, credentials},
    },
    rng::Seed,
    snapshot::Snapshot,
    tenant_cluster::{self, AdminSecret, TenantClusterSnapshot},
};

const LEAVES: [(&str, &str); 3] = [
    ("full-api-server-certificate", "apiserver.crt"),
    (
        "full-api-server-kubelet-client-certificate",
        "apiserver-kubelet-client.crt",
    ),
    ("full-konnectivity-certificate", "tls.crt"),
];

const KUBECONFIGS: [(&str, &str); 7] = [
    ("full-admin-kubeconfig", "admin.conf"),
    ("full-admin-kubeconfig", "admin.svc"),
    ("full-admin-kubeconfig", "super-admin.conf"),
    ("full-admin-kubeconfig", "super-admin.svc"),
    (
        "full-controller-manager-kubeconfig",
        "controller-manager.conf",
    ),
    ("full-scheduler-kubeconfig", "scheduler.conf"),
    ("full-konnectivity-kubeconfig", "konnectivity-server.conf"),
];

/// A running tenant, its CA, and the CA that follows it.
fn running() -> (Snapshot, Authority, Authority) {
    let fixture = settled(json!({}));
    let live = fixture.secrets["full-ca"].data.as_ref().unwrap();
    let old = Authority::load(&live["ca.crt"].0, &live["ca.key"].0, fixture.now).unwrap();
    let mut entropy = Seed::from_text("successor").for_purpose("ca");
    let new = authority::issue(
        "kubernetes",
        KeyAlgorithm::EcdsaP256,
        fixture.now,
        &mut entropy,
    );
    (fixture, old, new)
}

/// Snapshot of a tenant whose CA Secret trusts these certificates, and has the key of one of them.
fn trusting(fixture: &Snapshot, trust: &[u8], signer: &Authority) -> Snapshot {
    let mut fixture = fixture.clone();
    corrupt(&mut fixture, "full-ca", "ca.crt", trust);
    corrupt(&mut fixture, "full-ca", "ca.key", signer.key_pem());
    fixture
}

fn file(plan: &Plan, secret: &str, key: &str) -> Vec<u8> {
    let encoded = planned(plan, secret).body["data"][key].as_str();
    let encoded = encoded.unwrap_or_else(|| panic!("{secret} has no {key}"));
    STANDARD.decode(encoded).unwrap()
}

fn kubeconfig(plan: &Plan, (secret, key): (&str, &str)) -> Credentials {
    credentials(&file(plan, secret, key)).unwrap()
}

fn is_signed_by(pem: &[u8], signer: &Authority) -> bool {
    let certificate = Certificate::from_pem(pem).unwrap();
    certificate.verifies(signer.certificate())
}

/// Flags of the container, and the files of the CA Secret that pods mount.
fn pods(plan: &Plan, container: &str) -> (Vec<String>, Vec<(String, String)>) {
    let deployment = plan.objects().find(|o| o.key.kind == Kind::Deployment);
    let pods = &deployment.unwrap().body["spec"]["template"]["spec"];
    let list = |value: &Value| value.as_array().unwrap().clone();
    let containers = list(&pods["containers"]);
    let found = containers.iter().find(|c| c["name"] == container).unwrap();
    let args = list(&found["args"]);
    let args = args.iter().map(|arg| arg.as_str().unwrap().to_owned());
    let volumes = list(&pods["volumes"]);
    let pki = volumes.iter().find(|v| v["name"] == "etc-kubernetes-pki");
    let sources = list(&pki.unwrap()["projected"]["sources"]);
    let ca = sources.iter().find(|s| s["secret"]["name"] == "full-ca");
    let items = list(&ca.unwrap()["secret"]["items"]);
    let text = |item: &Value, key: &str| item[key].as_str().unwrap().to_owned();
    let items = items.iter().map(|i| (text(i, "key"), text(i, "path")));
    (args.collect(), items.collect())
}

fn flags(plan: &Plan, container: &str, contained: &str) -> Vec<String> {
    let (mut args, _) = pods(plan, container);
    args.retain(|arg| arg.contains(contained));
    args
}

/// Every consumer of the CA trusts `trust`, and every leaf is of `signer`.
fn assert_trusts(fixture: &Snapshot, plan: &Plan, trust: &[u8], signer: &Authority) {
    assert!(plan.waits.is_empty(), "{:?}", plan.waits);
    assert_eq!(file(plan, "full-ca", "ca.crt"), trust);
    assert_eq!(file(plan, "full-ca", "ca.key"), signer.key_pem());
    // Cluster API takes these two as one pair.
    assert_eq!(file(plan, "full-ca", "tls.crt"), signer.certificate_pem());
    assert_eq!(file(plan, "full-ca", "tls.key"), signer.key_pem());
    for (secret, key) in LEAVES {
        assert!(is_signed_by(&file(plan, secret, key), signer), "{secret}");
    }
    for name in KUBECONFIGS {
        let found = kubeconfig(plan, name);
        assert_eq!(found.ca, trust, "{name:?}");
        assert!(is_signed_by(&found.certificate, signer), "{name:?}");
    }
    let root = "--root-ca-file=/etc/kubernetes/pki/ca.crt";
    assert_eq!(
        flags(plan, "kube-controller-manager", "root-ca-file"),
        [root]
    );
    let clients = "--client-ca-file=/etc/kubernetes/pki/ca.crt";
    for container in ["kube-apiserver", "kube-controller-manager"] {
        assert!(flags(plan, container, clients).contains(&clients.to_owned()));
    }
    // Workers: kubeadm join reads cluster-info, which has the CAs of the administrators' kubeconfig.
    let admin = ["admin.conf", "super-admin.conf"].map(|key| {
        (
            key.to_owned(),
            ByteString(file(plan, KUBECONFIGS[0].0, key)),
        )
    });
    let snapshot = TenantClusterSnapshot {
        object: &fixture.object,
        unreadable: false,
        settings: fixture.settings.clone(),
        service: fixture.service.clone(),
        store: Ok(store()),
        admin_secret: AdminSecret::Read(admin.into()),
        last: None,
        resync: Duration::from_mins(10),
        now: fixture.now,
    };
    let desired = tenant_cluster::plan(&snapshot).desired.unwrap();
    let info = desired.objects().find(|o| o.key.name == "cluster-info");
    let info = info.unwrap().body["data"]["kubeconfig"].to_string();
    assert!(info.contains(&STANDARD.encode(trust)), "{info}");
}

/// The certificate that kube-controller-manager signs with, and the files of the CA Secret that it mounts.
fn assert_signs_with(plan: &Plan, name: &str, mounted: &[(&str, &str)]) {
    let flag = format!("--cluster-signing-cert-file=/etc/kubernetes/pki/{name}");
    let (args, items) = pods(plan, "kube-controller-manager");
    assert!(args.contains(&flag), "{args:?}");
    let mounted = mounted
        .iter()
        .map(|(key, path)| ((*key).to_owned(), (*path).to_owned()));
    assert_eq!(items, mounted.collect::<Vec<_>>());
}

const ALONE: [(&str, &str); 2] = [("ca.crt", "ca.crt"), ("ca.key", "ca.key")];
const APART: [(&str, &str); 3] = [ALONE[0], ALONE[1], ("tls.crt", "ca-signer.crt")];

#[test]
fn a_ca_that_follows_another_is_trusted_first_then_signs_then_is_alone() {
    let (fixture, old, new) = running();
    let before = plan(&fixture).unwrap();
    assert_trusts(&fixture, &before, old.certificate_pem(), &old);
    assert_signs_with(&before, "ca.crt", &ALONE);
    let both = [old.certificate_pem(), new.certificate_pem()].concat();

    let announced = trusting(&fixture, &both, &old);
    let first = plan(&announced).unwrap();
    assert_trusts(&announced, &first, &both, &old);
    assert_signs_with(&first, "ca-signer.crt", &APART);
    for (secret, key) in LEAVES {
        assert_eq!(file(&first, secret, key), file(&before, secret, key));
    }

    let moved = trusting(&after(announced, &first), &both, &new);
    let second = plan(&moved).unwrap();
    assert_trusts(&moved, &second, &both, &new);
    assert_signs_with(&second, "ca-signer.crt", &APART);
    let client = (
        "full-front-proxy-client-certificate",
        "front-proxy-client.crt",
    );
    let client = |plan: &Plan| file(plan, client.0, client.1);
    assert_eq!(client(&second), client(&before), "of another authority");
    let moved = after(moved, &second);
    let again = plan(&moved).unwrap();
    assert_eq!(hashes(&again), hashes(&second), "and comes to rest");

    let retired = trusting(&moved, new.certificate_pem(), &new);
    let third = plan(&retired).unwrap();
    assert_trusts(&retired, &third, new.certificate_pem(), &new);
    assert_signs_with(&third, "ca.crt", &ALONE);
    for (secret, key) in LEAVES {
        assert_eq!(file(&third, secret, key), file(&second, secret, key));
    }
}

#[test]
fn paused_ca_secret_without_the_signers_certificate_is_mounted_as_before() {
    let (fixture, old, new) = running();
    let both = [old.certificate_pem(), new.certificate_pem()].concat();
    let mut fixture = trusting(&fixture, &both, &new);
    let secret = fixture.secrets.get_mut("full-ca").unwrap();
    secret.data.as_mut().unwrap().remove("tls.crt");
    let annotations = secret.metadata.annotations.get_or_insert_default();
    annotations.insert(kamaji_api::labels::PAUSED.to_owned(), "true".to_owned());
    assert_signs_with(&plan(&fixture).unwrap(), "ca.crt", &ALONE);
}

#[test]
fn clients_of_the_aggregation_layer_are_signed_by_the_key_of_a_bundle() {
    let (mut fixture, _, new) = running();
    let (secret, certificates) = ("full-front-proxy-ca-certificate", "front-proxy-ca.crt");
    let old = fixture.secrets[secret].data.as_ref().unwrap()[certificates].clone();
    let both = [old.0.as_slice(), new.certificate_pem()].concat();
    corrupt(&mut fixture, secret, certificates, &both);
    corrupt(&mut fixture, secret, "front-proxy-ca.key", new.key_pem());
    let plan = plan(&fixture).unwrap();
    assert_eq!(file(&plan, secret, certificates), both);
    let client = file(
        &plan,
        "full-front-proxy-client-certificate",
        "front-proxy-client.crt",
    );
    assert!(is_signed_by(&client, &new));
    let trusts = "--requestheader-client-ca-file=/etc/kubernetes/pki/front-proxy-ca.crt";
    assert_eq!(
        flags(&plan, "kube-apiserver", "requestheader-client-ca"),
        [trusts]
    );
}
