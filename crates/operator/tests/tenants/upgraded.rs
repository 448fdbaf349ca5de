//! An upgrade of the operator leaves the pod templates of all tenants unchanged: each tenant keeps its renderer until
//! an annotation asks for a newer one.

use std::{collections::BTreeMap, time::Duration};

use k8s_openapi::api::apps::v1::Deployment;
use kamaji_e2e::operator::earlier;
use kube::Api;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::{
    environment::{Environment, NAMESPACE, wait_until},
    process::Process,
};

/// Commit of an older build, which has the first renderer only.
const OLDER: &str = "995ae6d";
const FLAGS: [&str; 1] = ["--leader-elect=false"];

/// Names and specs of tenants that use the features which an etcd datastore supports.
fn tenants() -> Vec<(&'static str, Value)> {
    vec![
        ("least", json!({})),
        (
            "full",
            json!({"addons": {"coreDNS": {}, "kubeProxy": {}, "konnectivity": {"server": {"port": 8132}}}}),
        ),
        (
            "domain",
            json!({"networkProfile": {"clusterDomain": "corp.example"}}),
        ),
        (
            "both",
            json!({
                "networkProfile": {
                    "serviceCidrs": ["10.98.0.0/16", "fd00:98::/112"],
                    "podCidrs": ["10.244.0.0/16", "fd00:244::/56"],
                },
                "controlPlane": {"deployment": {"extraArgs": {"scheduler": ["--leader-elect=false"]}}},
            }),
        ),
        ("old", json!({"kubernetes": {"version": "v1.30.4"}})),
        (
            "flags",
            json!({"controlPlane": {"deployment": {
                "extraArgs": {"apiServer": ["--v=3"], "controllerManager": ["--v=2"]},
                "podAdditionalMetadata": {"labels": {"a": "b"}},
            }}}),
        ),
        (
            "asleep",
            json!({"controlPlane": {"deployment": {"replicas": 0}}}),
        ),
    ]
}

/// Generation and pod template of every Deployment, by name.
async fn pods(environment: &Environment) -> BTreeMap<String, (Option<i64>, Value)> {
    let api: Api<Deployment> = Api::namespaced(environment.client.clone(), NAMESPACE);
    let all = api.list(&kube::api::ListParams::default()).await.unwrap();
    all.items
        .into_iter()
        .map(|deployment| {
            let template = serde_json::to_value(deployment.spec.unwrap().template).unwrap();
            let meta = deployment.metadata;
            (meta.name.unwrap(), (meta.generation, template))
        })
        .collect()
}

/// `status.renderer` of a tenant.
async fn renderer(environment: &Environment, tenant: &str) -> Option<String> {
    environment
        .tenants()
        .get(tenant)
        .await
        .unwrap()
        .status?
        .renderer
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_build_leaves_the_pod_templates_of_an_older_build_unchanged() {
    if std::env::var_os("KAMAJI_SOAK").is_none() {
        println!("NOT RUN: KAMAJI_SOAK is not set, and an older build takes minutes");
        return;
    }
    let older = earlier(OLDER).await.unwrap();
    Process::prepare().await;
    let environment = Environment::new().await;
    let kubeconfig = environment.api.kubeconfig();
    for (name, spec) in tenants() {
        environment.tenant(name, spec).await;
    }
    let older_operator = Process::start_of(&older, &environment, &kubeconfig, &FLAGS).await;
    for (name, _) in tenants() {
        let reason = if name == "asleep" {
            "Sleeping"
        } else {
            "NoReplicaReady"
        };
        environment
            .wait_for_condition(name, "ControlPlaneAvailable", reason)
            .await;
        environment
            .wait_for_condition(name, "Reconciled", "AsPlanned")
            .await;
    }
    older_operator.signal(Signal::TERM);
    older_operator.wait_exited(Duration::from_secs(30)).await;
    let before_upgrade = pods(&environment).await;
    assert_eq!(before_upgrade.len(), tenants().len());

    for (_, definition) in kamaji_api::crd::all() {
        environment.apply(definition).await;
    }
    let _operator = Process::start(&environment, &kubeconfig, &FLAGS).await;
    // A new tenant shows that the new build reconciles; it gets the newest renderer.
    environment.tenant("new", json!({})).await;
    environment.wait_for_objects("new").await;
    assert_eq!(renderer(&environment, "new").await.as_deref(), Some("2"));
    for (name, mut spec) in tenants() {
        // A change of the Service's labels shows that the new build has reconciled this tenant.
        let label = json!({"controlPlane": {"service": {"additionalMetadata": {"labels": {"seen": "yes"}}}}});
        crate::environment::merge(&mut spec, &label);
        environment.tenant(name, spec).await;
        let services: Api<k8s_openapi::api::core::v1::Service> =
            Api::namespaced(environment.client.clone(), NAMESPACE);
        wait_until(&format!("the Service {name} to be written"), async || {
            let labels = services.get_opt(name).await.ok()??.metadata.labels?;
            labels.contains_key("seen").then_some(())
        })
        .await;
        environment
            .wait_for_condition(name, "Reconciled", "AsPlanned")
            .await;
        assert_eq!(
            renderer(&environment, name).await.as_deref(),
            Some("1"),
            "{name}"
        );
    }
    let mut now = pods(&environment).await;
    now.remove("new");
    assert_eq!(now, before_upgrade);

    // The annotation replaces the pods once.
    let annotation = json!({"metadata": {"annotations": {"kamaji.clastix.io/renderer": "2"}}});
    let params = kube::api::PatchParams::default();
    let patch = kube::api::Patch::Merge(&annotation);
    environment
        .tenants()
        .patch("full", &params, &patch)
        .await
        .unwrap();
    wait_until("full to have the new renderer", async || {
        (renderer(&environment, "full").await? == "2").then_some(())
    })
    .await;
    environment.assert_quiescent(5).await;
    let moved = pods(&environment).await;
    assert_eq!(
        moved["full"].0,
        before_upgrade["full"].0.map(|generation| generation + 1)
    );
}
