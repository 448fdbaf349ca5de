//! `kamaji doctor` before and after an installation.

use k8s_openapi::{
    ByteString,
    api::{
        admissionregistration::v1::ValidatingWebhookConfiguration, apps::v1::Deployment,
        storage::v1::StorageClass,
    },
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kamaji_api::datastore::DataStore;
use kamaji_e2e::{kubeconfig::kubeconfig, pki::Authority};
use kube::{
    Api, Resource,
    api::{Patch, PatchParams, PostParams},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::support::Cluster;

/// Exit code and standard output of `kamaji doctor`.
fn doctor(cluster: &Cluster, arguments: &[&str]) -> (Option<i32>, String) {
    let arguments = [&["doctor"], arguments].concat();
    let output = cluster.command(&arguments).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    (output.status.code(), text)
}

/// The lines about one check that have a result.
fn lines<'a>(text: &'a str, result: &str, check: &str) -> Vec<&'a str> {
    let is = |line: &&str| line.starts_with(result) && line.contains(&format!("   {check}"));
    text.lines().filter(is).collect()
}

async fn create<K>(cluster: &Cluster, object: Value)
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Serialize + std::fmt::Debug,
{
    let api: Api<K> = Api::all(cluster.client.clone());
    let object = serde_json::from_value(object).unwrap();
    api.create(&PostParams::default(), &object).await.unwrap();
}

#[tokio::test]
async fn doctor_of_a_bare_cluster_says_what_is_missing() {
    let cluster = Cluster::bare().await;
    let (code, text) = doctor(&cluster, &[]);
    assert_eq!(code, Some(1), "{text}");
    assert_eq!(lines(&text, "ok", "version").len(), 1, "{text}");
    for name in ["tenantcontrolplanes", "datastores", "kubeconfiggenerators"] {
        let line = lines(&text, "failed", name);
        assert!(
            line.iter().any(|line| line.contains("kamaji crds")),
            "{name}: {text}"
        );
    }
    assert_eq!(
        lines(&text, "hint", "kamajicontrolplanes").len(),
        1,
        "{text}"
    );
    for check in ["operator", "webhooks"] {
        assert_eq!(lines(&text, "failed", check).len(), 1, "{text}");
    }
    for check in ["storage class", "load balancer"] {
        assert_eq!(lines(&text, "hint", check).len(), 1, "{text}");
    }
    assert_eq!(lines(&text, "ok", "rights").len(), 1, "{text}");
}

/// Objects of a whole installation, as far as `kamaji doctor` reads it.
async fn install(cluster: &Cluster) {
    let labels = json!({"app.kubernetes.io/name": "kamaji"});
    let container = json!({"name": "manager", "image": "x"});
    let deployment = json!({
        "metadata": {"name": "kamaji-controller-manager", "labels": labels},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    });
    let api: Api<Deployment> = Api::namespaced(cluster.client.clone(), "default");
    let deployment = serde_json::from_value(deployment).unwrap();
    api.create(&PostParams::default(), &deployment)
        .await
        .unwrap();
    let available = json!({"status": {"conditions": [{"type": "Available", "status": "True"}]}});
    api.patch_status(
        "kamaji-controller-manager",
        &PatchParams::default(),
        &Patch::Merge(available),
    )
    .await
    .unwrap();
    let authority = Authority::new("webhooks").unwrap();
    let bundle = ByteString(authority.pair().cert.clone().into_bytes());
    let rule = json!({
        "apiGroups": ["kamaji.clastix.io"], "apiVersions": ["v1alpha1"],
        "operations": ["CREATE"], "resources": ["kubeconfiggenerators"],
    });
    let webhook = json!({
        "name": "v.kamaji.clastix.io", "admissionReviewVersions": ["v1"], "sideEffects": "None",
        "failurePolicy": "Ignore", "rules": [rule],
        "clientConfig": {"url": "https://127.0.0.1:1/x", "caBundle": bundle},
    });
    let configuration = json!({"metadata": {"name": "ours"}, "webhooks": [webhook]});
    create::<ValidatingWebhookConfiguration>(cluster, configuration).await;
    let annotations = json!({"storageclass.kubernetes.io/is-default-class": "true"});
    let class =
        json!({"metadata": {"name": "fast", "annotations": annotations}, "provisioner": "x"});
    create::<StorageClass>(cluster, class).await;
    let secret = json!({"content": "eA=="});
    let store = json!({
        "metadata": {"name": "default"},
        "spec": {
            "driver": "PostgreSQL", "endpoints": ["db:5432"],
            "basicAuth": {"username": secret, "password": secret},
        },
    });
    create::<DataStore>(cluster, store).await;
    let stores: Api<DataStore> = Api::all(cluster.client.clone());
    let ready = Patch::Merge(json!({"status": {"ready": true}}));
    let parameters = PatchParams::default();
    let patched = stores.patch_status("default", &parameters, &ready);
    patched.await.unwrap();
}

#[tokio::test]
async fn doctor_of_a_whole_installation_passes_and_names_what_breaks_later() {
    let cluster = Cluster::start().await;
    install(&cluster).await;
    let (code, text) = doctor(&cluster, &[]);
    assert_eq!(code, Some(0), "{text}");
    assert!(lines(&text, "failed", "").is_empty(), "{text}");
    assert!(
        lines(&text, "ok", "storage class")[0].contains("fast"),
        "{text}"
    );

    let definitions: Api<CustomResourceDefinition> = Api::all(cluster.client.clone());
    let path =
        "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/dataStore/description";
    let patch: json_patch::Patch =
        serde_json::from_value(json!([{"op": "replace", "path": path, "value": "older"}])).unwrap();
    let name = "tenantcontrolplanes.kamaji.clastix.io";
    let patched = definitions
        .patch(name, &PatchParams::default(), &Patch::Json::<()>(patch))
        .await;
    patched.unwrap();
    let stores: Api<DataStore> = Api::all(cluster.client.clone());
    let down = json!({"status": {"conditions": [{
        "type": "kamaji.clastix.io/DataStoreAvailable", "status": "False", "reason": "CheckFailed",
        "message": "refused\u{1b}[31m", "lastTransitionTime": "2026-01-01T00:00:00Z",
    }]}});
    let patched = stores
        .patch_status("default", &PatchParams::default(), &Patch::Merge(down))
        .await;
    patched.unwrap();
    let (code, text) = doctor(&cluster, &[]);
    assert_eq!(code, Some(1), "{text}");
    assert!(
        lines(&text, "failed", "tenantcontrolplanes")[0].contains("another release"),
        "{text}"
    );
    assert!(
        lines(&text, "failed", "datastores")[0].contains("CheckFailed: refused\\u{1b}"),
        "{text}"
    );
    assert_eq!(lines(&text, "failed", "").len(), 2, "{text}");
}

#[tokio::test]
async fn doctor_names_the_rights_that_the_caller_lacks() {
    let cluster = Cluster::bare().await;
    let folder = cluster.kubeconfig().parent().unwrap().to_owned();
    let ca = std::fs::read_to_string(folder.join("ca.crt")).unwrap();
    let token = cluster.token("nobody").await;
    let stranger = kamaji_e2e::pki::Pair {
        cert: String::new(),
        key: String::new(),
    };
    let mut access = kubeconfig(cluster.url(), &ca, &stranger);
    access["users"][0]["user"] = json!({"token": token});
    let path = cluster.home().join("nobody");
    std::fs::write(&path, access.to_string()).unwrap();
    let (code, text) = doctor(&cluster, &["--kubeconfig", path.to_str().unwrap()]);
    assert_eq!(code, Some(1), "{text}");
    let line = lines(&text, "failed", "rights")[0];
    assert!(
        line.contains("create tenantcontrolplanes") && line.contains("list secrets"),
        "{text}"
    );
    let line = lines(&text, "failed", "operator")[0];
    assert!(line.contains("ask the administrator"), "{text}");
}
