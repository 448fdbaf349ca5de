use serde_json::json;

use super::fixture::{create, evaluate, raw, tenant, update};

#[test]
fn the_smallest_tenant_passes_without_a_warning() {
    assert_eq!(create(json!({})), Ok(Vec::new()));
}

#[test]
fn every_refusal_is_returned_at_once() {
    let refusals = create(json!({
        "dataStore": "nowhere",
        "kubernetes": {"version": "1.99.0"},
        "networkProfile": {
            "port": 0,
            "address": "home",
            "serviceCidrs": ["10.96.0.0/16"],
            "podCidrs": ["10.96.0.0/12"],
            "certSANs": ["https://x", "also/bad"],
        },
        "controlPlane": {"ingress": {}},
    }))
    .expect_err("much is wrong");
    for words in [
        "\"nowhere\"",
        "newer than",
        "networkProfile.port",
        "\"home\"",
        "overlaps",
        "https://x",
        "also/bad",
        "ingress.hostname",
    ] {
        assert!(
            refusals.iter().any(|text| text.contains(words)),
            "{words}: {refusals:#?}"
        );
    }
}

#[test]
fn an_update_that_leaves_the_spec_alone_is_never_refused() {
    let broken = json!({"dataStore": "nowhere", "kubernetes": {"version": "?"}});
    assert_eq!(update(broken.clone(), broken), Ok(Vec::new()));
}

#[test]
fn a_tenant_that_is_being_deleted_is_never_refused() {
    let mut object = tenant(json!({"dataStore": "nowhere"}));
    object.metadata.deletion_timestamp = serde_json::from_value(json!("2026-01-01T00:00:00Z")).ok();
    assert_eq!(evaluate(&object, Some(&tenant(json!({})))), Ok(Vec::new()));
}

#[test]
fn an_old_mistake_allows_another_change_with_a_warning() {
    let old = json!({"dataStore": "nowhere"});
    let new = json!({"dataStore": "nowhere", "controlPlane": {"deployment": {"replicas": 3}}});
    let warnings = update(old.clone(), new).expect("it may scale");
    assert!(
        warnings[0].starts_with("was so before: spec.dataStore"),
        "{warnings:?}"
    );
    update(old.clone(), json!({"dataStore": "elsewhere"})).expect_err("a new mistake");
    assert_eq!(
        update(old, json!({"dataStore": "default"})),
        Ok(Vec::new()),
        "mended"
    );
}

#[test]
fn bad_new_dns_addresses_are_refused_and_bad_old_ones_can_be_corrected() {
    let good = json!({"networkProfile": {"dnsServiceIPs": ["10.96.0.10"]}});
    let bad = json!({"networkProfile": {"dnsServiceIPs": ["10.1.0.10"]}});
    let refusals = update(good.clone(), bad.clone()).expect_err("outside");
    assert!(refusals[0].contains("10.1.0.10"), "{refusals:?}");
    assert_eq!(update(bad, good), Ok(Vec::new()));
}

#[test]
fn ignored_flags_give_a_warning() {
    let args = json!({"controlPlane": {"deployment": {"extraArgs": {"apiServer": ["nonsense"]}}}});
    let warnings = create(args).expect("accepted");
    assert!(warnings[0].contains("not a flag"), "{warnings:?}");
}

#[test]
fn a_tenant_with_a_generated_name_passes() {
    let mut object = raw(json!({}));
    object["metadata"] = json!({"generateName": "demo-", "namespace": "apps"});
    let object = serde_json::from_value(object).expect("a tenant");
    assert_eq!(evaluate(&object, None), Ok(Vec::new()));
}
