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

/// Object of a kind with the group of an override and its plural name.
type Sample = (&'static str, &'static str, Value);

/// Sample of the kind `kind` with the fields `rest`.
fn of(version: &'static str, (plural, kind): (&'static str, &str), rest: &Value) -> Sample {
    let mut object = json!({"apiVersion": version, "kind": kind, "metadata": {"name": "sample"}});
    for (field, value) in rest.as_object().unwrap() {
        object[field] = value.clone();
    }
    let (group, _) = version.split_once('/').unwrap_or_default();
    (group, plural, object)
}

/// Template of pods with this restart policy.
fn template(restart: &str) -> Value {
    json!({"metadata": {"labels": {"a": "b"}}, "spec": {
        "restartPolicy": restart, "containers": [{"name": "c", "image": "i"}],
    }})
}

/// Samples of the core group.
fn core_samples() -> Vec<Sample> {
    let always = template("Always");
    let involved = json!({"namespace": "default", "name": "x", "kind": "Pod"});
    let controller = json!({"spec": {"selector": {"a": "b"}, "template": always}});
    vec![
        of("v1", ("configmaps", "ConfigMap"), &json!({})),
        of("v1", ("secrets", "Secret"), &json!({})),
        of(
            "v1",
            ("events", "Event"),
            &json!({"involvedObject": involved}),
        ),
        of("v1", ("nodes", "Node"), &json!({})),
        of(
            "v1",
            ("podtemplates", "PodTemplate"),
            &json!({"template": always}),
        ),
        of(
            "v1",
            ("limitranges", "LimitRange"),
            &json!({"spec": {"limits": []}}),
        ),
        of("v1", ("resourcequotas", "ResourceQuota"), &json!({})),
        of("v1", ("serviceaccounts", "ServiceAccount"), &json!({})),
        of(
            "v1",
            ("replicationcontrollers", "ReplicationController"),
            &controller,
        ),
        of("v1", ("endpoints", "Endpoints"), &json!({})),
    ]
}

/// Samples of workloads.
fn workload_samples() -> Vec<Sample> {
    let (once, always) = (template("Never"), template("Always"));
    let replicas = json!({"spec": {"selector": {"matchLabels": {"a": "b"}}, "template": always}});
    let job = json!({"spec": {"template": once}});
    let scheduled = json!({"spec": {"schedule": "* * * * *", "jobTemplate": job}});
    vec![
        of("apps/v1", ("deployments", "Deployment"), &replicas),
        of("apps/v1", ("replicasets", "ReplicaSet"), &replicas),
        of("batch/v1", ("jobs", "Job"), &job),
        of("batch/v1", ("cronjobs", "CronJob"), &scheduled),
        of(
            "policy/v1",
            ("poddisruptionbudgets", "PodDisruptionBudget"),
            &json!({}),
        ),
    ]
}

/// Samples of the other groups.
fn other_samples() -> Vec<Sample> {
    let backend = json!({"service": {"name": "s", "port": {"number": 1}}});
    let (ingress, policy) = (
        json!({"spec": {"defaultBackend": backend}}),
        json!({"spec": {"podSelector": {}}}),
    );
    let slice = json!({"addressType": "IPv4", "endpoints": []});
    let network = "networking.k8s.io/v1";
    vec![
        of("coordination.k8s.io/v1", ("leases", "Lease"), &json!({})),
        of(network, ("ingresses", "Ingress"), &ingress),
        of(network, ("networkpolicies", "NetworkPolicy"), &policy),
        of(
            "rbac.authorization.k8s.io/v1",
            ("roles", "Role"),
            &json!({"rules": []}),
        ),
        of(
            "discovery.k8s.io/v1",
            ("endpointslices", "EndpointSlice"),
            &slice,
        ),
        of(
            "storage.k8s.io/v1",
            ("storageclasses", "StorageClass"),
            &json!({"provisioner": "p"}),
        ),
        of(
            "node.k8s.io/v1",
            ("runtimeclasses", "RuntimeClass"),
            &json!({"handler": "h"}),
        ),
        of(
            "scheduling.k8s.io/v1",
            ("priorityclasses", "PriorityClass"),
            &json!({"value": 1}),
        ),
    ]
}

fn samples() -> Vec<Sample> {
    [core_samples(), workload_samples(), other_samples()].concat()
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
        assert!(keys.iter().any(sample), "{plural}: {keys:#?}");
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
