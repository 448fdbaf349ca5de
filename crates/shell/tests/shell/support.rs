//! Helpers of the shell's integration tests.

use std::time::Duration;

use kamaji_api::labels;
use kamaji_core::object::{Kind, Object, ObjectRef};
use kamaji_e2e::{
    envtest::{ApiServer, Options},
    tools::Tools,
};
use kamaji_shell::ObjectKey;
use kamaji_shell::{
    apply::Writer, index::Index, lease::Leadership, queue::Queue, telemetry::Counters, watch,
};
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, Patch, PatchParams},
};
use serde_json::{Value, json};

pub async fn server() -> ApiServer {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let tools = Tools::api_server().await.unwrap();
    ApiServer::start(&tools, Options::default()).await.unwrap()
}

pub fn leading_writer(client: &Client) -> Writer {
    Writer::new(client.clone(), Leadership::always(), Counters::default())
}

pub fn tenant() -> ObjectKey {
    ObjectKey::new("default", "t")
}

/// A planned object of the tenant `t`, with the fields of `rest` beside the metadata.
pub fn planned(api_version: &str, kind: &str, name: &str, rest: &Value) -> Object {
    let mut body = json!({
        "apiVersion": api_version, "kind": kind,
        "metadata": {
            "name": name, "namespace": "default",
            "labels": {labels::PROJECT: "kamaji", labels::NAME: "t"},
        },
    });
    for (key, value) in rest.as_object().unwrap() {
        body[key] = value.clone();
    }
    Object::from_value(body)
}

pub fn config_map(name: &str, value: &str) -> Object {
    planned("v1", "ConfigMap", name, &json!({"data": {"k": value}}))
}

pub fn api(client: &Client, key: &ObjectRef) -> Api<DynamicObject> {
    let (group, version, kind, plural) = key.kind.names();
    let resource = ApiResource {
        group: group.to_owned(),
        version: version.to_owned(),
        api_version: key.kind.api_version(),
        kind: kind.to_owned(),
        plural: plural.to_owned(),
    };
    Api::namespaced_with(client.clone(), "default", &resource)
}

/// Patches an object as field manager `rival`.
pub async fn change_as_rival(client: &Client, key: &ObjectRef, patch: Value) {
    let params = PatchParams {
        field_manager: Some("rival".to_owned()),
        ..PatchParams::default()
    };
    api(client, key)
        .patch(&key.name, &params, &Patch::Merge(patch))
        .await
        .unwrap();
}

/// Starts watches of `kinds` and waits for their first lists. Returns their index and the queue of changed tenants.
pub async fn start_index(client: &Client, kinds: &[Kind]) -> (Index, Queue<ObjectKey>) {
    let (index, queue) = (Index::default(), Queue::default());
    for kind in kinds {
        let (sender, mut ready) = tokio::sync::watch::channel(false);
        let target = queue.clone();
        let children = watch::Children {
            kind: *kind,
            index: index.clone(),
            ready: sender,
        };
        let enqueue = move |key| target.enqueue(key);
        tokio::spawn(watch::children(client.clone(), children, enqueue));
        ready.wait_for(|ready| *ready).await.unwrap();
    }
    (index, queue)
}

/// Waits until `holds` is true; panics after 30 s.
pub async fn eventually(what: &str, holds: impl Fn() -> bool) {
    for _ in 0..600 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("not within 30 s: {what}");
}
