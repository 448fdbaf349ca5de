use kamaji_api::labels;
use serde_json::{Value, json};

use super::*;
use crate::{
    checksum,
    endpoint::HostPort,
    pki::key::KeyAlgorithm,
    render::fixture::{Fixture, store},
};

fn cluster(fixture: &Fixture) -> Value {
    let data = config_map(&fixture.facts()).data.expect("data");
    serde_json::from_str(&data["ClusterConfiguration"]).expect("JSON")
}

#[test]
fn both_documents_are_one_line_of_json_with_a_checksum() {
    let fixture = Fixture::with(json!({}));
    let config = config_map(&fixture.facts());
    let data = config.data.expect("data");
    for text in data.values() {
        assert_eq!(text.find('\n'), Some(text.len() - 1));
        serde_json::from_str::<Value>(text).expect("JSON");
    }
    let stamped = &config.metadata.annotations.expect("annotations")[labels::CHECKSUM];
    assert_eq!(*stamped, checksum::map(&data));
}

#[test]
fn the_documents_are_the_golden_ones() {
    let mut fixture = Fixture::with(json!({"networkProfile": {"certSANs": ["demo.example.com"]}}));
    fixture.settings.key_algorithm = KeyAlgorithm::Rsa2048;
    let data = config_map(&fixture.facts()).data.expect("data");
    insta::assert_snapshot!(data["InitConfiguration"].trim_end());
    insta::assert_snapshot!(data["ClusterConfiguration"].trim_end());
}

#[test]
fn certificate_names_come_in_upstreams_order() {
    let mut fixture = Fixture::with(json!({"networkProfile": {
        "certSANs": ["demo.example.com", "10.9.9.9"],
        "clusterDomain": "tenant.example",
    }}));
    let expected = [
        "127.0.0.1",
        "localhost",
        "demo",
        "demo.apps.svc",
        "demo.apps.svc.cluster.local",
        "192.0.2.10",
        "demo.example.com",
        "10.9.9.9",
    ];
    assert_eq!(cert_sans(&fixture.tenant, &fixture.endpoint), expected);
    fixture.endpoint.advertised = [198, 51, 100, 7].into();
    let sans = cert_sans(&fixture.tenant, &fixture.endpoint);
    assert_eq!(sans.last().map(String::as_str), Some("198.51.100.7"));
}

#[test]
fn the_advertised_name_is_the_control_planes_and_the_assigned_address_the_local_one() {
    let mut fixture = Fixture::with(json!({}));
    fixture.endpoint.published = HostPort {
        host: "api.example.com".to_owned(),
        port: 443,
    };
    fixture.endpoint.assigned = "2001:db8::10".parse().expect("an address");
    assert_eq!(
        cluster(&fixture)["ControlPlaneEndpoint"],
        "api.example.com:443"
    );
    let data = config_map(&fixture.facts()).data.expect("data");
    let init: Value = serde_json::from_str(&data["InitConfiguration"]).expect("JSON");
    assert_eq!(
        init["LocalAPIEndpoint"],
        json!({"AdvertiseAddress": "2001:db8::10", "BindPort": 6443})
    );
}

#[test]
fn databases_other_than_etcd_have_a_placeholder() {
    let fixture = Fixture::with(json!({}));
    let endpoints = |fixture: &Fixture| cluster(fixture)["Etcd"]["External"]["Endpoints"].clone();
    assert_eq!(
        endpoints(&fixture),
        json!(["10.0.0.5:2379", "10.0.0.6:2379"])
    );
    let fixture = fixture.on(store("pg", Driver::PostgreSql, &["db:5432"]));
    assert_eq!(endpoints(&fixture), json!(["127.0.0.1:2379"]));
}

#[test]
fn the_algorithm_is_named_as_kubeadm_does() {
    let mut fixture = Fixture::with(json!({}));
    for (algorithm, name) in [
        (KeyAlgorithm::Rsa2048, "RSA-2048"),
        (KeyAlgorithm::EcdsaP256, "ECDSA-P256"),
    ] {
        fixture.settings.key_algorithm = algorithm;
        assert_eq!(cluster(&fixture)["EncryptionAlgorithm"], name);
    }
}
