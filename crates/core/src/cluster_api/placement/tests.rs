use super::{super::fixture, *};

fn control_plane(spec: Value) -> KamajiControlPlane {
    serde_json::from_value(json!({
        "apiVersion": "controlplane.cluster.x-k8s.io/v1alpha2", "kind": "KamajiControlPlane",
        "metadata": {"name": "a", "namespace": "n", "uid": "u-1"}, "spec": spec,
    }))
    .unwrap()
}

/// Where its tenant is if there is none beside it.
fn place(control_plane: &KamajiControlPlane) -> Place {
    super::place(control_plane, None)
}

fn contradiction(control_plane: &KamajiControlPlane) -> Option<String> {
    super::contradiction(control_plane, &place(control_plane))
}

fn external() -> Value {
    json!({"version": "v1.36.3", "deployment": fixture::external("far")})
}

fn recorded(mut control_plane: KamajiControlPlane) -> KamajiControlPlane {
    let there = Remote::Reachable(Some("n-1".to_owned()));
    let place = place(&control_plane);
    let (key, value) = record(&control_plane, &place, &there).expect("something to record");
    let annotations = control_plane.metadata.annotations.get_or_insert_default();
    annotations.insert(key, value);
    let again = record(&control_plane, &place, &there);
    assert_eq!(again, None, "it is recorded once");
    control_plane
}

#[test]
fn the_name_of_a_remote_tenant_survives_a_new_uid() {
    let first = place(&recorded(control_plane(external())));
    assert_eq!(
        (first.namespace.as_str(), &first.name[..6]),
        ("far", "kcp-a-")
    );
    let mut restored = control_plane(external());
    restored.metadata.uid = Some("u-2".to_owned());
    assert_eq!(place(&restored).name, first.name);
    // What was recorded tells who put it there, in which cluster.
    restored.metadata.annotations = recorded(control_plane(external())).metadata.annotations;
    assert_eq!(place(&restored), first);
    assert_eq!(
        (first.owner.as_str(), first.cluster.as_deref()),
        ("u-1", Some("n-1"))
    );
}

#[test]
fn an_annotation_cannot_point_to_another_local_tenant() {
    let mut forged = control_plane(json!({"version": "v1.36.3"}));
    let victim = json!({"namespace": "victim", "name": "prod"}).to_string();
    let annotations = forged.metadata.annotations.get_or_insert_default();
    annotations.insert(ANNOTATION.to_owned(), victim);
    let place = place(&forged);
    assert_eq!((place.namespace.as_str(), place.name.as_str()), ("n", "a"));
}

#[test]
fn a_tenant_of_the_control_plane_is_local_and_one_of_another_owner_is_ignored() {
    let ours = "controlplane.cluster.x-k8s.io";
    let owned_by = |group: &str, kind: &str, name: &str| {
        let version = format!("{group}/v1alpha1");
        let owner = json!({"apiVersion": version, "kind": kind, "name": name, "uid": "u-0", "controller": true});
        let metadata = json!({"name": "a", "namespace": "n", "ownerReferences": [owner]});
        serde_json::from_value::<TenantControlPlane>(json!({"metadata": metadata, "spec": {
            "controlPlane": {"service": {"serviceType": "ClusterIP"}},
            "kubernetes": {"version": "v1.36.3", "kubelet": {}}}}))
        .unwrap()
    };
    let asked = control_plane(external());
    for (group, kind, name, here) in [
        (ours, "KamajiControlPlane", "a", true),
        (ours, "KamajiControlPlane", "b", false),
        (ours, "Deployment", "a", false),
        ("example.com", "KamajiControlPlane", "a", false),
    ] {
        let place = super::place(&asked, Some(&owned_by(group, kind, name)));
        assert_eq!(place.kubeconfig.is_none(), here, "{group} {kind} {name}");
    }
    // Upstream made one elsewhere though there was one here.
    let mut legacy = asked;
    legacy.metadata.finalizers = Some(vec![LEGACY_FINALIZER.to_owned()]);
    let beside = owned_by(ours, "KamajiControlPlane", "a");
    assert_eq!(super::place(&legacy, Some(&beside)).name, "kcp-u-1");
}

#[test]
fn a_remote_tenant_keeps_its_location_when_its_record_is_lost() {
    let conditions = [(EXTERNAL_CLIENT, "True")];
    let mut lost_record = control_plane(external());
    set_status(&mut lost_record, &conditions, true);
    assert_eq!(place(&lost_record), place(&control_plane(external())));
    assert_eq!(contradiction(&lost_record), None);
    let mut lost_both = control_plane(json!({"version": "v1.36.3"}));
    set_status(&mut lost_both, &conditions, true);
    assert!(lost(&lost_both).unwrap().contains("put one of them back"));
}

fn set_status(
    control_plane: &mut KamajiControlPlane,
    conditions: &[(&str, &str)],
    initialized: bool,
) {
    let conditions = conditions.iter().map(|(type_, status)| {
        json!({"type": type_, "status": status, "reason": "R", "message": "",
            "lastTransitionTime": "2026-01-01T00:00:00Z"})
    });
    let status = json!({"ready": true, "version": "v1.36.3", "externalManagedControlPlane": true,
        "conditions": conditions.collect::<Vec<_>>(),
        "initialization": {"controlPlaneInitialized": initialized}});
    control_plane.status = Some(serde_json::from_value(status).unwrap());
}

#[test]
fn a_tenant_that_upstream_made_keeps_its_name() {
    let mut legacy = control_plane(external());
    legacy.metadata.finalizers = Some(vec![LEGACY_FINALIZER.to_owned()]);
    assert_eq!(place(&legacy).name, "kcp-u-1");
}

#[test]
fn a_change_of_location_is_refused() {
    let placed = recorded(control_plane(external()));
    let mut removed = placed.clone();
    removed.spec.fields.deployment = None;
    assert_eq!(place(&removed), place(&placed));
    assert!(
        contradiction(&removed)
            .unwrap()
            .contains("put the reference back")
    );

    let mut local = control_plane(external());
    local.status = Some(
        serde_json::from_value(json!({"ready": true, "version": "v1.36.3",
            "externalManagedControlPlane": true,
            "initialization": {"controlPlaneInitialized": true}}))
        .unwrap(),
    );
    assert_eq!(place(&local).kubeconfig, None);
    assert!(contradiction(&local).unwrap().contains("in this cluster"));
    assert_eq!(contradiction(&placed), None);
}

#[test]
fn another_kubeconfig_of_the_same_cluster_is_used() {
    let mut rotated = recorded(control_plane(external()));
    let deployment = rotated.spec.fields.deployment.as_mut().unwrap();
    let reference = deployment.external_cluster_reference.as_mut().unwrap();
    reference.kubeconfig_secret_name = "newer".to_owned();
    assert_eq!(place(&rotated).kubeconfig.unwrap().name, "newer");
    assert_eq!(contradiction(&rotated), None);
}

#[test]
fn long_and_dotted_names_are_shortened() {
    let mut long = control_plane(external());
    long.metadata.name = Some(format!("{}.b", "x".repeat(80)));
    let name = place(&long).name;
    assert!(name.len() <= 53 && !name.contains('.'), "{name}");
}
