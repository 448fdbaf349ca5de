//! Tests of adoption: objects that others created follow the plan once they are adopted.

use kamaji_api::labels;
use kamaji_core::{
    adoption::Child,
    object::{Intent, Kind, Object},
};
use kamaji_shell::{apply::Writer, live::Live, received::Received};
use kube::{
    Client,
    api::{DynamicObject, PostParams},
};
use serde_json::{Value, json};

use crate::support::{api, leading_writer, planned, server};

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

/// The planned Service of a tenant with these ports by name.
fn service(type_: &str, ports: &[(&str, u16, Option<u16>)]) -> Object {
    let ports = ports.iter().map(|(name, port, node)| {
        json!({"name": name, "port": port, "targetPort": port, "protocol": "TCP", "nodePort": node})
    });
    let spec = json!({"type": type_, "selector": selector(), "ports": ports.collect::<Vec<_>>()});
    let service = planned("v1", "Service", "t", &json!({"spec": spec}));
    service.amended(|body| body["metadata"]["ownerReferences"] = owner(UID))
}

/// Creates an object by POST with that field manager, as a Go client does.
async fn post(client: &Client, manager: &str, object: &Object) -> Live {
    let params = PostParams {
        field_manager: Some(manager.to_owned()),
        ..PostParams::default()
    };
    let body: DynamicObject = serde_json::from_value(object.body.clone()).unwrap();
    let created = api(client, &object.key).create(&params, &body).await;
    Live::of(Received(created.unwrap()))
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

/// NVIDIA DPF creates the Service first, then a tenant with the node port of the Service.
#[tokio::test]
async fn a_service_created_for_a_tenant_follows_the_port_of_the_tenant() {
    let server = server().await;
    let client = server.client().await.unwrap();
    let writer = leading_writer(&client);
    let foreign = service("NodePort", &[("kube-apiserver", 6443, None)]);
    let foreign = foreign.amended(|body| {
        let metadata = body["metadata"].as_object_mut().unwrap();
        metadata.retain(|key, _| matches!(key.as_str(), "name" | "namespace"));
    });
    let live = post(&client, "dpf-operator", &foreign).await;
    let node = live.body["spec"]["ports"][0]["nodePort"].as_u64().unwrap();
    let node = u16::try_from(node).unwrap();
    let address = live.body["spec"]["clusterIP"].clone();
    let own = || service("NodePort", &[("kube-apiserver", node, Some(node))]);
    let adopted = adopt(&writer, own(), &live).await;
    assert_eq!(ports(&adopted), [u64::from(node)]);
    assert_eq!(adopted.body["spec"]["clusterIP"], address);
    let child = Child::of(&adopted.body, Kind::Service, "t");
    assert_eq!(child.owner.as_deref(), Some(UID));
    let next = service("NodePort", &[("kube-apiserver", 31999, Some(31999))]);
    assert_eq!(ports(&update(&writer, next, &adopted).await), [31999]);
}

#[tokio::test]
async fn a_service_of_upstream_follows_a_new_port_and_loses_the_port_of_konnectivity() {
    let server = server().await;
    let client = server.client().await.unwrap();
    let writer = leading_writer(&client);
    let both = [
        ("kube-apiserver", 6443, None),
        ("konnectivity-server", 8132, None),
    ];
    let live = post(&client, "kamaji", &service("ClusterIP", &both)).await;
    assert!(Child::of(&live.body, Kind::Service, "t").marks.updated);
    let adopted = adopt(&writer, service("ClusterIP", &both), &live).await;
    assert!(!Child::of(&adopted.body, Kind::Service, "t").marks.updated);
    let moved = [
        ("kube-apiserver", 7443, None),
        ("konnectivity-server", 8132, None),
    ];
    let moved = update(&writer, service("ClusterIP", &moved), &adopted).await;
    assert_eq!(ports(&moved), [7443, 8132]);
    let alone = [("kube-apiserver", 7443, None)];
    let alone = update(&writer, service("ClusterIP", &alone), &moved).await;
    assert_eq!(ports(&alone), [7443]);
}

/// Covers containers, environment and volumes: the lists with a merge key.
#[tokio::test]
async fn a_deployment_of_upstream_loses_what_is_no_longer_planned() {
    let server = server().await;
    let client = server.client().await.unwrap();
    let writer = leading_writer(&client);
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
    let adopted = adopt(&writer, deployment(false), &live).await;
    let pod = &adopted.body["spec"]["template"]["spec"];
    assert_eq!(pod["containers"].as_array().unwrap().len(), 1);
    assert_eq!(pod["volumes"].as_array().unwrap().len(), 1);
    for list in ["env", "ports", "volumeMounts"] {
        assert!(pod["containers"][0][list].is_null(), "{list}");
    }
}

#[tokio::test]
async fn a_restored_object_gets_its_present_owner_and_loses_the_former_one() {
    let server = server().await;
    let client = server.client().await.unwrap();
    let writer = leading_writer(&client);
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
        assert!(
            two.to_string().contains("controller"),
            "two controllers: {two}"
        );
        let adopted = adopt(&writer, object, &live).await;
        assert_eq!(adopted.body["metadata"]["ownerReferences"], owner(UID));
        assert_eq!(
            adopted.body["metadata"]["labels"]["velero.io/backup-name"],
            "b"
        );
    }
}

/// The annotation of the adoption permits it: the spec of the Service is replaced.
#[tokio::test]
async fn a_service_annotated_for_adoption_has_only_the_planned_spec() {
    let server = server().await;
    let client = server.client().await.unwrap();
    let writer = leading_writer(&client);
    let foreign = service("ClusterIP", &[("http", 80, None)]).amended(|body| {
        body["metadata"] = json!({
            "name": "t", "namespace": "default", "labels": {"app": "shop"},
            "annotations": {labels::ADOPT: "t"},
        });
        body["spec"]["selector"] = json!({"app": "shop"});
    });
    let live = post(&client, "helm", &foreign).await;
    let own = service("ClusterIP", &[("kube-apiserver", 6443, None)]);
    let adopted = adopt(&writer, own, &live).await;
    assert_eq!(ports(&adopted), [6443]);
    assert_eq!(adopted.body["spec"]["selector"], selector());
    assert_eq!(
        adopted.body["metadata"]["labels"]["app"], "shop",
        "labels stay"
    );
}
