use serde_json::{Value, json};

use crate::admission::fixture::{all_refused, update};

fn network(profile: Value) -> Value {
    json!({"networkProfile": profile})
}

#[test]
fn ranges_that_kubernetes_would_not_run_with_are_refused() {
    all_refused([
        (
            network(json!({"serviceCidrs": ["fd00::/112"], "address": "192.0.2.1"})),
            "spec.networkProfile.serviceCidrs begins with fd00::/112",
        ),
        (
            network(json!({"podCidrs": ["10.244.0.0/25"]})),
            "spec.networkProfile.podCidrs has 10.244.0.0/25",
        ),
        (
            network(json!({"dnsServiceIPs": ["10.96.0.1"]})),
            "spec.networkProfile.dnsServiceIPs has 10.96.0.1",
        ),
    ]);
}

#[test]
fn a_stored_tenant_with_such_ranges_may_change_other_fields() {
    let small = network(json!({"podCidrs": ["10.244.0.0/25"]}));
    let mut scaled = small.clone();
    scaled["controlPlane"] = json!({"deployment": {"replicas": 3}});
    let warnings = update(small, scaled).unwrap();
    assert!(
        warnings.iter().any(|text| text.contains("was so before")),
        "{warnings:?}"
    );
}
