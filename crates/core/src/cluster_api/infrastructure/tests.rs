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

fn planned(kind: &str, object: Value, contract: Contract) -> Result<InfrastructurePatch, String> {
    let strategy =
        strategy(kind, &["FakeCluster".to_owned()], &object).expect("a kind that is known");
    patch(
        strategy,
        Found {
            object: &object,
            contract,
        },
        &at("192.0.2.9"),
    )
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
fn a_patched_cluster_is_not_patched_again() {
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
            assert_eq!(patch, InfrastructurePatch::default(), "{kind}");
        }
    }
}

#[test]
fn an_endpoint_of_the_user_must_agree() {
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
fn the_old_contract_gets_its_own_status_field() {
    let patch = planned("PacketCluster", json!({}), Contract::V1Beta1).unwrap();
    assert_eq!(patch.status, Some(json!({"status": {"ready": true}})));
}

#[test]
fn an_annotated_cluster_of_any_kind_is_patched() {
    let object = json!({"metadata": {"annotations": {MANAGED_BY: "kamaji"}}});
    assert_eq!(strategy("DockerCluster", &[], &json!({})), None);
    for further in [&[][..], &["DockerCluster".to_owned()]] {
        assert_eq!(
            strategy("DockerCluster", further, &object),
            Some(Strategy::WrittenAndProvisioned)
        );
    }
}

#[test]
fn an_annotated_cluster_of_any_kind_becomes_provisioned() {
    let annotated = json!({"metadata": {"annotations": {MANAGED_BY: "kamaji"}}});
    let patch = planned("AWSCluster", annotated, Contract::V1Beta2).unwrap();
    assert!(patch.spec.is_some() && patch.status.is_some());
}

#[test]
fn openstack_v1beta2_gets_the_address_in_an_object() {
    let newer = json!({"apiVersion": "infrastructure.cluster.x-k8s.io/v1beta2"});
    let patch = planned("OpenStackCluster", newer, Contract::V1Beta2).unwrap();
    let desired = json!({"spec": {"apiServer": {"fixedIP": "192.0.2.9", "port": 6443}}});
    assert_eq!(patch.spec, Some(desired));
}

#[test]
fn an_address_in_another_notation_agrees() {
    let there =
        json!({"spec": {"controlPlaneEndpoint": {"host": "2001:DB8:0:0::9", "port": 6443}}});
    let found = patch(
        Strategy::Compared,
        Found {
            object: &there,
            contract: Contract::V1Beta2,
        },
        &at("2001:db8::9"),
    );
    assert_eq!(found, Ok(InfrastructurePatch::default()));
}

#[test]
fn openstack_gets_the_address_where_the_endpoint_is_a_name() {
    let mut published = at("blue.example.org");
    published.reached = at("192.0.2.9").endpoint;
    let object = json!({});
    let plan = patch(
        Strategy::FixedIp,
        Found {
            object: &object,
            contract: Contract::V1Beta1,
        },
        &published,
    )
    .unwrap();
    let desired = json!({"spec": {"apiServerFixedIP": "192.0.2.9", "apiServerPort": 6443}});
    assert_eq!(plan.spec, Some(desired));
}
