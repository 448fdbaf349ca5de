use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{hash, render};
use crate::{
    object::{CONTENT_HASH, Kind, Object},
    render::Renderer,
    tenant::{NEWEST_MINOR, OLDEST_MINOR},
    tenant_cluster::{
        fixture::{Fixture, bare, find, names, planned, pruned},
        types::Content,
    },
};

/// Without the stamp, whose value says nothing to a reader.
fn bodies(objects: &[Object]) -> Vec<Value> {
    let strip = |object: &Object| {
        let mut body = object.body.clone();
        let metadata = body["metadata"].as_object_mut().unwrap();
        let annotations = metadata["annotations"].as_object_mut().unwrap();
        annotations.remove(CONTENT_HASH);
        if annotations.is_empty() {
            metadata.remove("annotations");
        }
        body
    };
    objects.iter().map(strip).collect()
}

#[test]
fn tenant_with_all_addons_matches_its_snapshot() {
    let plan = planned(json!({}));
    insta::assert_yaml_snapshot!("full", bodies(&plan.objects));
    insta::assert_yaml_snapshot!("full_prunes", pruned(&plan));
}

#[test]
fn tenant_of_the_newest_renderer_matches_its_snapshot() {
    let mut fixture = Fixture::with(json!({}));
    fixture.renderer = Some(Renderer::NEWEST);
    insta::assert_yaml_snapshot!("full_newest", bodies(&fixture.content().objects));
}

#[test]
fn addons_of_an_unknown_renderer_are_unchanged() {
    let addons = ["coredns", "kube-dns", "kube-proxy", "konnectivity"];
    let of = |plan: &Content| {
        let mut left = names(plan);
        left.retain(|name| addons.iter().any(|addon| name.contains(addon)));
        (left, pruned(plan))
    };
    let mut fixture = Fixture::with(json!({}));
    assert!(!of(&fixture.content()).0.is_empty());
    fixture.renderer = None;
    let (left, pruned) = of(&fixture.content());
    assert_eq!(left, [""; 0]);
    assert!(
        pruned.iter().all(|name| name.contains("Webhook")),
        "{pruned:?}"
    );
}

#[test]
fn every_minor_that_tenants_may_run_is_rendered() {
    for minor in OLDEST_MINOR..=NEWEST_MINOR {
        let version = format!("v1.{minor}.1");
        let mut fixture = Fixture::with(json!({"spec": {"kubernetes": {"version": version}}}));
        for renderer in [Renderer::V1, Renderer::V2] {
            fixture.renderer = Some(renderer);
            let plan = fixture.content();
            let daemon_set = find(&plan, "DaemonSet kube-system/kube-proxy")
                .body
                .to_string();
            assert!(daemon_set.contains(&format!("kube-proxy:{version}")));
        }
    }
}

#[test]
fn tenant_without_addons_matches_its_snapshot() {
    let plan = planned(bare());
    insta::assert_yaml_snapshot!("bare", names(&plan));
    insta::assert_yaml_snapshot!("bare_prunes", pruned(&plan));
}

#[test]
fn no_object_is_desired_twice_or_also_pruned() {
    let cases = [
        json!({}),
        bare(),
        json!({"spec": {"addons": {"coreDNS": null}}}),
        json!({"spec": {"addons": {"konnectivity": {"agent": {"mode": "Deployment", "replicas": 3}}}}}),
        json!({"spec": {"writePermissions": {"blockUpdate": true}}}),
    ];
    for changes in cases {
        let plan = planned(changes);
        let wanted: BTreeSet<_> = plan.objects.iter().map(|object| &object.key).collect();
        assert_eq!(wanted.len(), plan.objects.len());
        assert!(plan.prunes.iter().all(|prune| !wanted.contains(prune)));
    }
}

#[test]
fn objects_of_an_addon_are_pruned_with_it() {
    let full = planned(json!({}));
    for addon in ["coreDNS", "kubeProxy", "konnectivity"] {
        let without = planned(json!({"spec": {"addons": {addon: null}}}));
        let left: BTreeSet<_> = names(&without).into_iter().collect();
        let gone: BTreeSet<_> = names(&full)
            .into_iter()
            .filter(|name| !left.contains(name))
            .collect();
        let pruned: BTreeSet<_> = pruned(&without).into_iter().collect();
        assert!(!gone.is_empty());
        assert!(gone.is_subset(&pruned), "{addon}: {gone:?} in {pruned:?}");
    }
}

#[test]
fn only_objects_with_our_label_are_pruned() {
    let full = planned(json!({"spec": {"writePermissions": {"blockUpdate": true}}}));
    let bare = planned(bare());
    for object in full.objects {
        let ours = object.body["metadata"]["labels"]["kamaji.clastix.io/project"] == "kamaji";
        let prunable = bare.prunes.contains(&object.key) || object.key.name.starts_with("kamaji-");
        assert_eq!(ours, prunable, "{}", object.key);
    }
}

#[test]
fn fields_of_other_managers_are_not_applied() {
    for object in planned(json!({})).objects {
        let metadata = object.body["metadata"].as_object().unwrap();
        for field in [
            "ownerReferences",
            "uid",
            "generation",
            "resourceVersion",
            "finalizers",
        ] {
            assert!(!metadata.contains_key(field), "{}: {field}", object.key);
        }
        assert!(object.body.get("status").is_none(), "{}", object.key);
    }
}

#[test]
fn every_object_has_the_form_of_its_kind() {
    fn reads<K: serde::de::DeserializeOwned + serde::Serialize>(object: &Object) {
        let typed: K = serde_json::from_value(object.body.clone()).unwrap();
        let again = serde_json::to_value(typed).unwrap();
        assert!(
            crate::object::holds(&object.body, &again),
            "{} has fields that its kind does not know",
            object.key
        );
    }
    use k8s_openapi::api::{
        admissionregistration::v1::ValidatingWebhookConfiguration,
        apps::v1::{DaemonSet, Deployment},
        core::v1::{ConfigMap, Endpoints, Service, ServiceAccount},
        discovery::v1::EndpointSlice,
        rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding},
    };
    let everything = [
        json!({"spec": {"writePermissions": {"blockUpdate": true, "blockCreation": true}}}),
        json!({"spec": {"addons": {"konnectivity": {"agent": {"mode": "Deployment", "hostNetwork": true}}}}}),
    ];
    for object in everything.into_iter().flat_map(|changes| {
        let mut fixture = Fixture::with(changes);
        fixture.renderer = Some(Renderer::NEWEST);
        fixture.content().objects
    }) {
        match object.key.kind {
            Kind::ConfigMap => reads::<ConfigMap>(&object),
            Kind::Service => reads::<Service>(&object),
            Kind::ServiceAccount => reads::<ServiceAccount>(&object),
            Kind::Endpoints => reads::<Endpoints>(&object),
            Kind::EndpointSlice => reads::<EndpointSlice>(&object),
            Kind::Deployment => reads::<Deployment>(&object),
            Kind::DaemonSet => reads::<DaemonSet>(&object),
            Kind::ClusterRole => reads::<ClusterRole>(&object),
            Kind::ClusterRoleBinding => reads::<ClusterRoleBinding>(&object),
            Kind::Role => reads::<Role>(&object),
            Kind::RoleBinding => reads::<RoleBinding>(&object),
            Kind::ValidatingWebhookConfiguration => {
                reads::<ValidatingWebhookConfiguration>(&object);
            }
            kind => panic!("{kind:?} does not belong into a tenant"),
        }
    }
}

#[test]
fn order_is_rbac_and_configuration_then_workloads_then_webhooks() {
    let plan = planned(json!({"spec": {"writePermissions": {"blockDeletion": true}}}));
    let position = |name: &str| names(&plan).iter().position(|n| n == name).unwrap();
    assert!(
        position("ConfigMap kube-public/cluster-info") < position("Deployment kube-system/coredns")
    );
    for (before, after) in [
        (
            "ServiceAccount kube-system/coredns",
            "Deployment kube-system/coredns",
        ),
        (
            "ConfigMap kube-system/kube-proxy",
            "DaemonSet kube-system/kube-proxy",
        ),
        (
            "ServiceAccount kube-system/konnectivity-agent",
            "DaemonSet kube-system/konnectivity-agent",
        ),
    ] {
        assert!(position(before) < position(after), "{before}");
    }
    assert_eq!(
        names(&plan).last().unwrap(),
        "ValidatingWebhookConfiguration kamaji-write-permissions"
    );
}

#[test]
fn hash_follows_desired_and_pruned_objects() {
    let hash = |changes: Value| hash(&planned(changes));
    let first = hash(json!({}));
    assert_eq!(first, hash(json!({})));
    assert_eq!(first, hash(json!({"metadata": {"labels": {"a": "b"}}})));
    for changes in [
        json!({"spec": {"kubernetes": {"version": "v1.36.4"}}}),
        json!({"spec": {"addons": {"coreDNS": null}}}),
        json!({"spec": {"networkProfile": {"address": "172.30.0.61"}}}),
    ] {
        assert_ne!(first, hash(changes));
    }
}

#[test]
fn failing_kubelet_patch_is_an_error() {
    let fixture = Fixture::with(json!({"spec": {"kubernetes": {"kubelet": {
        "configurationJSONPatches": [{"op": "remove", "path": "/nothing"}],
    }}}}));
    let error = render(&fixture.facts()).unwrap_err().to_string();
    assert!(
        error.contains("configurationJSONPatches[0] (remove /nothing)"),
        "{error}"
    );
}
