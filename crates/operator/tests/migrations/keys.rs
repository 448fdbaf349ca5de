//! Keys of single resources, as a real kube-apiserver writes them to the etcd of an override.

use etcd_client::GetOptions;
use kamaji_core::binding::resources;
use kamaji_e2e::{
    envtest::{ApiServer, Options},
    tls_etcd::TlsEtcd,
    tools::Tools,
};
use kube::api::{Api, DynamicObject, PostParams};
use serde_json::{Value, json};

use crate::environment::client_of;

/// Objects, each with the group of an override and its plural name.
fn samples() -> Vec<(&'static str, &'static str, Value)> {
    let of = |version: &str, kind: &str, rest: Value| {
        let mut object =
            json!({"apiVersion": version, "kind": kind, "metadata": {"name": "sample"}});
        let (Some(object_), Some(rest)) = (object.as_object_mut(), rest.as_object()) else {
            unreachable!("both are objects");
        };
        object_.extend(rest.clone());
        object
    };
    let pod = json!({"metadata": {"labels": {"a": "b"}}, "spec": {
        "restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}],
    }});
    let always = json!({"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}});
    let selector = json!({"matchLabels": {"a": "b"}});
    let involved = json!({"namespace": "default", "name": "x", "kind": "Pod"});
    let backend = json!({"service": {"name": "s", "port": {"number": 1}}});
    vec![
        ("", "configmaps", of("v1", "ConfigMap", json!({}))),
        ("", "secrets", of("v1", "Secret", json!({}))),
        (
            "",
            "events",
            of("v1", "Event", json!({"involvedObject": involved})),
        ),
        ("", "nodes", of("v1", "Node", json!({}))),
        (
            "",
            "podtemplates",
            of("v1", "PodTemplate", json!({"template": always})),
        ),
        (
            "",
            "limitranges",
            of("v1", "LimitRange", json!({"spec": {"limits": []}})),
        ),
        ("", "resourcequotas", of("v1", "ResourceQuota", json!({}))),
        ("", "serviceaccounts", of("v1", "ServiceAccount", json!({}))),
        (
            "",
            "replicationcontrollers",
            of(
                "v1",
                "ReplicationController",
                json!({"spec": {"selector": {"a": "b"}, "template": always}}),
            ),
        ),
        ("", "endpoints", of("v1", "Endpoints", json!({}))),
        (
            "coordination.k8s.io",
            "leases",
            of("coordination.k8s.io/v1", "Lease", json!({})),
        ),
        (
            "apps",
            "deployments",
            of(
                "apps/v1",
                "Deployment",
                json!({"spec": {"selector": selector, "template": always}}),
            ),
        ),
        (
            "apps",
            "replicasets",
            of(
                "apps/v1",
                "ReplicaSet",
                json!({"spec": {"selector": selector, "template": always}}),
            ),
        ),
        (
            "batch",
            "jobs",
            of("batch/v1", "Job", json!({"spec": {"template": pod}})),
        ),
        (
            "batch",
            "cronjobs",
            of(
                "batch/v1",
                "CronJob",
                json!({"spec": {"schedule": "* * * * *", "jobTemplate": {"spec": {"template": pod}}}}),
            ),
        ),
        (
            "policy",
            "poddisruptionbudgets",
            of("policy/v1", "PodDisruptionBudget", json!({})),
        ),
        (
            "networking.k8s.io",
            "ingresses",
            of(
                "networking.k8s.io/v1",
                "Ingress",
                json!({"spec": {"defaultBackend": backend}}),
            ),
        ),
        (
            "networking.k8s.io",
            "networkpolicies",
            of(
                "networking.k8s.io/v1",
                "NetworkPolicy",
                json!({"spec": {"podSelector": {}}}),
            ),
        ),
        (
            "rbac.authorization.k8s.io",
            "roles",
            of("rbac.authorization.k8s.io/v1", "Role", json!({"rules": []})),
        ),
        (
            "discovery.k8s.io",
            "endpointslices",
            of(
                "discovery.k8s.io/v1",
                "EndpointSlice",
                json!({"addressType": "IPv4", "endpoints": []}),
            ),
        ),
        (
            "storage.k8s.io",
            "storageclasses",
            of(
                "storage.k8s.io/v1",
                "StorageClass",
                json!({"provisioner": "p"}),
            ),
        ),
        (
            "node.k8s.io",
            "runtimeclasses",
            of("node.k8s.io/v1", "RuntimeClass", json!({"handler": "h"})),
        ),
        (
            "scheduling.k8s.io",
            "priorityclasses",
            of("scheduling.k8s.io/v1", "PriorityClass", json!({"value": 1})),
        ),
    ]
}

const CLUSTER_WIDE: [&str; 4] = [
    "nodes",
    "storageclasses",
    "runtimeclasses",
    "priorityclasses",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kube_apiserver_keeps_every_known_resource_under_its_prefix_and_no_other_key() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let tools = Tools::api_server().await.unwrap();
    let etcd = TlsEtcd::start(&tools).await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    etcd.identities.write(dir.path()).unwrap();
    let file = |flag: &str, name: &str| format!("--{flag}={}", dir.path().join(name).display());
    let all: Vec<String> = resources::all().collect();
    let items = all
        .iter()
        .map(|resource| format!("{resource}#https://{}", etcd.endpoint));
    let args = vec![
        file("etcd-cafile", "ca.crt"),
        file("etcd-certfile", "root.crt"),
        file("etcd-keyfile", "root.key"),
        format!(
            "--etcd-servers-overrides={}",
            items.collect::<Vec<_>>().join(",")
        ),
        "--disable-admission-plugins=ServiceAccount".to_owned(),
    ];
    let server = ApiServer::start(&tools, Options { args, audit: false })
        .await
        .unwrap();
    let client = server.client().await.unwrap();
    for (group, plural, object) in samples() {
        let version = object["apiVersion"]
            .as_str()
            .unwrap()
            .rsplit('/')
            .next()
            .unwrap();
        let kind = object["kind"].as_str().unwrap();
        let gvk = kube::core::GroupVersionKind::gvk(group, version, kind);
        let resource = kube::core::ApiResource::from_gvk_with_plural(&gvk, plural);
        let api: Api<DynamicObject> = if CLUSTER_WIDE.contains(&plural) {
            Api::all_with(client.clone(), &resource)
        } else {
            Api::namespaced_with(client.clone(), "default", &resource)
        };
        let object: DynamicObject = serde_json::from_value(object).unwrap();
        let created = api.create(&PostParams::default(), &object).await;
        created.unwrap_or_else(|error| panic!("{plural}: {error}"));
    }
    let mut client = client_of(&etcd).await;
    let keys = GetOptions::new().with_prefix().with_keys_only();
    let answer = client.get("/registry/", Some(keys)).await.unwrap();
    let keys: Vec<&str> = answer
        .kvs()
        .iter()
        .map(|kv| kv.key_str().unwrap())
        .collect();
    let under = |prefix: &str| format!("/registry/{prefix}");
    for (group, plural, _) in samples() {
        let prefix = under(&resources::prefix(&format!("{group}/{plural}")).unwrap());
        let sample = |key: &&str| key.starts_with(&prefix) && key.ends_with("/sample");
        assert!(keys.iter().any(|key| sample(key)), "{plural}: {keys:#?}");
    }
    let known: Vec<String> = all
        .iter()
        .map(|name| under(&resources::prefix(name).unwrap()))
        .collect();
    let stray: Vec<&&str> = keys
        .iter()
        .filter(|key| !known.iter().any(|prefix| key.starts_with(prefix)))
        .collect();
    assert!(stray.is_empty(), "{stray:?}");
    // What the API server makes at its start is there, too.
    for prefix in [
        "namespaces/",
        "clusterroles/",
        "flowschemas/",
        "servicecidrs/",
        "ipaddresses/",
    ] {
        assert!(
            keys.iter().any(|key| key.starts_with(&under(prefix))),
            "{prefix}"
        );
    }
}
