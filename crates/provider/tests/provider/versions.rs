//! Both API versions, served by a real API server with the real conversion webhook, and the migration of the storage
//! version.

use kamaji_e2e::ports::free_port;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use crate::{
    environment::{Environment, NAMESPACE, Provider, owner_of},
    waiting::until,
};

const NAME: &str = "kamajicontrolplanes.controlplane.cluster.x-k8s.io";

fn like(version: &str) -> Value {
    json!({
        "apiVersion": format!("controlplane.cluster.x-k8s.io/{version}"), "kind": "KamajiControlPlane",
        "metadata": {"namespace": NAMESPACE},
    })
}

fn definition() -> Value {
    let all = kamaji_api::crd::all();
    all.into_iter().find(|(name, _)| name == NAME).unwrap().1
}

/// The definition, with its conversion led to a port of this machine.
fn converted(port: u16) -> Value {
    let mut definition = definition();
    definition["spec"]["conversion"] = json!({
        "strategy": "Webhook",
        "webhook": {
            "conversionReviewVersions": ["v1"],
            "clientConfig": {"service": {
                "name": "capi-kamaji-webhook-service", "namespace": "kamaji-system",
                "path": "/convert", "port": port,
            }},
        },
    });
    definition
}

/// Applies a definition without a CA bundle and waits until the API server converts by it. For a moment it goes on with
/// the former one, by which it asks no webhook; by this one, an object of the version that is `not_stored` fails.
async fn apply_and_wait(environment: &Environment, definition: Value, not_stored: &str) {
    environment.apply(definition).await;
    let mut object = like(not_stored);
    object["metadata"]["name"] = json!("never-stored");
    object["spec"] = json!({"version": "1.36.3", "replicas": 3});
    let mut params = PatchParams::apply("person").force();
    params.dry_run = true;
    until("the API server to follow the definition", async || {
        let patch = Patch::Apply(&object);
        let api = environment.api_of(&object);
        let answer = api.patch("never-stored", &params, &patch).await;
        let error = answer.err()?.to_string();
        error.contains("conversion webhook for").then_some(())
    })
    .await;
}

/// A provider whose conversion the API server follows a Service to.
async fn converting(environment: &Environment, port: u16) -> Provider {
    environment
        .apply(json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": {"name": "capi-kamaji-webhook-service", "namespace": "kamaji-system"},
            "spec": {"type": "ExternalName", "externalName": "localhost"},
        }))
        .await;
    let mut settings = Environment::settings();
    settings.webhooks = Some(([127, 0, 0, 1], port).into());
    environment.start_provider_with(settings)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_of_the_old_version_is_converted_to_the_new_one_and_back() {
    let environment = Environment::new().await;
    let port = free_port().unwrap();
    apply_and_wait(&environment, converted(port), "v1alpha1").await;
    let _provider = converting(&environment, port).await;
    let mut old = like("v1alpha1");
    old["metadata"]["name"] = json!("old");
    old["metadata"]["ownerReferences"] = json!([owner_of("c", "u")]);
    old["spec"] =
        json!({"version": "1.36.3", "replicas": 3, "network": {"serviceType": "ClusterIP"}});
    until("the conversion to be trusted", async || {
        let params = PatchParams::apply("person").force();
        let patch = Patch::Apply(&old);
        environment
            .api_of(&old)
            .patch("old", &params, &patch)
            .await
            .ok()
    })
    .await;
    let new = environment.control_planes().get("old").await.unwrap();
    assert_eq!(new.spec.replicas, Some(3));
    // The provider works on it, and what it says is there in the old words, too.
    environment
        .wait_until_false("old", "Available", "ClusterMissing")
        .await;
    let back = environment
        .api_of(&like("v1alpha1"))
        .get("old")
        .await
        .unwrap();
    assert_eq!(back.data["spec"]["replicas"], 3);
    assert_eq!(back.data["status"]["initialized"], false);
    assert_eq!(back.data["spec"]["network"]["serviceType"], "ClusterIP");
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_stored_in_the_old_version_are_migrated() {
    let environment = Environment::new().await;
    let port = free_port().unwrap();
    // The state that an installation of 0.19 leaves: the old version is the stored one.
    let mut before = converted(port);
    for version in before["spec"]["versions"].as_array_mut().unwrap() {
        version["storage"] = json!(version["name"] == "v1alpha1");
    }
    let mut old = like("v1alpha1");
    old["metadata"]["name"] = json!("old");
    old["spec"] = json!({"version": "1.36.3", "replicas": 3});
    apply_and_wait(&environment, before, "v1alpha2").await;
    environment.apply(old).await;
    environment.apply(converted(port)).await;
    let stored = async || {
        let like = json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {}});
        let live = environment.api_of(&like).get(NAME).await.unwrap();
        live.data["status"]["storedVersions"].clone()
    };
    assert_eq!(stored().await.as_array().unwrap().len(), 2);
    let provider = converting(&environment, port).await;
    until("the migrated storedVersions", async || {
        (stored().await == json!(["v1alpha2"])).then_some(())
    })
    .await;
    drop(provider);
    // Other API servers may go on with the former definition, and would store the old version again.
    let requests = environment.requests(0);
    let last = |verb: &str, resource: &str, parameter: &str| {
        let found = requests.iter().filter(|entry| {
            entry.verb == verb && entry.uri.contains(resource) && entry.uri.contains(parameter)
        });
        found.map(|entry| entry.at).max().unwrap()
    };
    let changed = last("patch", &format!("/{NAME}?"), "");
    let rewritten = last("list", "/kamajicontrolplanes?", "limit=100");
    assert!(rewritten.duration_since(changed).as_secs() >= 5);

    // Without the old version it can still be read, which proves how it is stored.
    let mut versions = definition()["spec"]["versions"].clone();
    let list = versions.as_array_mut().unwrap();
    list.retain(|version| version["name"] == "v1alpha2");
    let conversion = json!({"strategy": "None", "webhook": null});
    let patch = json!({"spec": {"conversion": conversion, "versions": versions}});
    let kind = json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {}});
    let (params, patch) = (PatchParams::default(), Patch::Merge(patch));
    environment
        .api_of(&kind)
        .patch(NAME, &params, &patch)
        .await
        .unwrap();
    let live = until("the object", async || {
        environment.control_planes().get("old").await.ok()
    })
    .await;
    assert_eq!(live.spec.replicas, Some(3));
}
