use serde_json::{Value, json};

use crate::tenant_cluster::{
    bootstrap::cluster_info_checksum,
    fixture::{find, planned},
};

fn cluster_info(spec: Value) -> Value {
    let plan = planned(json!({"spec": spec}));
    let data = find(&plan, "ConfigMap kube-public/cluster-info").body["data"].clone();
    assert_eq!(
        data.as_object().unwrap().len(),
        1,
        "signatures are not ours"
    );
    serde_saphyr::from_str(data["kubeconfig"].as_str().unwrap()).unwrap()
}

#[test]
fn cluster_info_has_the_server_and_its_ca_and_nothing_else() {
    let expected = json!({
        "apiVersion": "v1",
        "clusters": [{
            "cluster": {"certificate-authority-data": "dGhlIENB", "server": "https://172.30.0.60:6443"},
            "name": "",
        }],
        "contexts": null,
        "current-context": "",
        "kind": "Config",
        "users": null,
    });
    assert_eq!(cluster_info(json!({})), expected);
    let gateway = json!({"controlPlane": {"gateway": {"hostname": "cp.example.com:443"}}});
    assert_eq!(
        cluster_info(gateway)["clusters"][0]["cluster"]["server"],
        "https://cp.example.com:443"
    );
}

#[test]
fn checksum_follows_cluster_info() {
    let of = |changes: Value| cluster_info_checksum(&planned(changes).objects).unwrap();
    assert_eq!(
        of(json!({})),
        of(json!({"spec": {"kubernetes": {"version": "v1.36.4"}}}))
    );
    assert_ne!(
        of(json!({})),
        of(json!({"spec": {"networkProfile": {"port": 6444}}}))
    );
}

#[test]
fn each_group_has_the_permissions_of_its_row() {
    let plan = planned(json!({}));
    let joining = "system:bootstrappers:kubeadm:default-node-token";
    let csr = "system:certificates.k8s.io:certificatesigningrequests";
    let rows = [
        (
            "ClusterRoleBinding kubeadm:get-nodes",
            "kubeadm:get-nodes",
            joining,
        ),
        (
            "ClusterRoleBinding kubeadm:kubelet-bootstrap",
            "system:node-bootstrapper",
            joining,
        ),
        (
            "ClusterRoleBinding kubeadm:node-autoapprove-bootstrap",
            &format!("{csr}:nodeclient"),
            joining,
        ),
        (
            "ClusterRoleBinding kubeadm:node-autoapprove-certificate-rotation",
            &format!("{csr}:selfnodeclient"),
            "system:nodes",
        ),
        (
            "ClusterRoleBinding kubeadm:apiserver-kubelet-client",
            "system:kubelet-api-admin",
            "kube-apiserver-kubelet-client",
        ),
        (
            "ClusterRoleBinding kubeadm:cluster-admins",
            "cluster-admin",
            "kubeadm:cluster-admins",
        ),
        (
            "RoleBinding kube-public/kubeadm:bootstrap-signer-clusterinfo",
            "kubeadm:bootstrap-signer-clusterinfo",
            "system:anonymous",
        ),
    ];
    for (name, role, subject) in rows {
        let body = &find(&plan, name).body;
        assert_eq!(body["roleRef"]["name"], role, "{name}");
        assert_eq!(body["subjects"][0]["name"], subject, "{name}");
        assert_eq!(body["subjects"].as_array().unwrap().len(), 1, "{name}");
    }
}
