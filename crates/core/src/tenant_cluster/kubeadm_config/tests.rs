use kamaji_api::datastore::Driver;
use serde_json::{Value, json};

use crate::tenant_cluster::fixture::{Fixture, find};

fn configuration(fixture: &Fixture) -> Value {
    let plan = fixture.content();
    let data = &find(&plan, "ConfigMap kube-system/kubeadm-config").body["data"];
    serde_saphyr::from_str(data["ClusterConfiguration"].as_str().unwrap()).unwrap()
}

#[test]
fn kubeadm_config_has_versions_ranges_and_the_endpoint() {
    let value = configuration(&Fixture::with(json!({})));
    assert_eq!(value["apiVersion"], "kubeadm.k8s.io/v1beta4");
    assert_eq!(value["kubernetesVersion"], "v1.36.3");
    assert_eq!(value["controlPlaneEndpoint"], "172.30.0.60:6443");
    assert_eq!(
        value["networking"],
        json!({"dnsDomain": "cluster.local", "podSubnet": "10.113.0.0/16", "serviceSubnet": "10.112.0.0/16"})
    );
    assert_eq!(value["encryptionAlgorithm"], "RSA-2048");
}

#[test]
fn etcd_is_named_and_other_datastores_are_not() {
    let mut fixture = Fixture::with(json!({}));
    let endpoints =
        |fixture: &Fixture| configuration(fixture)["etcd"]["external"]["endpoints"].clone();
    assert_eq!(endpoints(&fixture), json!(["172.30.0.1:12379"]));
    fixture.store.driver = Driver::PostgreSql;
    assert_eq!(endpoints(&fixture), json!(["127.0.0.1:2379"]));
}
