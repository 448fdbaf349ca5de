use super::*;

fn known(name: &str, labels: &[(&str, &str)]) -> Definitions {
    let definitions = Definitions::default();
    let labels = labels
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect();
    definitions.change(|all| drop(all.insert(name.to_owned(), labels)));
    definitions
}

#[test]
fn the_newest_version_of_the_newest_contract_is_used() {
    let definitions = known(
        "fakeclusters.infrastructure.cluster.x-k8s.io",
        &[
            ("cluster.x-k8s.io/v1beta1", "v1alpha4_v1beta1"),
            ("cluster.x-k8s.io/v1beta2", "v1beta2_v1beta10_v1alpha9"),
        ],
    );
    let (contract, resource) = definitions
        .contract("infrastructure.cluster.x-k8s.io", "FakeCluster")
        .unwrap();
    assert_eq!(
        (contract, resource.version.as_str()),
        (Contract::V1Beta2, "v1beta10")
    );
    assert_eq!(resource.plural, "fakeclusters");
}

#[test]
fn a_label_for_the_old_contract_alone_is_used() {
    let definitions = known(
        "proxmoxclusters.infrastructure.cluster.x-k8s.io",
        &[("cluster.x-k8s.io/v1beta1", "v1alpha1")],
    );
    let found = definitions.contract("infrastructure.cluster.x-k8s.io", "ProxmoxCluster");
    assert_eq!(found.map(|(contract, _)| contract), Some(Contract::V1Beta1));
    assert!(
        definitions
            .contract("infrastructure.cluster.x-k8s.io", "OtherCluster")
            .is_none()
    );
}

#[test]
fn stable_versions_are_newer_than_betas_and_betas_than_alphas() {
    let mut versions = ["v1alpha2", "v1", "v1beta2", "v2", "v1beta1", "v2alpha1"];
    versions.sort_by_key(|version| rank(version));
    assert_eq!(
        versions,
        ["v1alpha2", "v2alpha1", "v1beta1", "v1beta2", "v1", "v2"]
    );
}
