use kamaji_api::{cluster::CLUSTER_NAME, condition::find, control_plane::KamajiControlPlaneStatus};
use serde_json::json;

use super::super::{
    Plan,
    fixture::{converge, remote, snapshot},
    plan,
};
use super::*;

/// The published Secret `name` with these changes, as it is found beside everything else.
fn found(name: &str, change: impl Fn(&mut Secret)) -> (Plan, KamajiControlPlaneStatus) {
    let mut converged = converge(snapshot(json!({})), "192.0.2.9:6443");
    change(converged.secrets.get_mut(name).unwrap());
    let plan = plan(&converged);
    let status = plan.status.clone().unwrap();
    (plan, status)
}

#[test]
fn a_ca_of_the_user_is_neither_used_nor_replaced() {
    let (plan, said) = found("c-ca", |secret| {
        secret.metadata.labels = Some([(CLUSTER_NAME.to_owned(), "c".to_owned())].into());
        secret.metadata.owner_references = None;
        let key = ByteString(b"the user's".to_vec());
        secret
            .data
            .as_mut()
            .unwrap()
            .insert("tls.key".to_owned(), key);
    });
    assert_eq!(plan.objects, []);
    let said = find(&said.conditions, "KubeadmResourcesCreated").unwrap();
    assert_eq!(said.reason, "SecretForeign");
    assert!(plan.requeue_at.is_some(), "no watch reports its deletion");
}

#[test]
fn the_ca_of_another_tenant_is_reported_without_advice_to_delete_it() {
    let (plan, said) = found("c-ca", |secret| {
        secret.type_ = Some("Opaque".to_owned());
        secret.metadata.labels = Some([(labels::PROJECT.to_owned(), "kamaji".to_owned())].into());
        secret.metadata.owner_references = None;
    });
    assert_eq!(plan.objects, []);
    let said = find(&said.conditions, "KubeadmResourcesCreated").unwrap();
    assert!(said.message.contains("another name") && !said.message.contains("delete"));
}

#[test]
fn a_remote_tenant_publishes_the_kubeconfig_with_its_address() {
    let mut converged = remote();
    let network = &mut converged.control_plane.spec.fields.network;
    network.advertise_address = Some("203.0.113.1".to_owned());
    let config = &plan(&converged).probe;
    assert_eq!(config.as_deref(), Some(&b"admin.conf"[..]));
}
