//! Tests of watches: every change is observed, and no object or error ends a watch.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kamaji_api::tenant::{TenantControlPlane, TenantControlPlaneStatus};
use kamaji_shell::ObjectKey;
use kamaji_shell::{apply::WriteError, watch};
use kube::{
    Api, Client, Resource,
    api::{ApiResource, DeleteParams, DynamicObject, PostParams},
};
use serde_json::{Value, json};

use crate::support::{eventually, leading_writer, server};

const PLURAL: &str = "tenantcontrolplanes.kamaji.clastix.io";

/// Creates the definition of TenantControlPlanes; without its schema if `open`.
async fn define(client: &Client, open: bool) {
    let all = kamaji_api::crd::all();
    let found = all
        .into_iter()
        .find(|(_, crd)| crd["metadata"]["name"] == PLURAL);
    let (_, mut crd) = found.unwrap();
    if open {
        for version in crd["spec"]["versions"].as_array_mut().unwrap() {
            version["schema"]["openAPIV3Schema"] =
                json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
            let fields = version.as_object_mut().unwrap();
            fields.remove("additionalPrinterColumns");
            fields["subresources"]
                .as_object_mut()
                .unwrap()
                .remove("scale");
        }
    }
    let crd: CustomResourceDefinition = serde_json::from_value(crd).unwrap();
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    api.create(&PostParams::default(), &crd).await.unwrap();
}

fn dynamic(client: &Client) -> Api<DynamicObject> {
    let resource = ApiResource::erase::<TenantControlPlane>(&());
    Api::namespaced_with(client.clone(), "default", &resource)
}

async fn create(client: &Client, name: &str, spec: Value) -> TenantControlPlane {
    let object: DynamicObject = serde_json::from_value(json!({
        "apiVersion": TenantControlPlane::api_version(&()), "kind": "TenantControlPlane",
        "metadata": {"name": name, "namespace": "default"}, "spec": spec,
    }))
    .unwrap();
    let api = dynamic(client);
    for _ in 0..100 {
        match api.create(&PostParams::default(), &object).await {
            Ok(made) => {
                let value = serde_json::to_value(made).unwrap();
                return serde_json::from_value(value).unwrap_or_else(|_| valid(name));
            }
            // A definition takes a moment until it is served.
            Err(kube::Error::Api(status)) if status.code == 404 => {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            Err(error) => panic!("{error}"),
        }
    }
    panic!("the definition is not served");
}

fn valid(name: &str) -> TenantControlPlane {
    TenantControlPlane::new(name, serde_json::from_value(spec()).unwrap())
}

fn spec() -> Value {
    json!({
        "controlPlane": {"deployment": {}, "service": {"serviceType": "ClusterIP"}},
        "kubernetes": {"version": "v1.33.0", "kubelet": {"cgroupfs": "systemd"}},
        "networkProfile": {},
    })
}

#[tokio::test]
async fn a_watch_waits_for_a_missing_definition_and_skips_an_object_that_cannot_be_parsed() {
    let server = server().await;
    let client = server.client().await.unwrap();
    let objects: watch::Objects<ObjectKey, TenantControlPlane> = watch::Objects::default();
    let enqueued = Arc::new(Mutex::new(Vec::<ObjectKey>::new()));
    let log = enqueued.clone();
    let enqueue = move |key| log.lock().unwrap().push(key);
    tokio::spawn(watch::all(client.clone(), objects.clone(), enqueue));
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(!objects.is_ready(), "there is no definition yet");

    define(&client, true).await;
    create(&client, "bad", json!({"kubernetes": 7})).await;
    create(&client, "good", spec()).await;
    let (good, bad) = (
        ObjectKey::new("default", "good"),
        ObjectKey::new("default", "bad"),
    );
    eventually("the valid object is observed", || {
        objects.get(&good).is_some()
    })
    .await;
    assert!(objects.is_ready());
    assert!(objects.get(&bad).is_none());
    let seen = objects.get(&good).unwrap();
    assert!(seen.metadata.managed_fields.is_none());
    assert!(enqueued.lock().unwrap().contains(&good));

    enqueued.lock().unwrap().clear();
    dynamic(&client)
        .delete("good", &DeleteParams::default())
        .await
        .unwrap();
    eventually("the object is gone", || objects.get(&good).is_none()).await;
    assert!(
        enqueued.lock().unwrap().contains(&good),
        "a deletion enqueues, too"
    );
}

#[tokio::test]
async fn a_status_is_replaced_as_a_whole_and_only_at_the_expected_uid_and_version() {
    let server = server().await;
    let client = server.client().await.unwrap();
    let writer = leading_writer(&client);
    define(&client, false).await;
    let object = create(&client, "t", spec()).await;
    let mut status = TenantControlPlaneStatus {
        control_plane_endpoint: Some("10.0.0.1:6443".to_owned()),
        ..TenantControlPlaneStatus::default()
    };
    let written = writer.patch_status(&object, &status).await.unwrap();
    assert_eq!(written.status.as_ref(), Some(&status));
    status.control_plane_endpoint = None;
    let written = writer.patch_status(&written, &status).await.unwrap();
    let left = written.status.clone().unwrap_or_default();
    assert_eq!(
        left.control_plane_endpoint, None,
        "a field that is no longer set is removed"
    );

    let finalizers = ["kamaji.clastix.io/test".to_owned()];
    let stale = writer.set_finalizers(&object, &finalizers).await;
    assert!(
        matches!(stale, Err(WriteError::Conflict { .. })),
        "{stale:?}"
    );
    let late = writer.patch_status(&object, &status).await;
    assert!(matches!(late, Err(WriteError::Conflict { .. })), "{late:?}");
    let held = writer.set_finalizers(&written, &finalizers).await.unwrap();
    assert_eq!(held.metadata.finalizers.as_deref(), Some(&finalizers[..]));
    writer.set_finalizers(&held, &[]).await.unwrap();

    dynamic(&client)
        .delete("t", &DeleteParams::default())
        .await
        .unwrap();
    let gone = writer.patch_status(&object, &status).await;
    assert!(matches!(gone, Err(WriteError::Gone(_))), "{gone:?}");
    create(&client, "t", spec()).await;
    let other = writer.patch_status(&object, &status).await;
    assert!(
        matches!(other, Err(WriteError::Conflict { .. })),
        "{other:?}"
    );
}

#[tokio::test]
async fn a_watch_of_one_object_reports_an_object_that_existed_before_the_first_list() {
    use k8s_openapi::api::core::v1::ConfigMap;
    let server = server().await;
    let client = server.client().await.unwrap();
    let resource = kube::api::ApiResource::erase::<ConfigMap>(&());
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), "default", &resource);
    let watched = Api::namespaced_with(client.clone(), "default", &resource);
    let object = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "made-in-the-gap"},
    });
    let object = serde_json::from_value(object).unwrap();
    // Created after a read has found nothing, and before the watch begins.
    let params = kube::api::PostParams::default();
    api.create(&params, &object).await.unwrap();
    let enqueued = Arc::new(Mutex::new(0));
    let log = enqueued.clone();
    let enqueue = move || *log.lock().unwrap() += 1;
    tokio::spawn(watch::object(
        watched,
        "made-in-the-gap".to_owned(),
        enqueue,
    ));
    eventually("the object is reported", || *enqueued.lock().unwrap() == 1).await;
    let params = DeleteParams::default();
    api.delete("made-in-the-gap", &params).await.unwrap();
    eventually("the deletion is reported", || {
        *enqueued.lock().unwrap() == 2
    })
    .await;
}
