use kamaji_api::control_plane::ApiEndpoint;

use super::*;

fn at(host: &str) -> Published {
    let endpoint = ApiEndpoint {
        host: Some(host.to_owned()),
        port: Some(6443),
    };
    Published {
        reached: endpoint.clone(),
        endpoint,
        warning: None,
    }
}

fn planned(kind: &str, object: Value, contract: Contract) -> Result<Patch, String> {
    let way = way(kind, &["FakeCluster".to_owned()], &object).expect("a kind that is known");
    patch(way, (&object, contract), &at("192.0.2.9"))
}

#[test]
fn each_kind_learns_the_address_in_its_own_way() {
    let written = json!({"spec": {"controlPlaneEndpoint": {"host": "192.0.2.9", "port": 6443}}});
    let fixed = json!({"spec": {"apiServerFixedIP": "192.0.2.9", "apiServerPort": 6443}});
    for (kind, spec, provisioned) in [
        ("AWSCluster", &written, false),
        ("AzureCluster", &written, false),
        ("HetznerCluster", &written, false),
        ("IonosCloudCluster", &written, false),
        ("KubevirtCluster", &written, true),
        ("NutanixCluster", &written, true),
        ("PacketCluster", &written, true),
        ("OpenStackCluster", &fixed, false),
        ("ProxmoxCluster", &written, false),
        ("TinkerbellCluster", &written, false),
        ("VSphereCluster", &written, false),
        ("FakeCluster", &written, false),
    ] {
        let patch = planned(kind, json!({}), Contract::V1Beta2).unwrap();
        assert_eq!(patch.spec.as_ref(), Some(spec), "{kind}");
        let status = json!({"status": {"initialization": {"provisioned": true}}});
        assert_eq!(patch.status, provisioned.then_some(status), "{kind}");
    }
}

#[test]
fn what_is_so_already_is_not_written_again() {
    let there = json!({
        "spec": {"controlPlaneEndpoint": {"host": "192.0.2.9", "port": 6443}},
        "status": {"ready": true, "initialization": {"provisioned": true}},
    });
    for kind in [
        "AWSCluster",
        "KubevirtCluster",
        "Metal3Cluster",
        "VSphereCluster",
    ] {
        for contract in [Contract::V1Beta1, Contract::V1Beta2] {
            let patch = planned(kind, there.clone(), contract).unwrap();
            assert_eq!(patch, Patch::default(), "{kind}");
        }
    }
}

#[test]
fn an_address_of_the_users_own_must_agree() {
    let other = json!({"spec": {"controlPlaneEndpoint": {"host": "192.0.2.1", "port": 6443}}});
    for kind in [
        "Metal3Cluster",
        "MetalStackCluster",
        "ProxmoxCluster",
        "VSphereCluster",
        "AWSCluster",
        "AzureCluster",
        "HetznerCluster",
        "IonosCloudCluster",
    ] {
        let why = planned(kind, other.clone(), Contract::V1Beta2).unwrap_err();
        assert!(
            why.contains("192.0.2.1") && why.contains("192.0.2.9"),
            "{why}"
        );
    }
    let why = planned("Metal3Cluster", json!({}), Contract::V1Beta2).unwrap_err();
    assert!(why.contains("empty"), "{why}");
}

#[test]
fn the_old_contract_reads_another_field() {
    let patch = planned("PacketCluster", json!({}), Contract::V1Beta1).unwrap();
    assert_eq!(patch.status, Some(json!({"status": {"ready": true}})));
}

#[test]
fn any_kind_may_be_handed_over_by_its_annotation() {
    let object = json!({"metadata": {"annotations": {MANAGED_BY: "kamaji"}}});
    assert_eq!(way("DockerCluster", &[], &json!({})), None);
    for further in [&[][..], &["DockerCluster".to_owned()]] {
        assert_eq!(
            way("DockerCluster", further, &object),
            Some(Way::WrittenAndProvisioned)
        );
    }
}

#[test]
fn what_is_handed_over_is_called_provisioned_whatever_its_kind() {
    let annotated = json!({"metadata": {"annotations": {MANAGED_BY: "kamaji"}}});
    let patch = planned("AWSCluster", annotated, Contract::V1Beta2).unwrap();
    assert!(patch.spec.is_some() && patch.status.is_some());
}

#[test]
fn the_newer_version_of_openstack_has_an_object_of_its_own() {
    let newer = json!({"apiVersion": "infrastructure.cluster.x-k8s.io/v1beta2"});
    let patch = planned("OpenStackCluster", newer, Contract::V1Beta2).unwrap();
    let desired = json!({"spec": {"apiServer": {"fixedIP": "192.0.2.9", "port": 6443}}});
    assert_eq!(patch.spec, Some(desired));
}

#[test]
fn an_address_that_is_written_otherwise_is_the_same() {
    let there =
        json!({"spec": {"controlPlaneEndpoint": {"host": "2001:DB8:0:0::9", "port": 6443}}});
    let found = patch(
        Way::Compared,
        (&there, Contract::V1Beta2),
        &at("2001:db8::9"),
    );
    assert_eq!(found, Ok(Patch::default()));
}

#[test]
fn openstack_gets_the_address_where_the_endpoint_is_a_name() {
    let mut published = at("blue.example.org");
    published.reached = at("192.0.2.9").endpoint;
    let object = json!({});
    let plan = patch(Way::FixedIp, (&object, Contract::V1Beta1), &published).unwrap();
    let desired = json!({"spec": {"apiServerFixedIP": "192.0.2.9", "apiServerPort": 6443}});
    assert_eq!(plan.spec, Some(desired));
}
