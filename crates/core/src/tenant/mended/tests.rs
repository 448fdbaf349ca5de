use serde_json::{Value, json};

use super::*;
use crate::plan::fixture;

fn mended(changes: Value) -> Mended {
    let object = fixture::tenant(changes);
    let problem = Tenant::parse(&object).unwrap_err();
    Mended::of(&object, problem).unwrap()
}

fn profile(profile: &Value) -> Value {
    json!({"spec": {"networkProfile": profile}})
}

#[test]
fn mistakes_outside_of_certificates_are_left_out_and_addresses_stay_known() {
    let name = "a".repeat(300);
    for wrong in [
        json!({"podCidr": "no range"}),
        json!({"podCidrs": ["10.112.0.0/24"]}),
        json!({"dnsServiceIPs": ["no address"]}),
        json!({"dnsServiceIPs": ["192.0.2.1"]}),
        json!({"serviceCidr": "10.112.0.0/30"}),
        json!({"certSANs": ["https://a.example.com", name, "good.example.com"]}),
        json!({"certSANs": ["a b"], "podCidr": "x", "dnsServiceIPs": ["192.0.2.1"]}),
    ] {
        let mended = mended(profile(&wrong));
        assert!(mended.addressed, "{wrong}");
        assert_eq!(
            mended.tenant.network.address,
            Some("172.30.0.60".parse().unwrap())
        );
    }
    let sans = mended(profile(&json!({"certSANs": ["a b", "good.example.com"]})));
    assert_eq!(sans.tenant.network.cert_sans, ["good.example.com"]);
}

#[test]
fn mistakes_in_fields_of_certificates_make_addresses_unknown() {
    for wrong in [
        json!({"address": "no address"}),
        json!({"advertiseAddress": "no address"}),
        json!({"serviceCidr": "no range"}),
        json!({"serviceCidr": ""}),
        json!({"port": 0}),
        json!({"podCidr": null, "serviceCidrs": ["10.112.0.0/16", "10.112.0.0/20"]}),
    ] {
        assert!(!mended(profile(&wrong)).addressed, "{wrong}");
    }
}

#[test]
fn an_invalid_version_is_replaced_by_the_installed_one() {
    let status = json!({"kubernetesResources": {"version": {"version": "v1.35.1"}}});
    let mended = mended(json!({"spec": {"kubernetes": {"version": "latest"}}, "status": status}));
    assert_eq!(mended.tenant.version.text, "v1.35.1");
    assert!(mended.problem.to_string().contains("latest"));
}

#[test]
fn an_invalid_name_cannot_be_mended() {
    let object = fixture::tenant(json!({"metadata": {"name": "Not.A.Label"}}));
    let problem = Tenant::parse(&object).unwrap_err();
    assert!(Mended::of(&object, problem).is_err());
}
