#![expect(
    clippy::needless_pass_by_value,
    reason = "json! makes values, not references"
)]

use serde_json::{Value, json};

use crate::{
    admission::fixture::{all_pass, all_refused, evaluate, tenant, update},
    tenant::SAN_CHECKS,
};

fn network(profile: Value) -> Value {
    json!({ "networkProfile": profile })
}

#[test]
fn valid_addresses_and_ranges_pass() {
    all_pass([
        network(json!({"address": "2001:db8::10", "advertiseAddress": "192.0.2.10"})),
        network(json!({"address": ""})),
        network(json!({"certSANs": ["demo.example.com", "*.example.com", "192.0.2.1", "::1"]})),
        network(
            json!({"serviceCidrs": ["10.96.0.0/16", "fd00::/112"], "podCidrs": ["10.244.0.0/16"]}),
        ),
        network(json!({"dnsServiceIPs": ["10.96.0.10", "10.96.255.1"]})),
        network(json!({"serviceCidrs": ["10.96.0.0/30"], "dnsServiceIPs": ["10.96.0.2"]})),
        network(json!({"port": 65535})),
    ]);
}

#[test]
fn invalid_addresses_and_ranges_are_refused() {
    all_refused([
        (
            network(json!({"address": "demo.example.com"})),
            "spec.networkProfile.address",
        ),
        (
            network(json!({"advertiseAddress": "1.2.3"})),
            "spec.networkProfile.advertiseAddress",
        ),
        (network(json!({"certSANs": ["https://demo"]})), "certSANs"),
        (network(json!({"certSANs": ["a.*.b"]})), "certSANs"),
        (network(json!({"certSANs": ["demo:6443"]})), "certSANs"),
        (
            network(json!({"serviceCidrs": ["10.96.0.0"]})),
            "serviceCidrs",
        ),
        (network(json!({"podCidrs": ["10.244.0.0/33"]})), "podCidrs"),
        (network(json!({"serviceCidr": ""})), "serviceCidrs is empty"),
        (
            network(json!({"serviceCidrs": ["10.0.0.0/8"], "podCidrs": ["10.244.0.0/16"]})),
            "overlaps",
        ),
        (
            network(json!({"podCidrs": ["10.244.0.0/16", "10.244.0.0/24"]})),
            "overlaps",
        ),
        (
            network(json!({"dnsServiceIPs": ["10.97.0.10"]})),
            "10.97.0.10",
        ),
        (network(json!({"dnsServiceIPs": ["dns"]})), "dnsServiceIPs"),
        (
            network(json!({"serviceCidrs": ["10.96.0.0/30"]})),
            "too small",
        ),
        (network(json!({"port": 0})), "spec.networkProfile.port"),
        (network(json!({"port": 65536})), "spec.networkProfile.port"),
    ]);
}

#[test]
fn names_must_be_labels_that_begin_with_a_letter() {
    let named = |name: &str| {
        let mut object = tenant(json!({}));
        object.metadata.name = Some(name.to_owned());
        evaluate(&object, None)
    };
    for name in ["a", "demo-1", &"a".repeat(63)] {
        assert_eq!(named(name), Ok(Vec::new()), "{name}");
    }
    for name in ["1demo", "demo.one", "Demo", "demo-", "", &"a".repeat(64)] {
        assert!(named(name).expect_err(name)[0].contains("metadata.name"));
    }
}

#[test]
fn the_deprecated_range_beside_a_list_gives_a_warning() {
    let old = network(json!({"serviceCidrs": ["10.96.0.0/16"]}));
    let new = network(json!({"serviceCidrs": ["10.96.0.0/16"], "serviceCidr": "10.1.0.0/16"}));
    let warnings = update(old, new).expect("accepted");
    assert!(
        warnings[0].contains("serviceCidr is ignored"),
        "{warnings:?}"
    );
}

#[test]
fn each_name_of_a_long_list_is_checked_twice_at_most() {
    let sans: Vec<String> = (0..1_000)
        .flat_map(|n| [format!("san-{n}.example.com"), format!("no san {n}")])
        .collect();
    let object = tenant(json!({"networkProfile": {"certSANs": sans, "port": 0}}));
    let before = SAN_CHECKS.get();
    let refusals = evaluate(&object, None).expect_err("names with blanks");
    assert_eq!(refusals.len(), 1_001);
    // A million and more if the list were checked again for each name that is refused.
    let checks = SAN_CHECKS.get() - before;
    assert!(checks <= 2 * sans.len(), "{checks} checks");
}

#[test]
fn more_ranges_and_addresses_than_any_cluster_has_are_refused() {
    let many: Vec<String> = (0..17).map(|n| format!("10.{n}.0.0/16")).collect();
    let addresses: Vec<String> = (0..17).map(|n| format!("10.96.0.{n}")).collect();
    all_refused([
        (network(json!({"podCidrs": many})), "podCidrs has 17 items"),
        (
            network(json!({"serviceCidrs": many})),
            "serviceCidrs has 17 items",
        ),
        (
            network(json!({"dnsServiceIPs": addresses})),
            "dnsServiceIPs has 17 items",
        ),
    ]);
}
