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

/// A Secret `c-ca` as a user makes it for the Cluster `c`, whose control plane is called `a`.
fn of_user() -> Secret {
    let data = [("tls.crt", "ca.crt"), ("tls.key", "ca.key")];
    let data = data.map(|(key, text)| (key.to_owned(), ByteString(text.into())));
    Secret {
        metadata: ObjectMeta {
            name: Some("c-ca".to_owned()),
            labels: Some([(CLUSTER_NAME.to_owned(), "c".to_owned())].into()),
            ..ObjectMeta::default()
        },
        type_: Some(SECRET_TYPE.to_owned()),
        data: Some(data.into()),
        ..Secret::default()
    }
}

#[test]
fn a_ca_that_a_user_made_for_the_cluster_is_given_to_the_tenant_before_it_exists() {
    let mut snapshot = snapshot(json!({}));
    snapshot.secrets.insert("c-ca".to_owned(), of_user());
    let objects = plan(&snapshot).objects;
    let [given, tenant] = objects.as_slice() else {
        panic!("the CA and the tenant: {objects:?}");
    };
    assert_eq!(
        (given.key.name.as_str(), tenant.key.name.as_str()),
        ("a-ca", "a")
    );
    assert_eq!(given.intent, Intent::Create);
    assert_eq!(
        given.body["data"],
        serde_json::to_value(of_user()).unwrap()["data"]
    );
    assert_eq!(given.body["metadata"]["ownerReferences"], Value::Null);

    // The operator's Secret of the same content; the user's stays as it is.
    let converged = converge(snapshot, "192.0.2.9:6443");
    assert_eq!(converged.secrets["c-ca"], of_user());
    let said = converged.control_plane.status.unwrap().conditions;
    let said = find(&said, "KubeadmResourcesCreated").unwrap();
    assert_eq!(said.status, "True", "{}", said.message);
}

#[test]
fn a_ca_is_given_to_the_tenant_only_if_a_user_made_it_whole_under_another_name() {
    let given = |name: &str, change: &dyn Fn(&mut Secret)| {
        let mut snapshot = snapshot(json!({}));
        let mut secret = of_user();
        change(&mut secret);
        snapshot.secrets.insert(name.to_owned(), secret);
        plan(&snapshot).objects.len() == 2
    };
    assert!(given("c-ca", &|_| ()));
    assert!(!given("d-ca", &|_| ()));
    assert!(!given("c-ca", &|secret| secret.type_ = Some("Opaque".to_owned())));
    assert!(!given("c-ca", &|secret| {
        secret.data.as_mut().unwrap().remove("tls.key");
    }));
    // Published by this provider, as before a restore.
    assert!(!given("c-ca", &|secret| {
        let labels = secret.metadata.labels.as_mut().unwrap();
        labels.insert(labels::COMPONENT.to_owned(), "capi".to_owned());
    }));
    // Of another tenant.
    assert!(!given("c-ca", &|secret| {
        let labels = secret.metadata.labels.as_mut().unwrap();
        labels.insert(labels::PROJECT.to_owned(), "kamaji".to_owned());
    }));
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

#[test]
fn the_published_certificate_is_that_of_the_ca_that_signs() {
    let mut converged = converge(snapshot(json!({})), "192.0.2.9:6443");
    let source = converged.sources.get_mut("a-ca").unwrap();
    let data = source.data.as_mut().unwrap();
    data.insert("tls.crt".to_owned(), ByteString(b"the signer".to_vec()));
    let objects = plan(&converged).objects;
    let [published] = objects.as_slice() else {
        panic!("the CA alone: {objects:?}");
    };
    assert_eq!(published.key.name, "c-ca");
    assert_eq!(
        published.body["data"],
        json!({"tls.crt": ByteString(b"the signer".to_vec()), "tls.key": ByteString(b"ca.key".to_vec())})
    );
}

#[test]
fn a_secret_that_another_control_plane_published_is_left_alone_until_it_is_deleted() {
    for (field, value) in [
        ("name", "evil"),
        ("kind", "Deployment"),
        ("apiVersion", "example.com/v1alpha2"),
    ] {
        let (plan, said) = found("c-kubeconfig", |secret| {
            let mut owner = json!(secret.metadata.owner_references.as_ref().unwrap()[0]);
            owner[field] = json!(value);
            owner["uid"] = json!("u-2");
            let owner = serde_json::from_value(owner).unwrap();
            secret.metadata.owner_references = Some(vec![owner]);
            secret.data = Some([("value".to_owned(), ByteString(b"theirs".to_vec()))].into());
        });
        assert_eq!(plan.objects, [], "{field}");
        assert!(plan.requeue_at.is_some());
        let said = find(&said.conditions, "KubeadmResourcesCreated").unwrap();
        assert_eq!(said.reason, "SecretForeign", "{field}");
        let of_kamaji = field == "name";
        assert_eq!(
            said.message.contains("delete the Secret"),
            of_kamaji,
            "{}",
            said.message
        );
    }
}

/// A restore gives the control plane another uid.
#[test]
fn a_secret_of_the_control_plane_by_another_uid_is_written() {
    let (plan, _) = found("c-kubeconfig", |secret| {
        let owners = secret.metadata.owner_references.as_mut().unwrap();
        owners[0].uid = "u-0".to_owned();
        secret.data = Some([("value".to_owned(), ByteString(b"stale".to_vec()))].into());
    });
    let names: Vec<&str> = plan.objects.iter().map(|o| o.key.name.as_str()).collect();
    assert_eq!(names, ["c-kubeconfig"]);
}
