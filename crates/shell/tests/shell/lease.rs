//! Does exactly one replica lead, and another one soon after it is gone?

use std::time::{Duration, Instant};

use k8s_openapi::{
    api::{
        coordination::v1::Lease,
        events::v1::Event,
        rbac::v1::{ClusterRole, ClusterRoleBinding},
    },
    apimachinery::pkg::apis::meta::v1::MicroTime,
};
use kamaji_shell::{
    lease::{self, Leadership},
    telemetry::Metrics,
};
use kube::{
    Api, Client,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::support::{eventually, server};

fn replica(client: &Client, identity: &'static str) -> (Leadership, JoinHandle<()>) {
    let leadership = Leadership::none();
    let (client, kept) = (client.clone(), leadership.clone());
    let task = tokio::spawn(async move {
        lease::keep(client, "default", identity, &kept).await;
    });
    (leadership, task)
}

#[tokio::test]
async fn one_leads_and_the_next_follows_within_twenty_seconds_or_at_once() {
    let server = server().await;
    let client = server.client().await.unwrap();
    let (first, killed) = replica(&client, "first");
    eventually("the first replica leads", || first.is_leading()).await;
    let (second, released) = replica(&client, "second");
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(first.is_leading() && !second.is_leading());

    killed.abort();
    let begin = Instant::now();
    while !second.is_leading() {
        assert!(
            begin.elapsed() < Duration::from_secs(20),
            "fail-over took too long"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(!first.is_leading(), "it stopped by itself before that");
    println!("fail-over after {:.1} s", begin.elapsed().as_secs_f32());

    let (third, _) = replica(&client, "third");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(!third.is_leading());
    released.abort();
    let begin = Instant::now();
    lease::release(client, "default", "second", &second).await;
    eventually("the third replica leads", || third.is_leading()).await;
    assert!(!second.is_leading());
    assert!(
        begin.elapsed() < Duration::from_secs(4),
        "{:?}",
        begin.elapsed()
    );
}

/// An operator of the namespace, which must be alone.
fn operator(client: &Client, namespace: &'static str) -> (Leadership, JoinHandle<()>) {
    let leadership = Leadership::none().alone_in_the_cluster();
    let (client, kept) = (client.clone(), leadership.clone());
    let task = tokio::spawn(async move {
        lease::keep(client, namespace, namespace, &kept).await;
    });
    (leadership, task)
}

/// What a cluster administrator makes for an operator: a ServiceAccount in the namespace that may do that.
async fn vouch(client: &Client, namespace: &str, rule: Value) {
    let name = format!("operator-of-{namespace}");
    let role = json!({"metadata": {"name": name}, "rules": [rule]});
    let binding = json!({
        "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name},
        "subjects": [{"kind": "ServiceAccount", "name": "kamaji", "namespace": namespace}],
    });
    let params = PostParams::default();
    let roles: Api<ClusterRole> = Api::all(client.clone());
    let role = serde_json::from_value(role).unwrap();
    roles.create(&params, &role).await.unwrap();
    let bindings: Api<ClusterRoleBinding> = Api::all(client.clone());
    let binding = serde_json::from_value(binding).unwrap();
    bindings.create(&params, &binding).await.unwrap();
}

/// As upstream's role has it.
fn writes_tenants() -> Value {
    json!({
        "apiGroups": ["kamaji.clastix.io"], "resources": ["tenantcontrolplanes/status"],
        "verbs": ["get", "patch", "update"],
    })
}

/// A lease that somebody renews for ever, as upstream's operator or a stranger would.
async fn renewed(client: &Client, namespace: &'static str) -> JoinHandle<()> {
    let api: Api<Lease> = Api::namespaced(client.clone(), namespace);
    let acquired = k8s_openapi::jiff::Timestamp::now();
    let renew = move || {
        let now = k8s_openapi::jiff::Timestamp::now();
        json!({
            "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
            "metadata": {"name": lease::NAME},
            "spec": {
                "holderIdentity": "kamaji-7d9c_1f2e", "leaseDurationSeconds": 15,
                "acquireTime": MicroTime(acquired), "renewTime": MicroTime(now),
            },
        })
    };
    let params = PatchParams::apply("somebody").force();
    let first = Patch::Apply(renew());
    api.patch(lease::NAME, &params, &first).await.unwrap();
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let again = Patch::Apply(renew());
            let _ = api.patch(lease::NAME, &params, &again).await;
        }
    })
}

#[tokio::test]
async fn an_operator_waits_for_one_that_leads_in_another_namespace() {
    let server = server().await;
    let client = server.client().await.unwrap();
    for namespace in ["default", "kube-public"] {
        vouch(&client, namespace, writes_tenants()).await;
    }
    let (first, task) = operator(&client, "default");
    eventually("the first operator leads", || first.is_leading()).await;
    let (second, _) = operator(&client, "kube-public");
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(first.is_leading() && !second.is_leading());
    task.abort();
    lease::release(client.clone(), "default", "default", &first).await;
    eventually("the second operator leads", || second.is_leading()).await;
}

#[tokio::test]
async fn the_references_operator_is_waited_for_until_it_ends_and_a_person_is_told() {
    let server = server().await;
    let client = server.client().await.unwrap();
    vouch(&client, "default", writes_tenants()).await;
    let reference = renewed(&client, "default").await;
    let metrics = Metrics::default();
    let leadership = Leadership::none().alone_in_the_cluster();
    let leadership = leadership.measured(metrics.lease(lease::NAME));
    let (kept, ours) = (leadership.clone(), client.clone());
    tokio::spawn(async move { lease::keep(ours, "kube-public", "we", &kept).await });
    let waits = |value: u8| {
        let line =
            format!("kamaji_waits_for_another_operator{{name=\"kamaji.clastix.io\"}} {value}\n");
        metrics.text().contains(&line)
    };
    eventually("the metric to say that it waits", || waits(1)).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(!leadership.is_leading());
    let events: Api<Event> = Api::namespaced(client.clone(), "kube-public");
    let events = events.list(&ListParams::default()).await.unwrap().items;
    let told: Vec<_> = events.iter().filter_map(|e| e.note.as_deref()).collect();
    assert_eq!(told.len(), 1, "one a transition: {told:?}");
    assert!(
        told[0].contains("Lease default/kamaji.clastix.io is held by kamaji-7d9c_1f2e"),
        "{told:?}"
    );

    reference.abort();
    let leases: Api<Lease> = Api::namespaced(client, "default");
    leases
        .delete(lease::NAME, &DeleteParams::default())
        .await
        .unwrap();
    eventually("we lead", || leadership.is_leading()).await;
    assert!(waits(0));
}

#[tokio::test]
async fn a_strangers_lease_in_a_namespace_of_his_own_stops_nobody() {
    let server = server().await;
    let client = server.client().await.unwrap();
    // What many a namespace has: somebody there may read everything.
    let reads = json!({"apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "list", "watch"]});
    vouch(&client, "default", reads).await;
    let stranger = renewed(&client, "default").await;
    let (leadership, _) = operator(&client, "kube-public");
    let begin = Instant::now();
    eventually("the operator leads", || leadership.is_leading()).await;
    assert!(
        begin.elapsed() < Duration::from_secs(5),
        "{:?}",
        begin.elapsed()
    );
    // Nor later: as long as it asks about others.
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert!(leadership.is_leading());
    stranger.abort();
}

#[tokio::test]
async fn of_many_that_reach_for_the_lease_at_once_one_gets_it() {
    let server = server().await;
    let client = server.client().await.unwrap();
    let names = ["a", "b", "c", "d", "e", "f"];
    let replicas: Vec<_> = names.iter().map(|name| replica(&client, name)).collect();
    let leaders = || replicas.iter().filter(|(l, _)| l.is_leading()).count();
    eventually("one leads", || leaders() > 0).await;
    for _ in 0..100 {
        assert_eq!(leaders(), 1);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
