//! Does what others made follow our plans once it is ours?

use kamaji_api::labels;
use kamaji_core::{
    adoption::Child,
    object::{Intent, Kind, Object},
};
use kamaji_shell::{apply::Writer, live::Live};
use kube::{
    Client,
    api::{DynamicObject, PostParams},
};
use serde_json::{Value, json};

use crate::support::{api, door, planned, server};

const UID: &str = "11111111-2222-3333-4444-555555555555";

fn owner(uid: &str) -> Value {
    json!([{
        "apiVersion": "kamaji.clastix.io/v1alpha1", "kind": "TenantControlPlane", "name": "t",
        "uid": uid, "controller": true, "blockOwnerDeletion": true,
    }])
}

fn selector() -> Value {
    json!({labels::NAME: "t"})
}

/// The Service as we plan it, with these ports by name.
fn service(type_: &str, ports: &[(&str, u16, Option<u16>)]) -> Object {
    let ports = ports.iter().map(|(name, port, node)| {
        json!({"name": name, "port": port, "targetPort": port, "protocol": "TCP", "nodePort": node})
    });
    let spec = json!({"type": type_, "selector": selector(), "ports": ports.collect::<Vec<_>>()});
    let service = planned("v1", "Service", "t", &json!({"spec": spec}));
    service.amended(|body| body["metadata"]["ownerReferences"] = owner(UID))
}

/// Makes an object by a POST, as a Go client of that name does.
async fn post(client: &Client, manager: &str, object: &Object) -> Live {
    let params = PostParams {
        field_manager: Some(manager.to_owned()),
        ..PostParams::default()
    };
    let body: DynamicObject = serde_json::from_value(object.body.clone()).unwrap();
    Live::of(
        &api(client, &object.key)
            .create(&params, &body)
            .await
            .unwrap(),
    )
}

async fn adopt(writer: &Writer, object: Object, live: &Live) -> Live {
    let intent = Intent::Adopt(live.version.clone());
    writer.write(&object.with(intent)).await.unwrap()
}

async fn update(writer: &Writer, object: Object, live: &Live) -> Live {
    let intent = Intent::Update(live.version.clone());
    writer.write(&object.with(intent)).await.unwrap()
}

fn ports(live: &Live) -> Vec<u64> {
    let ports = live.body["spec"]["ports"].as_array().unwrap();
    ports
        .iter()
        .map(|port| port["port"].as_u64().unwrap())
        .collect()
}

/// NVIDIA DPF: the Service first, then a tenant at the node port that it got.
#[tokio::test]
async fn a_service_that_was_made_for_the_tenant_follows_the_tenants_port() {
    let server = server().await;
    let client = server.client().await.unwrap();
    let writer = door(&client);
    let theirs = service("NodePort", &[("kube-apiserver", 6443, None)]);
    let theirs = theirs.amended(|body| {
        let metadata = body["metadata"].as_object_mut().unwrap();
        metadata.retain(|key, _| matches!(key.as_str(), "name" | "namespace"));
    });
    let live = post(&client, "dpf-operator", &theirs).await;
    let node = live.body["spec"]["ports"][0]["nodePort"].as_u64().unwrap();
    let node = u16::try_from(node).unwrap();
    let address = live.body["spec"]["clusterIP"].clone();
    let ours = || service("NodePort", &[("kube-apiserver", node, Some(node))]);
    let taken = adopt(&writer, ours(), &live).await;
    assert_eq!(ports(&taken), [u64::from(node)]);
    assert_eq!(taken.body["spec"]["clusterIP"], address);
    let child = Child::of(&taken.body, Kind::Service, "t");
    assert_eq!(child.owner.as_deref(), Some(UID));
    let next = service("NodePort", &[("kube-apiserver", 31999, Some(31999))]);
    assert_eq!(ports(&update(&writer, next, &taken).await), [31999]);
}

#[tokio::test]
async fn a_service_of_the_reference_follows_a_new_port_and_loses_konnectivitys() {
    let server = server().await;
    let client = server.client().await.unwrap();
    let writer = door(&client);
    let both = [
        ("kube-apiserver", 6443, None),
        ("konnectivity-server", 8132, None),
    ];
    let live = post(&client, "kamaji", &service("ClusterIP", &both)).await;
    assert!(Child::of(&live.body, Kind::Service, "t").marks.updated);
    let taken = adopt(&writer, service("ClusterIP", &both), &live).await;
    assert!(!Child::of(&taken.body, Kind::Service, "t").marks.updated);
    let moved = [
        ("kube-apiserver", 7443, None),
        ("konnectivity-server", 8132, None),
    ];
    let moved = update(&writer, service("ClusterIP", &moved), &taken).await;
    assert_eq!(ports(&moved), [7443, 8132]);
    let alone = [("kube-apiserver", 7443, None)];
    let alone = update(&writer, service("ClusterIP", &alone), &moved).await;
    assert_eq!(ports(&alone), [7443]);
}

/// Containers, environment, volumes: every list with a key.
#[tokio::test]
async fn a_deployment_of_the_reference_loses_what_is_no_longer_planned() {
    let server = server().await;
    let client = server.client().await.unwrap();
    let writer = door(&client);
    let deployment = |extra: bool| {
        let mut containers = vec![json!({"name": "api", "image": "example.com/a"})];
        let mut volumes = vec![json!({"name": "one", "emptyDir": {}})];
        if extra {
            containers[0]["env"] = json!([{"name": "OLD", "value": "1"}]);
            containers[0]["ports"] = json!([{"containerPort": 6443, "protocol": "TCP"}]);
            containers[0]["volumeMounts"] = json!([{"name": "two", "mountPath": "/two"}]);
            containers.push(json!({"name": "old", "image": "example.com/o"}));
            volumes.push(json!({"name": "two", "emptyDir": {}}));
        }
        let template = json!({
            "metadata": {"labels": {"a": "b"}},
            "spec": {"containers": containers, "volumes": volumes},
        });
        let spec = json!({"selector": {"matchLabels": {"a": "b"}}, "template": template});
        let object = planned("apps/v1", "Deployment", "t", &json!({"spec": spec}));
        object.amended(|body| body["metadata"]["ownerReferences"] = owner(UID))
    };
    let live = post(&client, "kamaji", &deployment(true)).await;
    let taken = adopt(&writer, deployment(false), &live).await;
    let pod = &taken.body["spec"]["template"]["spec"];
    assert_eq!(pod["containers"].as_array().unwrap().len(), 1);
    assert_eq!(pod["volumes"].as_array().unwrap().len(), 1);
    for list in ["env", "ports", "volumeMounts"] {
        assert!(pod["containers"][0][list].is_null(), "{list}");
    }
}

#[tokio::test]
async fn what_a_backup_brought_back_gets_its_present_owner_and_keeps_no_former_one() {
    let server = server().await;
    let client = server.client().await.unwrap();
    let writer = door(&client);
    let former = "99999999-2222-3333-4444-555555555555";
    let service = || service("ClusterIP", &[("kube-apiserver", 6443, None)]);
    let secret = || {
        let data = json!({"data": {"ca.crt": "eA=="}});
        let secret = planned("v1", "Secret", "t-ca", &data);
        secret.amended(|body| body["metadata"]["ownerReferences"] = owner(UID))
    };
    for (object, restored) in [(service(), service()), (secret(), secret())] {
        let restored = restored.amended(|body| {
            body["metadata"]["ownerReferences"] = owner(former);
            body["metadata"]["labels"]["velero.io/backup-name"] = "b".into();
        });
        let live = post(&client, "velero-server", &restored).await;
        let blind = object.clone().with(Intent::Update(live.version.clone()));
        let two = writer.write(&blind).await.unwrap_err();
        assert!(two.to_string().contains("controller"), "two of them: {two}");
        let taken = adopt(&writer, object, &live).await;
        assert_eq!(taken.body["metadata"]["ownerReferences"], owner(UID));
        assert_eq!(
            taken.body["metadata"]["labels"]["velero.io/backup-name"],
            "b"
        );
    }
}

/// A person has said so: all that the Service was is replaced.
#[tokio::test]
async fn what_was_handed_over_says_nothing_but_what_is_planned() {
    let server = server().await;
    let client = server.client().await.unwrap();
    let writer = door(&client);
    let theirs = service("ClusterIP", &[("http", 80, None)]).amended(|body| {
        body["metadata"] = json!({
            "name": "t", "namespace": "default", "labels": {"app": "shop"},
            "annotations": {labels::ADOPT: "t"},
        });
        body["spec"]["selector"] = json!({"app": "shop"});
    });
    let live = post(&client, "helm", &theirs).await;
    let ours = service("ClusterIP", &[("kube-apiserver", 6443, None)]);
    let taken = adopt(&writer, ours, &live).await;
    assert_eq!(ports(&taken), [6443]);
    assert_eq!(taken.body["spec"]["selector"], selector());
    assert_eq!(
        taken.body["metadata"]["labels"]["app"], "shop",
        "labels stay"
    );
}
