use serde_json::{Value, json};

use super::{PatchError, configuration};
use crate::tenant_cluster::fixture::Fixture;

fn configured(version: &str, patches: &Value) -> Result<Value, PatchError> {
    let kubelet = json!({"cgroupfs": null, "configurationJSONPatches": patches});
    let kubernetes = json!({"version": version, "kubelet": kubelet});
    configuration(&Fixture::with(json!({"spec": {"kubernetes": kubernetes}})).tenant)
}

fn of(version: &str) -> Value {
    configured(version, &json!([])).unwrap()
}

#[test]
fn configuration_has_no_field_that_the_minor_refuses() {
    let table = [
        ("imageMaximumGCAge", 29),
        ("containerLogMaxWorkers", 30),
        ("containerLogMonitorInterval", 30),
        ("podLogsDir", 30),
        ("mergeDefaultEvictionSettings", 34),
        ("crashLoopBackOff", 35),
        ("failCgroupV1", 35),
        ("imagePullCredentialsVerificationPolicy", 35),
        ("memoryReservationPolicy", 36),
    ];
    for minor in 28..=36 {
        let value = of(&format!("v1.{minor}.0"));
        for (field, since) in table {
            assert_eq!(
                value.get(field).is_some(),
                minor >= since,
                "{field} of 1.{minor}"
            );
        }
        assert_eq!(value["kind"], "KubeletConfiguration");
    }
}

#[test]
fn configuration_has_the_cluster_domain_and_dns_addresses() {
    let value = configuration(
        &Fixture::with(json!({"spec": {"networkProfile": {
            "clusterDomain": "example.internal",
            "dnsServiceIPs": ["10.112.0.53"],
        }}}))
        .tenant,
    )
    .unwrap();
    assert_eq!(value["clusterDNS"], json!(["10.112.0.53"]));
    assert_eq!(value["clusterDomain"], "example.internal");
    assert_eq!(value["cgroupDriver"], "cgroupfs");
    assert_eq!(
        value["authentication"]["x509"]["clientCAFile"],
        "/etc/kubernetes/pki/ca.crt"
    );
    assert!(value.get("resolvConf").is_none());
}

#[test]
fn cgroup_driver_is_unset_unless_the_spec_sets_it() {
    assert!(of("v1.36.3").get("cgroupDriver").is_none());
}

#[test]
fn patches_apply_in_order() {
    let value = configured(
        "v1.36.3",
        &json!([
            {"op": "add", "path": "/featureGates", "value": {"A": true}},
            {"op": "replace", "path": "/maxPods", "value": 50},
            {"op": "test", "path": "/maxPods", "value": 50},
            {"op": "copy", "from": "/maxPods", "path": "/podPidsLimit"},
            {"op": "remove", "path": "/featureGates/A"},
            {"op": "add", "path": "/enforceNodeAllocatable/-", "value": "kube-reserved"},
        ]),
    )
    .unwrap();
    assert_eq!(value["featureGates"], json!({}));
    assert_eq!(value["podPidsLimit"], 50);
    assert_eq!(
        value["enforceNodeAllocatable"],
        json!(["pods", "kube-reserved"])
    );
}

#[test]
fn patches_apply_before_and_after_an_upgrade() {
    let patches = json!([
        {"op": "remove", "path": "/crashLoopBackOff"},
        {"op": "replace", "path": "/failCgroupV1", "value": false},
    ]);
    for version in ["v1.32.0", "v1.34.7", "v1.35.0", "v1.36.3"] {
        let value = configured(version, &patches).unwrap();
        assert!(value.get("crashLoopBackOff").is_none());
        assert_eq!(value["failCgroupV1"], false, "what a patch sets is kept");
    }
}

#[test]
fn disabled_feature_gate_removes_its_field() {
    let gates = json!([{"op": "add", "path": "/featureGates", "value": {
        "KubeletCrashLoopBackOffMax": false,
        "KubeletEnsureSecretPulledImages": false,
    }}]);
    let value = configured("v1.36.3", &gates).unwrap();
    assert!(value.get("crashLoopBackOff").is_none());
    assert!(
        value
            .get("imagePullCredentialsVerificationPolicy")
            .is_none()
    );
    assert_eq!(value["featureGates"]["KubeletCrashLoopBackOffMax"], false);
}

#[test]
fn failing_patch_is_named() {
    let rows = [
        (
            json!({"op": "replace", "path": "/nothing", "value": 1}),
            "(replace /nothing)",
        ),
        (
            json!({"op": "test", "path": "/maxPods", "value": 1}),
            "(test /maxPods)",
        ),
        (json!({"op": "move", "path": "/a"}), "(move /a)"),
        (
            json!({"op": "replace", "path": "", "value": 1}),
            "is not an object",
        ),
        (
            json!({"op": "add", "path": "maxPods", "value": 1}),
            "(add maxPods)",
        ),
    ];
    for (patch, words) in rows {
        let fine = json!({"op": "replace", "path": "/maxPods", "value": 50});
        let error = configured("v1.36.3", &json!([fine, patch]))
            .unwrap_err()
            .to_string();
        assert!(error.contains("configurationJSONPatches[1]"), "{error}");
        assert!(error.contains(words), "{error}");
        assert!(error.ends_with("correct or remove it"), "{error}");
    }
}

#[test]
fn copies_of_the_configuration_into_itself_are_refused() {
    let copies: Value = (0..20)
        .map(|n| json!({"op": "copy", "from": "", "path": format!("/x{n}")}))
        .collect();
    let error = configured("v1.36.3", &copies).unwrap_err().to_string();
    assert!(error.contains("the copies add up to"), "{error}");
}
