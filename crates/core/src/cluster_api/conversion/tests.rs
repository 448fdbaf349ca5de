use proptest::prelude::*;

use super::*;

const OLD_VERSION: &str = "controlplane.cluster.x-k8s.io/v1alpha1";
const NEW_VERSION: &str = "controlplane.cluster.x-k8s.io/v1alpha2";

fn object(version: &str, status: Value) -> Value {
    json!({
        "apiVersion": version, "kind": "KamajiControlPlane",
        "metadata": {"name": "a", "annotations": {"kept": "yes"}},
        "spec": {
            "version": "v1.33.0", "replicas": 3,
            "controlPlaneEndpoint": {"host": "192.0.2.1", "port": 6443},
            "network": {"gateway": {"name": "g", "sectionName": "s", "port": 443}},
        },
        "status": status,
    })
}

#[test]
fn status_fields_of_the_old_contract_become_the_new_ones() {
    let old = object(
        OLD_VERSION,
        json!({"initialized": true, "ready": true, "version": "v1.33.0", "replicas": 3,
            "updatedReplicas": 2, "unavailableReplicas": 1, "readyReplicas": 2}),
    );
    let new = convert(old, NEW_VERSION).unwrap();
    assert_eq!(
        new["status"],
        json!({"initialization": {"controlPlaneInitialized": true}, "ready": true,
            "version": "v1.33.0", "replicas": 3, "upToDateReplicas": 2, "availableReplicas": 2,
            "readyReplicas": 2})
    );
}

#[test]
fn an_endpoint_with_empty_members_is_removed() {
    let mut old = object(OLD_VERSION, json!({}));
    old["spec"]["controlPlaneEndpoint"] = json!({"host": "", "port": 0});
    let new = convert(old, NEW_VERSION).unwrap();
    assert!(new["spec"].get("controlPlaneEndpoint").is_none());
}

#[test]
fn a_template_without_status_changes_only_its_version() {
    let template = json!({
        "apiVersion": OLD_VERSION, "kind": "KamajiControlPlaneTemplate",
        "metadata": {"name": "t"}, "spec": {"template": {"spec": {"registry": "r"}}},
    });
    let mut wanted = template.clone();
    wanted["apiVersion"] = json!(NEW_VERSION);
    assert_eq!(convert(template, NEW_VERSION).unwrap(), wanted);
}

#[test]
fn an_unknown_version_is_refused_by_name() {
    let why = convert(
        object(NEW_VERSION, json!({})),
        "controlplane.cluster.x-k8s.io/v1",
    );
    let why = why.unwrap_err();
    assert!(
        why.contains("KamajiControlPlane a") && why.contains("v1alpha1"),
        "{why}"
    );
}

proptest! {
    #[test]
    fn conversion_to_the_old_version_and_back_loses_nothing(
        initialized: bool, updated in 0i64..4, available in 0i64..4, observed in 0i64..9,
    ) {
        let mut status = json!({
            "ready": initialized, "version": "v1.33.0", "observedGeneration": observed,
            "upToDateReplicas": updated, "availableReplicas": available,
            "versions": [{"version": "v1.33.0", "replicas": 3}],
        });
        if initialized {
            status["initialization"] = json!({"controlPlaneInitialized": true});
        }
        let new = object(NEW_VERSION, status);
        let old = convert(new.clone(), OLD_VERSION).unwrap();
        prop_assert_eq!(convert(old.clone(), NEW_VERSION).unwrap(), new);
        let again = convert(convert(old.clone(), NEW_VERSION).unwrap(), OLD_VERSION).unwrap();
        prop_assert_eq!(again, old);
    }

    #[test]
    fn fields_of_the_old_version_survive_conversion_to_the_new_one(
        initialized: bool, updated in 0i64..4, unavailable in 0i64..4,
    ) {
        let old = object(OLD_VERSION, json!({
            "initialized": initialized, "updatedReplicas": updated,
            "unavailableReplicas": unavailable, "ready": false, "version": "",
        }));
        let back = convert(convert(old.clone(), NEW_VERSION).unwrap(), OLD_VERSION).unwrap();
        for key in OLD {
            prop_assert_eq!(&back["status"][key], &old["status"][key], "{}", key);
        }
        prop_assert_eq!(&back["spec"], &old["spec"]);
    }
}
