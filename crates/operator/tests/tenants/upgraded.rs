//! An operator that takes the place of an older build's leaves the pods of every tenant as they are.

use std::{collections::BTreeMap, time::Duration};

use k8s_openapi::api::apps::v1::Deployment;
use kamaji_e2e::operator::earlier;
use kube::Api;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::{
    process::Process,
    world::{NAMESPACE, World, until},
};

/// The build that knew one renderer.
const OLDER: &str = "995ae6d";
const FLAGS: [&str; 1] = ["--leader-elect=false"];

/// Tenants of every kind that this datastore can hold.
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
async fn pods(world: &World) -> BTreeMap<String, (Option<i64>, Value)> {
    let api: Api<Deployment> = Api::namespaced(world.client.clone(), NAMESPACE);
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

async fn renderer(world: &World, tenant: &str) -> Option<String> {
    world.tenants().get(tenant).await.unwrap().status?.renderer
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_build_restarts_no_pod_of_an_older_one() {
    if std::env::var_os("KAMAJI_SOAK").is_none() {
        println!("NOT RUN: KAMAJI_SOAK is not set, and an older build takes minutes");
        return;
    }
    let older = earlier(OLDER).await.unwrap();
    Process::prepare().await;
    let world = World::new().await;
    let kubeconfig = world.api.kubeconfig();
    for (name, spec) in tenants() {
        world.tenant(name, spec).await;
    }
    let before = Process::start_of(&older, &world, (&kubeconfig, &FLAGS)).await;
    for (name, _) in tenants() {
        let reason = if name == "asleep" {
            "Sleeping"
        } else {
            "NoReplicaReady"
        };
        world.reason(name, "ControlPlaneAvailable", reason).await;
        world.reason(name, "Reconciled", "AsPlanned").await;
    }
    before.signal(Signal::TERM);
    before.ended(Duration::from_secs(30)).await;
    let made = pods(&world).await;
    assert_eq!(made.len(), tenants().len());

    for (_, definition) in kamaji_api::crd::all() {
        world.apply(definition).await;
    }
    let _after = Process::start(&world, &kubeconfig, &FLAGS).await;
    // A tenant that is new tells that the build works, and is rendered by the newest.
    world.tenant("new", json!({})).await;
    world.written("new").await;
    assert_eq!(renderer(&world, "new").await.as_deref(), Some("2"));
    for (name, _) in tenants() {
        // Each is looked at: a change that leaves the pods alone arrives.
        let label = json!({"controlPlane": {"service": {"additionalMetadata": {"labels": {"seen": "yes"}}}}});
        let mut spec = tenants()
            .into_iter()
            .find(|(one, _)| *one == name)
            .unwrap()
            .1;
        crate::world::merge(&mut spec, &label);
        world.tenant(name, spec).await;
        let services: Api<k8s_openapi::api::core::v1::Service> =
            Api::namespaced(world.client.clone(), NAMESPACE);
        until(&format!("the Service {name} to be written"), async || {
            let labels = services.get_opt(name).await.ok()??.metadata.labels?;
            labels.contains_key("seen").then_some(())
        })
        .await;
        world.reason(name, "Reconciled", "AsPlanned").await;
        assert_eq!(renderer(&world, name).await.as_deref(), Some("1"), "{name}");
    }
    let mut now = pods(&world).await;
    now.remove("new");
    assert_eq!(now, made);

    // On a person's word the pods are made anew, once.
    let word = json!({"metadata": {"annotations": {"kamaji.clastix.io/renderer": "2"}}});
    let params = kube::api::PatchParams::default();
    let patch = kube::api::Patch::Merge(&word);
    world
        .tenants()
        .patch("full", &params, &patch)
        .await
        .unwrap();
    until("full to be moved", async || {
        (renderer(&world, "full").await? == "2").then_some(())
    })
    .await;
    world.at_rest(5).await;
    let moved = pods(&world).await;
    assert_eq!(
        moved["full"].0,
        made["full"].0.map(|generation| generation + 1)
    );
}
