use kamaji_api::datastore::Driver;
use serde_json::{Value, json};

use super::*;
use crate::plan::fixture::tenant;

fn parse(changes: Value) -> Result<Tenant, ParseError> {
    Tenant::parse(&tenant(changes))
}

fn refusal(profile: Value) -> String {
    parse(json!({"spec": {"networkProfile": profile}}))
        .unwrap_err()
        .to_string()
}

#[test]
fn each_mistake_is_refused_with_its_field_and_a_remedy() {
    for (profile, field, hint) in [
        (
            json!({"address": "nowhere"}),
            "networkProfile.address",
            "IP address",
        ),
        (
            json!({"advertiseAddress": "::g"}),
            "advertiseAddress",
            "IP address",
        ),
        (
            json!({"serviceCidrs": ["10.0.0.0/33"]}),
            "serviceCidrs",
            "CIDR",
        ),
        (
            json!({"podCidr": "10.112.0.0/20"}),
            "overlaps",
            "do not overlap",
        ),
        (
            json!({"dnsServiceIPs": ["10.1.2.3"]}),
            "10.1.2.3",
            "choose an address within them",
        ),
        (json!({"serviceCidr": "10.112.0.0/30"}), "too small", "/28"),
        (json!({"port": 70000}), "70000", "65535"),
        (json!({"certSANs": ["https://a"]}), "https://a", "no scheme"),
    ] {
        let text = refusal(profile);
        assert!(text.contains(field) && text.contains(hint), "{text}");
    }
}

#[test]
fn versions_are_read_with_and_without_v_and_kept_as_written() {
    let version = |text| Version::parse(text);
    assert_eq!(version("1.36.3").unwrap().text, "1.36.3");
    assert_eq!(version("v1.36.3").unwrap().minor(), 36);
    for wrong in ["v1.36", "latest", "", "vv1.36.3"] {
        assert!(
            version(wrong).unwrap_err().to_string().contains("v1.36.3"),
            "{wrong}"
        );
    }
}

#[test]
fn names_over_the_limit_are_refused() {
    for name in [
        "a".repeat(64),
        "1a".to_owned(),
        "A".to_owned(),
        "a-".to_owned(),
    ] {
        assert!(
            parse(json!({"metadata": {"name": name}})).is_err(),
            "{name}"
        );
    }
    assert!(parse(json!({"metadata": {"name": "a".repeat(63)}})).is_ok());
}

#[test]
fn ranges_keep_the_order_of_the_spec() {
    let profile = json!({"serviceCidrs": ["2001:db8:1::/112", "10.96.0.0/16"]});
    let network = parse(json!({"spec": {"networkProfile": profile}}))
        .unwrap()
        .network;
    assert_eq!(network.service_subnet(), "2001:db8:1::/112,10.96.0.0/16");
    let dns: Vec<_> = network
        .dns_service_ips
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(dns, ["2001:db8:1::10", "10.96.0.10"]);
}

#[test]
fn the_recorded_datastore_setup_wins_over_spec_and_uid() {
    let given = json!({"spec": {"dataStoreSchema": "s", "dataStoreUsername": "u"}});
    assert_eq!(
        parse(json!({})).unwrap().schema(),
        "11111111-2222-3333-4444-555555555555"
    );
    assert_eq!(parse(given.clone()).unwrap().schema(), "s");
    let mut set_up = given;
    set_up["status"] = json!({"storage": {"setup": {"schema": "old", "user": "old-user"}}});
    let tenant = parse(set_up).unwrap();
    assert_eq!(
        (tenant.schema(), &*tenant.data_store_user(Driver::Etcd)),
        ("old", "old-user")
    );
}
