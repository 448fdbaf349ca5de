//! Defaults: the operator reads an object alike before and after the API server has filled it in.

use serde::{Serialize, de::DeserializeOwned};

use super::*;
use crate::{
    control_plane::{KamajiControlPlaneSpec, KamajiControlPlaneTemplateSpec},
    kubeconfig::KubeconfigGeneratorSpec,
    tenant::TenantControlPlaneSpec,
};

/// Fills in the defaults of a structural schema, as an API server does.
fn fill(object: &mut Value, schema: &Value) {
    match object {
        Value::Object(map) => {
            for (name, child) in schema["properties"].as_object().into_iter().flatten() {
                if let Some(default) = child.get("default") {
                    map.entry(name).or_insert_with(|| default.clone());
                }
                if let Some(value) = map.get_mut(name) {
                    fill(value, child);
                }
            }
        }
        Value::Array(items) => {
            for item in items {
                fill(item, &schema["items"]);
            }
        }
        _ => {}
    }
}

/// Fails with the first path of `part` that `whole` lacks.
fn assert_within(part: &Value, whole: &Value, path: &str) {
    match (part, whole) {
        (Value::Object(part), Value::Object(whole)) => {
            for (name, value) in part {
                let other = whole.get(name).unwrap_or(&Value::Null);
                assert_within(value, other, &format!("{path}.{name}"));
            }
        }
        _ => assert_eq!(part, whole, "{path}"),
    }
}

fn assert_same<Spec: Serialize + DeserializeOwned>(crd: &str, spec: Value) {
    let (_, definition) = definitions()
        .iter()
        .find(|(name, _)| name == crd)
        .expect("the definition is there");
    let mut filled = spec.clone();
    fill(&mut filled, &schema(definition)["properties"]["spec"]);
    let read = |value: Value| -> Value {
        let spec: Spec = serde_json::from_value(value).unwrap();
        serde_json::to_value(spec).unwrap()
    };
    let ours = read(filled.clone());
    assert_within(&filled, &ours, crd);
    assert_eq!(read(spec), ours, "{crd}");
    assert_eq!(read(ours.clone()), ours, "{crd}");
}

#[test]
fn a_tenant_reads_alike_before_and_after_defaulting() {
    assert_same::<TenantControlPlaneSpec>(
        "tenantcontrolplanes.kamaji.clastix.io",
        json!({
            "controlPlane": {
                "deployment": {},
                "gateway": {"hostname": "a.example", "parentRefs": [{"name": "gw"}]},
                "service": {
                    "serviceType": "ClusterIP",
                    "additionalPorts": [{"name": "x", "port": 1, "targetPort": "named"}],
                },
            },
            "kubernetes": {"version": "v1.33.0", "kubelet": {}},
            "networkProfile": {},
            "addons": {"konnectivity": {}, "coreDNS": {}},
            "writePermissions": {},
        }),
    );
}

#[test]
fn every_field_of_a_tenant_survives() {
    assert_same::<TenantControlPlaneSpec>(
        "tenantcontrolplanes.kamaji.clastix.io",
        json!({
            "dataStore": "default",
            "dataStoreSchema": "s",
            "dataStoreUsername": "u",
            "dataStoreOverrides": [{"resource": "/events", "dataStore": "other"}],
            "controlPlane": {
                "deployment": {
                    "replicas": 0,
                    "strategy": {"type": "Recreate"},
                    "extraArgs": {"apiServer": ["--v=2"], "kine": ["--debug"]},
                    "resources": {"apiServer": {"limits": {"cpu": "1", "memory": "1Gi"}}},
                    "probes": {"liveness": {"periodSeconds": 3}},
                    "nodeSelector": {"a": "b"},
                    "podAdditionalMetadata": {"labels": {"a": "b"}},
                    "additionalContainers": [{"name": "x", "image": "i"}],
                    "registrySettings": {"registry": "r.example", "tagSuffix": "-x"},
                },
                "ingress": {"hostname": "a.example:443", "ingressClassName": "c"},
                "service": {"serviceType": "NodePort", "allocateLoadBalancerNodePorts": false},
            },
            "kubernetes": {
                "version": "v1.33.0",
                "admissionControllers": [],
                "kubelet": {
                    "cgroupfs": "cgroupfs",
                    "preferredAddressTypes": ["InternalDNS"],
                    "configurationJSONPatches": [
                        {"op": "add", "path": "/x", "value": {"free": [1, "a"]}},
                        {"op": "move", "path": "/x", "from": "/y"},
                    ],
                },
            },
            "networkProfile": {
                "address": "192.0.2.1",
                "advertiseAddress": "192.0.2.2",
                "allowAddressAsExternalIP": true,
                "certSANs": ["x"],
                "clusterDomain": "a.b",
                "dnsServiceIPs": ["10.1.0.10"],
                "loadBalancerClass": "c",
                "loadBalancerSourceRanges": ["192.0.2.0/24"],
                "podCidrs": ["10.2.0.0/16"],
                "port": 443,
                "serviceCidrs": ["10.1.0.0/16"],
            },
            "addons": {
                "konnectivity": {
                    "agent": {"mode": "Deployment", "replicas": 3, "tolerations": []},
                    "server": {"port": 1, "version": "v1"},
                },
                "kubeProxy": {"imageRepository": "r", "imageTag": "t"},
            },
            "writePermissions": {"blockCreation": true},
        }),
    );
}

#[test]
fn a_control_plane_reads_alike_before_and_after_defaulting() {
    let mut spec = json!({
        "addons": {"konnectivity": {}},
        "network": {"additionalServicePorts": [{"name": "x", "port": 1, "targetPort": 2}]},
        "deployment": {"extraVolumes": [{"name": "v", "emptyDir": {"sizeLimit": "1Gi"}}]},
    });
    assert_same::<KamajiControlPlaneTemplateSpec>(
        "kamajicontrolplanetemplates.controlplane.cluster.x-k8s.io",
        json!({"template": {"metadata": {"labels": {"a": "b"}}, "spec": spec.clone()}}),
    );
    spec["version"] = json!("v1.33.0");
    spec["controlPlaneEndpoint"] = json!({"host": "a", "port": 6443});
    assert_same::<KamajiControlPlaneSpec>(
        "kamajicontrolplanes.controlplane.cluster.x-k8s.io",
        spec,
    );
}

#[test]
fn the_default_of_the_types_is_that_of_an_empty_object() {
    let template: KamajiControlPlaneTemplateSpec =
        serde_json::from_value(json!({"template": {"spec": {}}})).unwrap();
    assert_eq!(template, KamajiControlPlaneTemplateSpec::default());
}

#[test]
fn a_generator_reads_alike_before_and_after_defaulting() {
    assert_same::<KubeconfigGeneratorSpec>(
        "kubeconfiggenerators.kamaji.clastix.io",
        json!({
            "user": {"stringValue": "a"},
            "groups": [{"fromDefinition": "metadata.name"}],
            "namespaceSelector": {"matchLabels": {"a": "b"}},
        }),
    );
}

#[test]
fn every_field_of_a_data_store_survives() {
    let content = json!({"content": "YQ=="});
    let secret = json!({"secretReference": {"name": "s", "namespace": "n", "keyPath": "k"}});
    assert_same::<crate::datastore::DataStoreSpec>(
        "datastores.kamaji.clastix.io",
        json!({
            "driver": "PostgreSQL",
            "endpoints": ["a:5432"],
            "basicAuth": {"username": content, "password": secret},
            "tlsConfig": {
                "certificateAuthority": {"certificate": content, "privateKey": secret},
                "clientCertificate": {"certificate": content, "privateKey": secret},
            },
        }),
    );
}
