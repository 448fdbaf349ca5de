use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff::Timestamp};
use kamaji_api::condition::find;
use serde_json::{Value, json};

use super::{
    super::{
        Plan, Snapshot,
        fixture::{converge, observe_again, snapshot},
        plan,
    },
    *,
};

/// The Cluster `c`, with this `spec.controlPlaneRef`.
fn cluster(reference: &Value) -> Cluster {
    serde_json::from_value(json!({
        "apiVersion": "cluster.x-k8s.io/v1beta2", "kind": "Cluster",
        "metadata": {"name": "c", "namespace": "n", "uid": "k"},
        "spec": {"controlPlaneRef": reference},
    }))
    .unwrap()
}

/// Reference to the control plane `name`, in the shape of v1beta2.
fn reference(name: &str) -> Value {
    json!({"apiGroup": "controlplane.cluster.x-k8s.io", "kind": "KamajiControlPlane", "name": name})
}

/// Snapshot of the control plane `name` with an owner reference to the Cluster `c`, whose control plane is `a`. A CA
/// that a user made for the Cluster is there.
fn claimant(name: &str) -> Snapshot {
    let mut claimant = snapshot(json!({}));
    let metadata = &mut claimant.control_plane.metadata;
    metadata.name = Some(name.to_owned());
    metadata.uid = Some(format!("u-{name}"));
    claimant.owner = owner(&claimant.control_plane, Some(&cluster(&reference("a"))));
    observe_again(&mut claimant);
    let given = json!({
        "metadata": {"name": "c-ca"}, "type": "cluster.x-k8s.io/secret",
        "data": {"tls.crt": "", "tls.key": ""},
    });
    let given = serde_json::from_value(given).unwrap();
    claimant.secrets.insert("c-ca".to_owned(), given);
    claimant
}

fn names_of(plan: &Plan) -> Vec<&str> {
    let names = plan.objects.iter().map(|object| object.key.name.as_str());
    names.collect()
}

#[test]
fn a_second_control_plane_of_a_cluster_plans_no_objects_and_says_why() {
    assert_eq!(names_of(&plan(&claimant("a"))), ["a-ca", "a"]);

    let claimant = claimant("evil");
    let plan = plan(&claimant);
    assert_eq!(names_of(&plan), [""; 0]);
    assert_eq!(
        (plan.own, plan.delete, plan.infrastructure, plan.probe),
        (None, None, None, None)
    );
    let status = plan.status.unwrap();
    assert!(!status.ready);
    for type_ in ["TenantControlPlaneCreated", "Available"] {
        let found = find(&status.conditions, type_).unwrap();
        assert_eq!(
            (found.status.as_str(), found.reason.as_str()),
            ("False", "ControlPlaneRefMismatch")
        );
        for part in [
            "Cluster c",
            "KamajiControlPlane a",
            "delete this control plane",
        ] {
            assert!(found.message.contains(part), "{}", found.message);
        }
    }
}

#[test]
fn a_cluster_that_changes_its_control_plane_leaves_the_objects_of_the_former_as_they_are() {
    let mut former = converge(snapshot(json!({})), "192.0.2.9:6443");
    former.owner = owner(&former.control_plane, Some(&cluster(&reference("b"))));
    let plan = plan(&former);
    assert_eq!(names_of(&plan), [""; 0]);
    assert_eq!((plan.delete, plan.infrastructure), (None, None));

    former.owner = owner(&former.control_plane, Some(&cluster(&reference("a"))));
    assert!(matches!(former.owner, Owner::Cluster(_)));
}

#[test]
fn a_control_plane_that_its_cluster_does_not_name_is_deleted_with_its_own_tenant_alone() {
    let deleted = |owner_of_tenant: &str| {
        let mut deleted = converge(snapshot(json!({})), "192.0.2.9:6443");
        deleted.owner = owner(&deleted.control_plane, Some(&cluster(&reference("b"))));
        deleted.control_plane.metadata.deletion_timestamp = Some(Time(Timestamp::UNIX_EPOCH));
        let tenant = deleted.tenant.as_mut().unwrap();
        tenant.metadata.uid = Some("t-1".to_owned());
        let owners = tenant.metadata.owner_references.as_mut().unwrap();
        owner_of_tenant.clone_into(&mut owners[0].uid);
        deleted
    };
    let own = plan(&deleted("u-1"));
    assert_eq!(
        (own.delete.as_deref(), names_of(&own)),
        (Some("t-1"), vec![])
    );
    let others = plan(&deleted("u-2"));
    assert_eq!((&others.delete, names_of(&others)), (&None, vec![]));
    assert_eq!(others.own, Some(json!({"metadata": {"finalizers": []}})));
}

#[test]
fn a_paused_cluster_pauses_a_control_plane_that_it_does_not_name() {
    let mut paused = claimant("evil");
    let Owner::Unconfirmed(cluster) = &mut paused.owner else {
        panic!("{:?}", paused.owner);
    };
    cluster.spec.paused = Some(true);
    paused.control_plane.metadata.deletion_timestamp = Some(Time(Timestamp::UNIX_EPOCH));
    let plan = plan(&paused);
    assert_eq!((plan.own, plan.delete), (None, None));
}

#[test]
fn a_cluster_is_the_owner_only_if_its_reference_agrees_in_every_field() {
    let control_plane = snapshot(json!({})).control_plane;
    let owns = |reference: &Value| {
        matches!(
            owner(&control_plane, Some(&cluster(reference))),
            Owner::Cluster(_)
        )
    };
    let older = |key: &str, value: &str| {
        let mut reference = json!({
            "apiVersion": "controlplane.cluster.x-k8s.io/v1alpha1",
            "kind": "KamajiControlPlane", "name": "a", "namespace": "n",
        });
        reference[key] = json!(value);
        reference
    };
    let newer = |key: &str, value: &str| {
        let mut reference = reference("a");
        reference[key] = json!(value);
        reference
    };
    assert!(owns(&newer("name", "a")));
    assert!(owns(&older("name", "a")));
    assert!(owns(&older("namespace", "")));
    for reference in [
        Value::Null,
        json!({}),
        newer("name", "b"),
        newer("kind", "KubeadmControlPlane"),
        newer("apiGroup", "example.com"),
        newer("apiGroup", ""),
        older("name", "b"),
        older("kind", "KubeadmControlPlane"),
        older("apiVersion", "example.com/v1alpha1"),
        older("apiVersion", "v1"),
        older("namespace", "other"),
    ] {
        assert!(!owns(&reference), "{reference}");
    }
}

#[test]
fn a_cluster_of_another_namespace_is_not_the_owner() {
    let control_plane = snapshot(json!({})).control_plane;
    let mut far = cluster(&reference("a"));
    far.metadata.namespace = Some("other".to_owned());
    let found = owner(&control_plane, Some(&far));
    assert!(matches!(found, Owner::Unconfirmed(_)), "{found:?}");
}

/// After a restore the uid is stale until Cluster API replaces it.
#[test]
fn a_cluster_that_names_the_control_plane_owns_it_whatever_uid_the_owner_reference_has() {
    let mut control_plane = snapshot(json!({})).control_plane;
    for owner in control_plane.metadata.owner_references.iter_mut().flatten() {
        owner.uid = "stale".to_owned();
    }
    let found = owner(&control_plane, Some(&cluster(&reference("a"))));
    assert!(matches!(found, Owner::Cluster(_)), "{found:?}");
}

#[test]
fn a_cluster_without_a_reference_is_told_to_name_the_control_plane() {
    let text = unconfirmed(&cluster(&Value::Null));
    assert!(text.contains("names no control plane"), "{text}");
    let long = unconfirmed(&cluster(&reference(&"x".repeat(100_000))));
    assert!(long.len() < 1024, "{} bytes", long.len());
}
