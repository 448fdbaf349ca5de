use kamaji_api::labels;
use serde_json::json;

use crate::{
    object::Kind,
    plan::{
        fixture::{
            NOW, after, condition_of, corrupt, hashes, planned, request_rotation, settled, snapshot,
        },
        plan,
    },
};

#[test]
fn ca_of_a_cluster_api_tenant_has_the_type_that_clusterctl_requires() {
    let type_ = |cluster: &str| {
        let label = json!({"metadata": {"labels": {"cluster.x-k8s.io/cluster-name": cluster}}});
        let plan = plan(&snapshot(label)).unwrap();
        planned(&plan, "full-ca").body["type"].clone()
    };
    assert_eq!(type_("full"), "cluster.x-k8s.io/secret");
    assert_eq!(type_("blue"), "Opaque", "full-ca is not the Secret blue-ca");
}

#[test]
fn ca_of_a_cluster_api_tenant_carries_the_cluster_name_label() {
    let mut fixture = snapshot(json!({}));
    let labels = fixture.object.metadata.labels.get_or_insert_default();
    labels.insert(
        "cluster.x-k8s.io/cluster-name".to_owned(),
        "blue".to_owned(),
    );
    let name = format!("{}-ca", fixture.object.metadata.name.clone().unwrap());
    let plan = plan(&fixture).unwrap();
    let labels = &planned(&plan, &name).body["metadata"]["labels"];
    assert_eq!(labels["cluster.x-k8s.io/cluster-name"], "blue");
}

#[test]
fn damaged_authority_is_reported_and_not_replaced() {
    for (name, key, bytes) in [
        ("full-ca", "ca.crt", b"garbage".as_slice()),
        ("full-ca", "ca.key", b""),
        (
            "full-front-proxy-ca-certificate",
            "front-proxy-ca.key",
            b"-----BEGIN",
        ),
        ("full-sa-certificate", "sa.pub", b"garbage"),
    ] {
        let mut fixture = settled(json!({}));
        corrupt(&mut fixture, name, key, bytes);
        let plan = plan(&fixture).unwrap();
        assert!(
            plan.objects().all(|object| object.key.name != name),
            "{name} is written"
        );
        assert!(
            plan.objects()
                .all(|object| object.key.kind != Kind::Deployment)
        );
        assert!(plan.prunes.is_empty());
        let (status, reason, message) = condition_of(&plan, "CertificatesValid");
        assert_eq!((status, reason), ("False", "AuthorityDamaged"));
        assert!(
            message.contains(name) && message.contains("rotate"),
            "{message}"
        );
    }
}

#[test]
fn rotate_annotation_replaces_a_damaged_authority() {
    let mut fixture = settled(json!({}));
    let before = fixture.secrets["full-ca"].data.clone();
    corrupt(&mut fixture, "full-ca", "ca.crt", b"garbage");
    request_rotation(&mut fixture, "full-ca");
    let plan = plan(&fixture).unwrap();
    let fixture = after(fixture, &plan);
    assert_ne!(fixture.secrets["full-ca"].data, before);
    let stamp = &fixture.secrets["full-ca"]
        .metadata
        .annotations
        .as_ref()
        .unwrap()[labels::ROTATE];
    assert_eq!(stamp, NOW);
    assert_eq!(condition_of(&plan, "CertificatesValid").0, "True");
}

#[test]
fn rotated_ca_reissues_leaves_and_keeps_its_stamp() {
    let mut fixture = settled(json!({}));
    let leaf = fixture.secrets["full-api-server-certificate"].data.clone();
    request_rotation(&mut fixture, "full-ca");
    let rotated = plan(&fixture).unwrap();
    let fixture = after(fixture, &rotated);
    assert_ne!(fixture.secrets["full-api-server-certificate"].data, leaf);
    let again = plan(&fixture).unwrap();
    assert_eq!(hashes(&rotated), hashes(&again));
}
