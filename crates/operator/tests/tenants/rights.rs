//! The rights in `config/rbac` are exactly those that the operator's calls need: a test uses every feature and
//! compares the API server's audit log with the rules.

use std::{collections::BTreeSet, time::Duration};

use kamaji_e2e::audit::Entry;
use kube::api::{ApiResource, DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};

use crate::{
    admission, data_stores,
    environment::{ACCOUNT, Environment, RIGHTS, wait_until},
};

/// Rights that [`exercise_features`] does not use, each with the reason why it is granted.
const RARE: [(&str, &str); 14] = [
    ("get /configmaps", READ),
    ("get /services", READ),
    ("get apps/deployments", READ),
    ("get networking.k8s.io/ingresses", READ),
    ("get gateway.networking.k8s.io/tlsroutes", READ),
    (
        "create events.k8s.io/events",
        "only for a transition of a condition, and the test need not cause one: shell/events.rs",
    ),
    (
        "patch events.k8s.io/events",
        "an event that repeats within minutes is counted up",
    ),
    (
        "update kamaji.clastix.io/tenantcontrolplanes/finalizers",
        "never called: setting blockOwnerDeletion requires it",
    ),
    ("list /pods", "only while a rollout is late: rollout.rs"),
    (
        "get kamaji.clastix.io/tenantcontrolplanes",
        "only for a Secret that waits for its deletion: orphan.rs",
    ),
    ("delete /services", OWNER),
    ("delete apps/deployments", OWNER),
    ("create authentication.k8s.io/tokenreviews", SECURE),
    ("create authorization.k8s.io/subjectaccessreviews", SECURE),
];
const READ: &str = "an object is read when the index does not know what was written, or a write storm is explained";
const OWNER: &str = "never called: setting the owner of an existing object requires it, foreign.rs";
const SECURE: &str = "with --metrics-secure only: shell/metrics_access.rs";

/// `verb group/resource` of every rule, and the namespace that it is limited to.
type Rights = BTreeSet<(String, Option<String>)>;

/// Rights that the roles of the package grant.
fn granted_rights() -> Rights {
    let mut rights = Rights::new();
    for file in RIGHTS {
        let objects: Vec<Value> = serde_saphyr::from_multiple(file).unwrap();
        for object in objects {
            let namespace = object["metadata"]["namespace"].as_str();
            for rule in object["rules"].as_array().into_iter().flatten() {
                for call in calls_allowed(rule) {
                    rights.insert((call, namespace.map(str::to_owned)));
                }
            }
        }
    }
    rights
}

/// Calls that one rule allows, as `verb group/resource`; rules for URLs allow none.
fn calls_allowed(rule: &Value) -> Vec<String> {
    let list = |key: &str| {
        let items = rule[key].as_array().into_iter().flatten();
        let items = items.map(|item| item.as_str().unwrap().to_owned());
        items.collect::<Vec<_>>()
    };
    let mut calls = Vec::new();
    for group in list("apiGroups") {
        for resource in list("resources") {
            for verb in list("verbs") {
                calls.push(format!("{verb} {group}/{resource}"));
            }
        }
    }
    calls
}

/// Calls in the audit log, as `verb group/resource`, each with its namespace.
fn observed_calls(entries: &[Entry]) -> Rights {
    let mut calls = Rights::new();
    for entry in entries {
        let object = &entry.object_ref;
        let mut resource = format!("{}/{}", object.api_group, object.resource);
        if !object.subresource.is_empty() {
            resource = format!("{resource}/{}", object.subresource);
        }
        let namespace = Some(object.namespace.clone()).filter(|name| !name.is_empty());
        calls.insert((format!("{} {resource}", entry.verb), namespace.clone()));
        // Server-side apply of an object that does not exist needs `create` too.
        if entry.verb == "patch" && entry.response_status.code == 201 {
            calls.insert((format!("create {resource}"), namespace));
        }
    }
    calls
}

/// Installs the definitions of the Gateway API that the operator uses, with schemas that accept anything.
async fn gateway_api(environment: &Environment) {
    let any = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    for (kind, singular) in [("Gateway", "gateway"), ("TLSRoute", "tlsroute")] {
        let plural = format!("{singular}s");
        environment
            .apply(json!({
                "apiVersion": "apiextensions.k8s.io/v1",
                "kind": "CustomResourceDefinition",
                "metadata": {
                    "name": format!("{plural}.gateway.networking.k8s.io"),
                    "annotations": {"api-approved.kubernetes.io": "unapproved, for a test"},
                },
                "spec": {
                    "group": "gateway.networking.k8s.io",
                    "names": {"kind": kind, "listKind": format!("{kind}List"), "plural": plural, "singular": singular},
                    "scope": "Namespaced",
                    "versions": [{
                        "name": "v1", "served": true, "storage": true,
                        "schema": {"openAPIV3Schema": any}, "subresources": {"status": {}},
                    }],
                },
            }))
            .await;
    }
}

/// Merges `spec` into a tenant's spec.
async fn patch_spec(environment: &Environment, tenant: &str, spec: Value) {
    let patch = Patch::Merge(json!({"spec": spec}));
    let params = PatchParams::default();
    let api = environment.tenants();
    api.patch(tenant, &params, &patch).await.unwrap();
}

/// Waits until a tenant has `number` objects of a kind.
async fn wait_for_count(
    environment: &Environment,
    tenant: &str,
    resource: &ApiResource,
    number: usize,
) {
    let what = format!("{number} {} of {tenant}", resource.plural);
    wait_until(&what, async || {
        (environment.owned(resource, tenant).await.len() == number).then_some(())
    })
    .await;
}

/// Creates tenants with every feature, takes the features away again, and deletes the tenants.
async fn exercise_features(environment: &Environment) {
    let routes = ApiResource {
        group: "gateway.networking.k8s.io".to_owned(),
        version: "v1".to_owned(),
        api_version: "gateway.networking.k8s.io/v1".to_owned(),
        kind: "TLSRoute".to_owned(),
        plural: "tlsroutes".to_owned(),
    };
    let ingresses = ApiResource::erase::<k8s_openapi::api::networking::v1::Ingress>(&());
    let konnectivity = json!({"konnectivity": {"server": {"port": 8132}}});
    data_stores::apply_secret(
        environment,
        "referred",
        &data_stores::valid_material(environment),
    )
    .await;
    data_stores::data_store_with_secret(environment, "referred").await;
    let ingress = json!({"hostname": "plain.example.com", "ingressClassName": "nginx"});
    let spec = json!({"addons": konnectivity, "controlPlane": {"ingress": ingress}});
    environment.tenant("plain", spec).await;
    wait_for_count(environment, "plain", &ingresses, 1).await;
    // The operator starts to use the Gateway API once it is installed.
    gateway_api(environment).await;
    let gateway = json!({"hostname": "routed.example.com", "parentRefs": [{"name": "edge"}]});
    environment
        .tenant("routed", json!({"controlPlane": {"gateway": gateway}}))
        .await;
    wait_for_count(environment, "routed", &routes, 1).await;
    for tenant in ["plain", "routed"] {
        environment.wait_for_objects(tenant).await;
    }
    patch_spec(
        environment,
        "routed",
        json!({"controlPlane": {"gateway": null}}),
    )
    .await;
    wait_for_count(environment, "routed", &routes, 0).await;
    let disabled = json!({"addons": {"konnectivity": null}, "controlPlane": {"ingress": null}});
    patch_spec(environment, "plain", disabled).await;
    wait_for_count(environment, "plain", &ingresses, 0).await;
    for tenant in ["plain", "routed"] {
        let params = DeleteParams::default();
        environment.tenants().delete(tenant, &params).await.unwrap();
        environment.wait_deleted(tenant).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_packaged_rights_are_exactly_those_that_the_calls_need() {
    let mut settings = Environment::settings();
    settings.leader_elect = true;
    let (environment, operator) = admission::start_with_webhooks_and(settings).await;
    exercise_features(&environment).await;
    // The audit log has a watch only after its end.
    drop(operator);
    tokio::time::sleep(Duration::from_secs(2)).await;

    let user = format!("system:serviceaccount:kamaji-system:{ACCOUNT}");
    let entries = environment.api.audit().since(0).unwrap();
    let by_operator =
        |entry: &Entry| entry.user.username == user && !entry.object_ref.resource.is_empty();
    let entries: Vec<_> = entries.into_iter().filter(by_operator).collect();
    let refused = entries.iter().filter(|e| e.response_status.code == 403);
    let refused: Vec<_> = refused.map(|e| format!("{} {}", e.verb, e.uri)).collect();
    assert!(refused.is_empty(), "config/rbac lacks {refused:#?}");

    let (granted, observed) = (granted_rights(), observed_calls(&entries));
    let is_granted = |(call, namespace): &&(String, Option<String>)| {
        granted.contains(&(call.clone(), None))
            || granted.contains(&(call.clone(), namespace.clone()))
    };
    let lacking: Vec<_> = observed.iter().filter(|call| !is_granted(call)).collect();
    assert!(lacking.is_empty(), "config/rbac lacks {lacking:#?}");
    let is_used = |(call, namespace): &&(String, Option<String>)| {
        let mut same = observed.iter().filter(|(other, _)| other == call);
        same.any(|(_, used_in)| namespace.is_none() || used_in == namespace)
    };
    let is_rare = |call: &str| RARE.iter().any(|(rare, _)| *rare == call);
    let unused = granted.iter().filter(|right| !is_used(right));
    let unused: Vec<_> = unused.filter(|(call, _)| !is_rare(call)).collect();
    assert!(
        unused.is_empty(),
        "config/rbac grants what is never used: {unused:#?}"
    );
    for (rare, reason) in RARE {
        let found = granted.iter().any(|(call, _)| call == rare);
        assert!(found, "{rare} is not granted any more: {reason}");
    }
}
