use super::*;
use crate::pki::{
    authority,
    fixture::{authority, entropy, now},
    key::KeyAlgorithm,
    kubeconfig::{Access, Kubeconfig},
    leaves, service_account,
};

/// The summary without values that differ from run to run.
fn steady(mut value: Value) -> Value {
    match &mut value {
        Value::Object(map) => {
            map.remove("serialBits");
            for child in map.values_mut() {
                *child = steady(child.take());
            }
        }
        Value::Array(items) => {
            for item in items {
                *item = steady(item.take());
            }
        }
        _ => {}
    }
    value
}

#[test]
fn an_authority_is_summarized_as_in_upstreams_dumps() {
    let ca = authority::issue(
        "kubernetes",
        KeyAlgorithm::Rsa2048,
        now(),
        &mut entropy("ca"),
    );
    let want = json!([{"CERTIFICATE": {
        "subject": "CN=kubernetes",
        "issuer": "CN=kubernetes",
        "key": "RSA-2048",
        "sigAlg": "sha256WithRSAEncryption",
        "version": "v3",
        "validity": "3650d300s",
        "keyUsage(critical)": ["digital_signature", "key_encipherment", "key_cert_sign"],
        "basicConstraints(critical)": "ca=True pathlen=None",
        "subjectKeyIdentifier": "present",
        "subjectAltName": ["DNS:kubernetes"],
    }}]);
    assert_eq!(steady(value("ca.crt", ca.certificate_pem())), want);
    assert_eq!(
        value("ca.key", ca.key_pem()),
        json!([{"RSA PRIVATE KEY": "RSA-2048"}])
    );
}

#[test]
fn a_kubeconfig_is_summarized_with_its_certificates_and_without_its_key() {
    let ca = authority();
    let request = leaves::user("jo", Some("staff"), KeyAlgorithm::EcdsaP256);
    let pair = ca.sign(&request, now(), &mut entropy("leaf"));
    let access = Access {
        cluster: "c".into(),
        user: "jo".into(),
        server: "https://c:6443".into(),
    };
    let (certificate, key) = (pair.certificate_pem.as_bytes(), pair.key_pem.as_bytes());
    let text = Kubeconfig::new(&access, ca.certificate_pem(), certificate, key).to_yaml();
    let shown = steady(value("admin.conf", text.as_bytes()));
    assert_eq!(shown["rawLength"], text.len());
    let config = &shown["parsedYaml"];
    assert_eq!(config["clusters"][0]["cluster"]["server"], "https://c:6443");
    let user = &config["users"][0]["user"];
    let want = json!({"base64": [{"CERTIFICATE": {
        "subject": "CN=jo,O=staff",
        "issuer": "CN=kubernetes",
        "key": "EC-secp256r1",
        "sigAlg": "ecdsa-with-SHA256",
        "version": "v3",
        "validity": "365d300s",
        "keyUsage(critical)": ["digital_signature", "key_encipherment"],
        "extendedKeyUsage": ["clientAuth"],
        "basicConstraints(critical)": "ca=False pathlen=None",
        "authorityKeyIdentifier": "present",
    }}]});
    assert_eq!(user["client-certificate-data"], want);
    let want = json!({"base64": [{"EC PRIVATE KEY": "EC-secp256r1"}]});
    assert_eq!(user["client-key-data"], want);
}

#[test]
fn other_values_are_summarized_without_secrets() {
    let pair = service_account::generate(KeyAlgorithm::EcdsaP256, &mut entropy("sa"));
    let long = "x".repeat(400);
    for (key, text, want) in [
        (
            "sa.pub",
            pair.public_pem.as_str(),
            json!([{"PUBLIC KEY": "EC-secp256r1"}]),
        ),
        (
            "sa.key",
            &pair.key_pem,
            json!([{"EC PRIVATE KEY": "EC-secp256r1"}]),
        ),
        ("DB_PASSWORD", "secret", json!("<6 chars>")),
        ("token", "secret", json!("<6 chars>")),
        ("DB_USER", "jo", json!("jo")),
        ("DB_CONNECTION_STRING", "", json!("")),
        ("binary", "a\0b", json!("<3 bytes>")),
        ("long", &long, json!("<400 bytes>")),
        ("damaged", "kind: [", json!("<7 bytes>")),
        (
            "bad.crt",
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            json!([{"CERTIFICATE": "ERR unreadable"}]),
        ),
    ] {
        assert_eq!(value(key, text.as_bytes()), want, "{key}");
    }
}
