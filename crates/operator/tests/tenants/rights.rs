//! The packaged rights are what the operator's calls need, no more and no less: the audit log of a walk through
//! its features is compared with `config/rbac`.

use std::{collections::BTreeSet, time::Duration};

use kamaji_e2e::audit::Entry;
use kube::api::{ApiResource, DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};

use crate::{
    admission, data_stores,
    environment::{ACCOUNT, Environment, RIGHTS, until},
};

/// Rights that the walk does not use, each with the reason why it is granted.
const RARE: [(&str, &str); 14] = [
    ("get /configmaps", READ),
    ("get /services", READ),
    ("get apps/deployments", READ),
    ("get networking.k8s.io/ingresses", READ),
    ("get gateway.networking.k8s.io/tlsroutes", READ),
    (
        "create events.k8s.io/events",
        "a transition of a condition is told, and none need be in the walk: shell/events.rs",
    ),
    (
        "patch events.k8s.io/events",
        "an event that is told again within minutes counts up",
    ),
    (
        "update kamaji.clastix.io/tenantcontrolplanes/finalizers",
        "nobody calls it: who sets blockOwnerDeletion must be allowed to",
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
const OWNER: &str =
    "nobody calls it: who sets the owner of an object that is there must be allowed to, foreign.rs";
const SECURE: &str = "with --metrics-secure only: shell/metrics.rs";

/// `verb group/resource` of every rule, and the namespace that it is limited to.
type Rights = BTreeSet<(String, Option<String>)>;

fn granted() -> Rights {
    let mut rights = Rights::new();
    for file in RIGHTS {
        let objects: Vec<Value> = serde_saphyr::from_multiple(file).unwrap();
        for object in objects {
            let namespace = object["metadata"]["namespace"].as_str();
            for rule in object["rules"].as_array().into_iter().flatten() {
                for call in calls(rule) {
                    rights.insert((call, namespace.map(str::to_owned)));
                }
            }
        }
    }
    rights
}

/// What one rule allows; URLs are not calls of ours.
fn calls(rule: &Value) -> Vec<String> {
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

/// Calls that the operator made, and where.
fn made(entries: &[Entry]) -> Rights {
    let mut calls = Rights::new();
    for entry in entries {
        let object = &entry.object_ref;
        let mut resource = format!("{}/{}", object.api_group, object.resource);
        if !object.subresource.is_empty() {
            resource = format!("{resource}/{}", object.subresource);
        }
        let namespace = Some(object.namespace.clone()).filter(|name| !name.is_empty());
        calls.insert((format!("{} {resource}", entry.verb), namespace.clone()));
        // Server-side apply of what is not there.
        if entry.verb == "patch" && entry.response_status.code == 201 {
            calls.insert((format!("create {resource}"), namespace));
        }
    }
    calls
}

/// Definitions of the Gateway API, as far as the operator is concerned.
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

/// Merges into a tenant's spec.
async fn change(environment: &Environment, tenant: &str, spec: Value) {
    let patch = Patch::Merge(json!({"spec": spec}));
    let params = PatchParams::default();
    let api = environment.tenants();
    api.patch(tenant, &params, &patch).await.unwrap();
}

/// Waits until a tenant has that many objects of a kind.
async fn has(environment: &Environment, tenant: &str, (resource, number): (&ApiResource, usize)) {
    let what = format!("{number} {} of {tenant}", resource.plural);
    until(&what, async || {
        (environment.owned(resource, tenant).await.len() == number).then_some(())
    })
    .await;
}

/// What a person may ask for, and takes back.
async fn walk(environment: &Environment) {
    let routes = ApiResource {
        group: "gateway.networking.k8s.io".to_owned(),
        version: "v1".to_owned(),
        api_version: "gateway.networking.k8s.io/v1".to_owned(),
        kind: "TLSRoute".to_owned(),
        plural: "tlsroutes".to_owned(),
    };
    let ingresses = ApiResource::erase::<k8s_openapi::api::networking::v1::Ingress>(&());
    let konnectivity = json!({"konnectivity": {"server": {"port": 8132}}});
    data_stores::secret(environment, "referred", &data_stores::right(environment)).await;
    data_stores::referring(environment, "referred").await;
    let ingress = json!({"hostname": "plain.example.com", "ingressClassName": "nginx"});
    let spec = json!({"addons": konnectivity, "controlPlane": {"ingress": ingress}});
    environment.tenant("plain", spec).await;
    has(environment, "plain", (&ingresses, 1)).await;
    // The Gateway API is noticed when it is installed.
    gateway_api(environment).await;
    let gateway = json!({"hostname": "routed.example.com", "parentRefs": [{"name": "edge"}]});
    environment
        .tenant("routed", json!({"controlPlane": {"gateway": gateway}}))
        .await;
    has(environment, "routed", (&routes, 1)).await;
    for tenant in ["plain", "routed"] {
        environment.written(tenant).await;
    }
    change(
        environment,
        "routed",
        json!({"controlPlane": {"gateway": null}}),
    )
    .await;
    has(environment, "routed", (&routes, 0)).await;
    let nothing = json!({"addons": {"konnectivity": null}, "controlPlane": {"ingress": null}});
    change(environment, "plain", nothing).await;
    has(environment, "plain", (&ingresses, 0)).await;
    for tenant in ["plain", "routed"] {
        let params = DeleteParams::default();
        environment.tenants().delete(tenant, &params).await.unwrap();
        environment.gone(tenant).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_packaged_rights_are_those_that_the_calls_need() {
    let mut settings = Environment::settings();
    settings.leader_elect = true;
    let (environment, operator) = admission::asked_of(settings).await;
    walk(&environment).await;
    // A watch is in the log when it has ended.
    drop(operator);
    tokio::time::sleep(Duration::from_secs(2)).await;

    let user = format!("system:serviceaccount:kamaji-system:{ACCOUNT}");
    let entries = environment.api.audit().since(0).unwrap();
    let ours = |entry: &Entry| entry.user.username == user && !entry.object_ref.resource.is_empty();
    let entries: Vec<_> = entries.into_iter().filter(ours).collect();
    let refused = entries.iter().filter(|e| e.response_status.code == 403);
    let refused: Vec<_> = refused.map(|e| format!("{} {}", e.verb, e.uri)).collect();
    assert!(refused.is_empty(), "config/rbac lacks {refused:#?}");

    let (granted, made) = (granted(), made(&entries));
    let is_granted = |(call, namespace): &&(String, Option<String>)| {
        granted.contains(&(call.clone(), None))
            || granted.contains(&(call.clone(), namespace.clone()))
    };
    let lacking: Vec<_> = made.iter().filter(|call| !is_granted(call)).collect();
    assert!(lacking.is_empty(), "config/rbac lacks {lacking:#?}");
    let is_used = |(call, namespace): &&(String, Option<String>)| {
        let mut same = made.iter().filter(|(made, _)| made == call);
        same.any(|(_, place)| namespace.is_none() || place == namespace)
    };
    let is_rare = |call: &str| RARE.iter().any(|(rare, _)| *rare == call);
    let unused = granted.iter().filter(|right| !is_used(right));
    let unused: Vec<_> = unused.filter(|(call, _)| !is_rare(call)).collect();
    assert!(
        unused.is_empty(),
        "config/rbac grants what nobody uses: {unused:#?}"
    );
    for (rare, why) in RARE {
        let found = granted.iter().any(|(call, _)| call == rare);
        assert!(found, "{rare} is not granted any more: {why}");
    }
}
