//! Commands that change a tenant.

use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use crate::support::Cluster;

const CREATE: [&str; 6] = [
    "create",
    "one",
    "--version",
    "1.36.3",
    "--service-type",
    "ClusterIP",
];

#[tokio::test]
async fn create_prints_with_dry_run_and_creates_once_without() {
    let cluster = Cluster::start().await;
    let dry = [&CREATE[..], &["--dry-run", "--cert-san", "a.example.com"]].concat();
    let printed: Value = serde_saphyr::from_str(&cluster.ok(&dry)).unwrap();
    assert_eq!(printed["spec"]["kubernetes"]["version"], "v1.36.3");
    assert_eq!(
        printed["spec"]["networkProfile"]["certSANs"][0],
        "a.example.com"
    );
    assert_eq!(
        printed["spec"]["networkProfile"]["clusterDomain"],
        "cluster.local"
    );
    assert!(cluster.tenants().get_opt("one").await.unwrap().is_none());

    cluster.ok(&[
        &CREATE[..],
        &[
            "--datastore",
            "fast",
            "--replicas",
            "3",
            "--addons",
            "coredns",
        ],
    ]
    .concat());
    let made = cluster.read("one").await.spec;
    assert_eq!(made.control_plane.deployment.replicas, Some(3));
    assert_eq!(made.data_store.as_deref(), Some("fast"));
    assert!(made.addons.core_dns.is_some() && made.addons.kube_proxy.is_none());
    let again = cluster.fails(&CREATE, 1);
    assert!(
        again.contains("already exists: choose another name"),
        "{again}"
    );
    let usage = cluster
        .command(&["create", "two", "--version", "latest"])
        .output();
    assert_eq!(usage.unwrap().status.code(), Some(2));
}

#[tokio::test]
async fn create_names_a_field_that_older_definitions_do_not_have() {
    let cluster = Cluster::start().await;
    let definitions: kube::Api<k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition> =
        kube::Api::all(cluster.client.clone());
    let name = "tenantcontrolplanes.kamaji.clastix.io";
    let path = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/networkProfile/properties/certSANs";
    let patch: json_patch::Patch =
        serde_json::from_value(json!([{"op": "remove", "path": path}])).unwrap();
    let patched = definitions
        .patch(name, &PatchParams::default(), &Patch::Json::<()>(patch))
        .await;
    patched.unwrap();
    let arguments = [&CREATE[..], &["--dry-run", "--cert-san", "a.example.com"]].concat();
    let mut text = String::new();
    // The API server takes the changed definition within seconds, and answers 503 in the moment in which it does.
    for _ in 0..60 {
        let output = cluster.command(&arguments).output().unwrap();
        if !output.status.success() {
            text = crate::support::sentence(&output, 1);
            if !text.contains("apiserver is shutting down") {
                break;
            }
        }
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    }
    assert!(text.contains("certSANs"), "{text}");
}

#[tokio::test]
async fn sleep_notes_the_replicas_and_wake_brings_them_back() {
    let cluster = Cluster::start().await;
    cluster.tenant("one", &json!({})).await;
    let replicas = async || {
        cluster
            .read("one")
            .await
            .spec
            .control_plane
            .deployment
            .replicas
    };
    cluster.ok(&["sleep", "one"]);
    assert_eq!(replicas().await, Some(0));
    assert!(cluster.ok(&["sleep", "one"]).contains("sleeps already"));
    cluster.ok(&["wake", "one"]);
    assert_eq!(replicas().await, Some(3));
    let left = cluster.read("one").await.metadata.annotations;
    assert_eq!(left.unwrap_or_default().len(), 0);
    cluster.ok(&["sleep", "one"]);
    let evil =
        json!({"metadata": {"annotations": {"kamaji.clastix.io/replicas-before-sleep": "100000"}}});
    let patched = cluster
        .tenants()
        .patch("one", &PatchParams::default(), &Patch::Merge(evil))
        .await;
    patched.unwrap();
    assert!(cluster.fails(&["wake", "one"], 1).contains("--replicas"));
    cluster.ok(&["wake", "one", "--replicas", "1"]);
    assert_eq!(replicas().await, Some(1));
}

#[tokio::test]
async fn upgrade_pause_and_resume_change_what_they_name_and_nothing_else() {
    let cluster = Cluster::start().await;
    let before = cluster.tenant("one", &json!({})).await;
    cluster.ok(&["upgrade", "default/one", "1.36.3"]);
    let mut after = cluster.read("one").await;
    assert_eq!(after.spec.kubernetes.version, "v1.36.3");
    after.spec.kubernetes.version = before.spec.kubernetes.version.clone();
    assert_eq!(after.spec, before.spec);
    assert!(
        cluster
            .ok(&["upgrade", "one", "v1.36.3"])
            .contains("already")
    );
    cluster.ok(&["pause", "one"]);
    let paused = cluster.read("one").await;
    assert!(kamaji_api::labels::is_paused(&paused.metadata));
    assert!(cluster.ok(&["get"]).contains("(paused)"));
    assert!(cluster.fails(&["wait", "one"], 4).contains("kamaji resume"));
    assert!(
        cluster
            .fails(&["rotate", "one", "--all-leaves"], 1)
            .contains("kamaji resume")
    );
    cluster.ok(&["resume", "one"]);
    assert!(!kamaji_api::labels::is_paused(
        &cluster.read("one").await.metadata
    ));
}

#[tokio::test]
async fn rotate_annotates_the_secrets_that_the_tenant_owns_and_no_authority_unasked() {
    let cluster = Cluster::start().await;
    let tenant = cluster.tenant("one", &json!({})).await;
    let leaves = [
        "api-server-certificate",
        "api-server-kubelet-client-certificate",
        "front-proxy-client-certificate",
        "admin-kubeconfig",
        "controller-manager-kubeconfig",
        "scheduler-kubeconfig",
        "datastore-certificate",
    ];
    for role in leaves.iter().chain(&["ca"]) {
        let name = format!("one-{role}");
        cluster.secret(&tenant, &name, &[("k", "v")]).await;
    }
    let asked = async |role: &str| {
        let secret = cluster.secrets("default").get(&format!("one-{role}")).await;
        let annotations = secret.unwrap().metadata.annotations.unwrap_or_default();
        annotations.get(kamaji_api::labels::ROTATE).cloned()
    };
    cluster.ok(&["rotate", "one", "--secret", "admin-kubeconfig"]);
    assert_eq!(asked("admin-kubeconfig").await.as_deref(), Some(""));
    assert_eq!(asked("scheduler-kubeconfig").await, None);
    cluster.ok(&["rotate", "one", "--all-leaves"]);
    for role in leaves {
        assert_eq!(asked(role).await.as_deref(), Some(""), "{role}");
    }
    let refused = cluster.fails(&["rotate", "one", "--secret", "ca"], 1);
    assert!(refused.contains("--break-trust"), "{refused}");
    assert_eq!(asked("ca").await, None);
    cluster.ok(&["rotate", "one", "--secret", "ca", "--break-trust"]);
    assert_eq!(asked("ca").await.as_deref(), Some(""));
    let none = cluster.command(&["rotate", "one"]).output().unwrap();
    assert_eq!(none.status.code(), Some(2));
}
