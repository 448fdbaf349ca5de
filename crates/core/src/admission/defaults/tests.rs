use proptest::prelude::*;
use serde_json::{Value, json};

use super::{default, patch};
use crate::{
    admission::fixture::{raw, tenant},
    settings::Settings,
};

fn settings() -> Settings {
    Settings {
        default_data_store: Some("default".to_owned()),
        ..Settings::default()
    }
}

fn defaulted(changes: Value) -> Value {
    serde_json::to_value(default(&tenant(changes), &settings())).expect("JSON")["spec"].take()
}

#[test]
fn a_bare_tenant_gets_store_replicas_ranges_and_dns() {
    let spec = defaulted(json!({}));
    assert_eq!(spec["dataStore"], "default");
    assert_eq!(spec["controlPlane"]["deployment"]["replicas"], 2);
    let network = &spec["networkProfile"];
    assert_eq!(network["serviceCidrs"], json!(["10.96.0.0/16"]));
    assert_eq!(network["podCidrs"], json!(["10.244.0.0/16"]));
    assert_eq!(network["dnsServiceIPs"], json!(["10.96.0.10"]));
    assert!(spec.get("dataStoreSchema").is_none() && spec.get("dataStoreUsername").is_none());
}

#[test]
fn fields_that_are_set_are_kept() {
    let given = json!({
        "dataStore": "pg",
        "controlPlane": {"deployment": {"replicas": 0}},
        "networkProfile": {
            "serviceCidrs": ["fd00:1::/112", "10.1.0.0/16"],
            "podCidrs": ["10.2.0.0/16"],
            "dnsServiceIPs": ["10.1.0.53"],
        },
    });
    let spec = defaulted(given.clone());
    assert_eq!(spec["dataStore"], given["dataStore"]);
    assert_eq!(spec["controlPlane"]["deployment"]["replicas"], 0);
    for field in ["serviceCidrs", "podCidrs", "dnsServiceIPs"] {
        assert_eq!(
            spec["networkProfile"][field],
            given["networkProfile"][field]
        );
    }
}

#[test]
fn each_service_range_gets_a_dns_address_in_the_order_written() {
    let spec =
        defaulted(json!({"networkProfile": {"serviceCidrs": ["fd00:1::/112", "10.1.0.0/16"]}}));
    assert_eq!(
        spec["networkProfile"]["dnsServiceIPs"],
        json!(["fd00:1::10", "10.1.0.10"])
    );
}

#[test]
fn ranges_that_cannot_be_parsed_are_left_to_validation() {
    let spec = defaulted(json!({"networkProfile": {"serviceCidrs": ["nonsense"]}}));
    assert!(spec["networkProfile"].get("dnsServiceIPs").is_none());
}

#[test]
fn without_a_default_the_data_store_stays_unset() {
    let object = default(&tenant(json!({})), &Settings::default());
    assert_eq!(object.spec.data_store, None);
}

#[test]
fn a_patch_keeps_unknown_fields() {
    let mut object = raw(json!({"fromTheFuture": {"a": [1, null]}, "dataStore": ""}));
    object["metadata"]["annotations"] = json!({"note": "mine"});
    let defaulted = default(
        &serde_json::from_value(object.clone()).expect("a tenant"),
        &settings(),
    );
    let patch = patch(&object, &defaulted);
    let mut patched = object.clone();
    json_patch::patch(&mut patched, &patch).expect("the patch applies");
    assert_eq!(
        patched["spec"]["fromTheFuture"],
        object["spec"]["fromTheFuture"]
    );
    assert_eq!(patched["metadata"], object["metadata"]);
    assert_eq!(
        patched["spec"]["kubernetes"], object["spec"]["kubernetes"],
        "no other default"
    );
    assert_eq!(patched["spec"]["dataStore"], "default");
}

#[test]
fn an_object_with_all_defaults_needs_no_patch() {
    let settings = settings();
    let whole = default(&tenant(json!({})), &settings);
    let raw = serde_json::to_value(&whole).expect("JSON");
    assert!(patch(&raw, &default(&whole, &settings)).0.is_empty());
}

fn ranges() -> impl Strategy<Value = Option<Vec<String>>> {
    let one = prop_oneof![
        (any::<u32>(), 8..=32_u8).prop_map(|(a, n)| format!("{}/{n}", std::net::Ipv4Addr::from(a))),
        (any::<u128>(), 64..=128_u8)
            .prop_map(|(a, n)| format!("{}/{n}", std::net::Ipv6Addr::from(a))),
        "[a-z0-9./]{0,8}",
    ];
    proptest::option::of(proptest::collection::vec(one, 0..3))
}

proptest! {
    #[test]
    fn defaulting_twice_is_defaulting_once(
        services in ranges(),
        pods in ranges(),
        store in proptest::option::of("[a-z]{0,3}"),
        replicas in proptest::option::of(0..5_i32),
    ) {
        let mut spec = json!({"networkProfile": {}, "controlPlane": {"deployment": {}}});
        let set = |at: &mut Value, value: Value| if !value.is_null() { *at = value };
        set(&mut spec["networkProfile"]["serviceCidrs"], json!(services));
        set(&mut spec["networkProfile"]["podCidrs"], json!(pods));
        set(&mut spec["controlPlane"]["deployment"]["replicas"], json!(replicas));
        set(&mut spec["dataStore"], json!(store));
        strip(&mut spec);
        let (object, settings) = (raw(spec), settings());
        let typed = serde_json::from_value(object.clone()).expect("a tenant");
        let once = default(&typed, &settings);
        prop_assert_eq!(&once, &default(&once, &settings));
        let mut patched = object.clone();
        json_patch::patch(&mut patched, &patch(&object, &once)).expect("the patch applies");
        let reread = serde_json::from_value(patched).expect("still a tenant");
        prop_assert_eq!(once, reread);
    }
}

/// Indexing by name has left nulls behind.
fn strip(value: &mut Value) {
    if let Value::Object(map) = value {
        map.retain(|_, value| !value.is_null());
        map.values_mut().for_each(strip);
    }
}
