use serde_json::json;

use super::*;
use crate::kubeconfig_generator::fixture::{World, generator};

fn resolved(spec: &Value, tenant: &Value) -> Result<Identity, String> {
    let mut object = serde_json::to_value(World::new().tenant).unwrap();
    json_patch::merge(&mut object, tenant);
    let tenant = serde_json::from_value(object).unwrap();
    resolve(&generator(spec).spec, &tenant).map_err(|error| error.to_string())
}

#[test]
fn groups_are_sorted_and_each_is_there_once() {
    let spec =
        json!({"groups": [{"stringValue": "b"}, {"stringValue": "a"}, {"stringValue": "b"}]});
    let identity = resolved(&spec, &json!({})).unwrap();
    assert_eq!(identity.user, "auditor");
    assert_eq!(identity.groups, ["a", "b"]);
}

#[test]
fn paths_lead_to_texts_of_the_tenant() {
    let spec = json!({
        "user": {"fromDefinition": "metadata.name"},
        "groups": [{"fromDefinition": "metadata.labels.team"}, {"fromDefinition": "spec.kubernetes.version"}],
    });
    let identity = resolved(&spec, &json!({})).unwrap();
    assert_eq!(identity.user, "full");
    assert_eq!(identity.groups, ["red", "v1.36.3"]);
}

#[test]
fn paths_that_lead_to_no_text_are_refused() {
    for (path, words) in [
        ("metadata.nothing", "has no metadata.nothing"),
        ("metadata.name.more", "has no metadata.name.more"),
        ("", "has no "),
        (".", "has no ."),
        ("spec", "is no text"),
        ("spec.controlPlane.deployment.replicas", "is no text"),
        (
            "metadata.labels.kamaji.clastix.io/x",
            "has no metadata.labels.kamaji",
        ),
    ] {
        let spec = json!({"user": {"fromDefinition": path}});
        let error = resolved(&spec, &json!({})).unwrap_err();
        assert!(error.contains(words), "{path}: {error}");
        assert!(error.contains("spec.user"), "{path}: {error}");
    }
}

#[test]
fn names_that_tenant_clusters_trust_come_from_the_generator_alone() {
    for name in [
        "system:masters",
        "system:",
        "system:kube-controller-manager",
        "kubeadm:cluster-admins",
        "kube-apiserver-kubelet-client",
    ] {
        let given = json!({"user": {"stringValue": name}, "groups": [{"stringValue": name}]});
        assert_eq!(resolved(&given, &json!({})).unwrap().groups, [name]);
        let annotated = json!({"metadata": {"annotations": {"team": name}}});
        let path = json!({"fromDefinition": "metadata.annotations.team"});
        for taken in [json!({"user": path}), json!({"groups": [path]})] {
            let error = resolved(&taken, &annotated).unwrap_err();
            assert!(error.contains("only stringValue may name it"), "{error}");
        }
    }
}

#[test]
fn texts_have_bounds_wherever_they_come_from() {
    let long = "x".repeat(LONGEST + 1);
    for text in ["", long.as_str(), "a\nb", "a\u{0}"] {
        let annotated = json!({"metadata": {"annotations": {"team": text}}});
        let path = json!({"user": {"fromDefinition": "metadata.annotations.team"}});
        assert!(resolved(&path, &annotated).is_err(), "{text:?}");
        let given = json!({"groups": [{"stringValue": text}]});
        let error = resolved(&given, &json!({})).unwrap_err();
        assert!(
            error.contains("spec.groups[0]") && error.len() < 256,
            "{error}"
        );
    }
    let most = json!({"user": {"stringValue": "x".repeat(LONGEST)}});
    assert!(resolved(&most, &json!({})).is_ok());
    let group = |number: usize| json!({"stringValue": format!("{number:0>256}")});
    let groups = |count: usize| json!({"groups": (0..count).map(group).collect::<Vec<_>>()});
    assert!(resolved(&groups(32), &json!({})).is_ok());
    let error = resolved(&groups(33), &json!({})).unwrap_err();
    assert!(error.contains("8448 bytes"), "{error}");
}

#[test]
fn messages_quote_little_of_what_a_tenant_says() {
    let text = format!("system:{}", "é".repeat(5000));
    let annotated = json!({"metadata": {"annotations": {"team": text}}});
    let path = json!({"user": {"fromDefinition": "metadata.annotations.team"}});
    let error = resolved(&path, &annotated).unwrap_err();
    assert!(error.len() < 400, "{error}");
}

#[test]
fn neither_source_and_both_sources_are_refused() {
    for user in [
        json!({}),
        json!({"stringValue": "a", "fromDefinition": "metadata.name"}),
    ] {
        let mut value = generator(&json!({}));
        value.spec.user = serde_json::from_value(user).unwrap();
        let error = resolve(&value.spec, &World::new().tenant).unwrap_err();
        assert_eq!(error, IdentityError::Ambiguous("user".to_owned()));
    }
}
