use serde_json::{Value, json};

use super::*;
use crate::plan::fixture::tenant;

/// Problems of a tenant with this network, version and flags.
fn problems_of(network: &Value, rest: Value) -> Vec<String> {
    let mut spec =
        json!({"networkProfile": {"address": null, "serviceCidr": null, "podCidr": null}});
    json_patch::merge(&mut spec, &json!({"networkProfile": network}));
    json_patch::merge(&mut spec, &rest);
    let tenant = Tenant::parse(&tenant(json!({"spec": spec}))).unwrap();
    problems(&tenant)
        .into_iter()
        .map(|found| format!("{} {}", found.field, found.problem))
        .collect()
}

fn services(ranges: Value) -> Value {
    json!({"serviceCidrs": ranges})
}

fn pods(range: &str) -> Value {
    json!({"serviceCidrs": ["10.96.0.0/16"], "podCidrs": [range]})
}

fn version(text: &str) -> Value {
    json!({"kubernetes": {"version": text}})
}

fn manager(flags: Value) -> Value {
    json!({"controlPlane": {"deployment": {"extraArgs": {"controllerManager": flags}}}})
}

fn refused(found: &[String], words: &[&str]) {
    assert_eq!(found.len(), 1, "{found:?}");
    for word in words {
        assert!(found[0].contains(word), "{word} in {found:?}");
    }
}

#[test]
fn the_first_service_range_is_of_the_announced_family() {
    for (network, words) in [
        (
            json!({"serviceCidrs": ["fd00::/112", "10.96.0.0/16"], "address": "192.0.2.1"}),
            [
                "serviceCidrs",
                "spec.networkProfile.address",
                "IPv4 range first",
            ],
        ),
        (
            json!({"serviceCidrs": ["10.96.0.0/16"], "address": "192.0.2.1", "advertiseAddress": "2001:db8::1"}),
            [
                "serviceCidrs",
                "spec.networkProfile.advertiseAddress",
                "IPv6 range first",
            ],
        ),
    ] {
        refused(&problems_of(&network, json!({})), &words);
    }
    for valid in [
        json!({"serviceCidrs": ["fd00::/112", "10.96.0.0/16"], "address": "2001:db8::1"}),
        json!({"serviceCidrs": ["10.96.0.0/16"], "address": "2001:db8::1", "advertiseAddress": "192.0.2.1"}),
        json!({"serviceCidrs": ["10.96.0.0/16"], "address": "::ffff:192.0.2.1"}),
        // Not known before the Service has an address.
        services(json!(["fd00::/112"])),
    ] {
        assert_eq!(
            problems_of(&valid, json!({})),
            Vec::<String>::new(),
            "{valid}"
        );
    }
}

#[test]
fn a_pod_range_holds_at_least_one_node_and_not_too_many() {
    refused(
        &problems_of(&pods("10.244.0.0/25"), json!({})),
        &["podCidrs", "/24", "--node-cidr-mask-size-ipv4"],
    );
    refused(
        &problems_of(&pods("fd00:1::/65"), json!({})),
        &["podCidrs", "/64"],
    );
    refused(
        &problems_of(&pods("fd00:1::/40"), json!({})),
        &["podCidrs", "/48 or smaller"],
    );
    for valid in ["10.244.0.0/24", "172.0.0.0/9", "fd00:1::/64", "fd00:1::/48"] {
        assert_eq!(
            problems_of(&pods(valid), json!({})),
            Vec::<String>::new(),
            "{valid}"
        );
    }
}

#[test]
fn the_users_flags_decide_how_large_a_node_is() {
    let small = pods("10.244.0.0/25");
    for flags in [
        json!(["--node-cidr-mask-size=26"]),
        json!(["--node-cidr-mask-size-ipv4=26"]),
        json!(["--allocate-node-cidrs=false"]),
        json!(["--cidr-allocator-type=CloudAllocator"]),
        json!(["--node-cidr-mask-size-ipv4=many"]),
    ] {
        assert_eq!(
            problems_of(&small, manager(flags.clone())),
            Vec::<String>::new(),
            "{flags}"
        );
    }
    let larger = manager(json!(["--node-cidr-mask-size-ipv4=22"]));
    refused(&problems_of(&pods("10.244.0.0/24"), larger), &["/22"]);
    let six = manager(json!(["--node-cidr-mask-size=56"]));
    assert_eq!(problems_of(&pods("fd00:1::/40"), six), Vec::<String>::new());
}

#[test]
fn a_large_service_range_needs_kubernetes_1_34() {
    let (four, six) = (
        services(json!(["10.0.0.0/9"])),
        services(json!(["fd00:96::/64"])),
    );
    refused(
        &problems_of(&four, version("v1.32.8")),
        &["serviceCidrs", "/12 or smaller", "v1.34"],
    );
    refused(
        &problems_of(&six, version("v1.33.4")),
        &["serviceCidrs", "/108 or smaller"],
    );
    for network in [&four, &six] {
        assert_eq!(
            problems_of(network, version("v1.34.0")),
            Vec::<String>::new()
        );
    }
    for valid in ["10.0.0.0/12", "fd00:96::/108"] {
        assert_eq!(
            problems_of(&services(json!([valid])), version("v1.33.4")),
            Vec::<String>::new()
        );
    }
}

#[test]
fn the_dns_address_is_free() {
    let dns = |ranges: Value, address: &str| {
        problems_of(
            &json!({"serviceCidrs": ranges, "dnsServiceIPs": [address]}),
            json!({}),
        )
    };
    let both = || json!(["10.95.0.0/24", "fd00:95::/112"]);
    refused(
        &dns(both(), "10.95.0.1"),
        &["dnsServiceIPs", "10.95.0.1", "Service kubernetes"],
    );
    for end in ["10.95.0.0", "10.95.0.255", "fd00:95::"] {
        refused(
            &dns(both(), end),
            &["dnsServiceIPs", end, "end of its range"],
        );
    }
    for valid in ["10.95.0.2", "10.95.0.10", "fd00:95::1", "fd00:95::ffff"] {
        assert_eq!(dns(both(), valid), Vec::<String>::new(), "{valid}");
    }
    refused(
        &dns(json!(["fd00:95::/112"]), "fd00:95::1"),
        &["Service kubernetes"],
    );
}
