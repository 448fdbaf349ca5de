//! Tests of the leader election: exactly one replica leads, and another one soon after it is gone.

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
    let (client, shared) = (client.clone(), leadership.clone());
    let task = tokio::spawn(async move {
        lease::keep(client, "default", identity, &shared).await;
    });
    (leadership, task)
}

#[tokio::test]
async fn one_replica_leads_and_another_takes_over_within_twenty_seconds_or_after_a_release() {
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
    assert!(!first.is_leading(), "the first replica stopped before that");
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

/// Starts an operator in the namespace that must be the only one in the cluster.
fn operator(client: &Client, namespace: &'static str) -> (Leadership, JoinHandle<()>) {
    let leadership = Leadership::none().alone_in_the_cluster();
    let (client, shared) = (client.clone(), leadership.clone());
    let task = tokio::spawn(async move {
        lease::keep(client, namespace, namespace, &shared).await;
    });
    (leadership, task)
}

/// Binds a ClusterRole with `rule` to a ServiceAccount of the namespace, as a cluster administrator does.
async fn grant(client: &Client, namespace: &str, rule: Value) {
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

/// The rule of upstream's role that lets its operator write tenants.
fn writes_tenants() -> Value {
    json!({
        "apiGroups": ["kamaji.clastix.io"], "resources": ["tenantcontrolplanes/status"],
        "verbs": ["get", "patch", "update"],
    })
}

/// Renews a lease for ever, as upstream's operator or another user does.
async fn renew_for_ever(client: &Client, namespace: &'static str) -> JoinHandle<()> {
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
    let params = PatchParams::apply("other").force();
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
        grant(&client, namespace, writes_tenants()).await;
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
async fn an_operator_waits_for_upstreams_operator_and_publishes_one_event() {
    let server = server().await;
    let client = server.client().await.unwrap();
    grant(&client, "default", writes_tenants()).await;
    let upstream = renew_for_ever(&client, "default").await;
    let metrics = Metrics::default();
    let leadership = Leadership::none().alone_in_the_cluster();
    let leadership = leadership.measured(metrics.lease(lease::NAME));
    let (shared, cloned) = (leadership.clone(), client.clone());
    tokio::spawn(async move { lease::keep(cloned, "kube-public", "we", &shared).await });
    let waits = |value: u8| {
        let line =
            format!("kamaji_waits_for_another_operator{{name=\"kamaji.clastix.io\"}} {value}\n");
        metrics.text().contains(&line)
    };
    eventually("the metric shows that it waits", || waits(1)).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(!leadership.is_leading());
    let events: Api<Event> = Api::namespaced(client.clone(), "kube-public");
    let events = events.list(&ListParams::default()).await.unwrap().items;
    let notes: Vec<_> = events.iter().filter_map(|e| e.note.as_deref()).collect();
    assert_eq!(notes.len(), 1, "one event for each transition: {notes:?}");
    assert!(
        notes[0].contains("Lease default/kamaji.clastix.io is held by kamaji-7d9c_1f2e"),
        "{notes:?}"
    );

    upstream.abort();
    let leases: Api<Lease> = Api::namespaced(client, "default");
    leases
        .delete(lease::NAME, &DeleteParams::default())
        .await
        .unwrap();
    eventually("the operator leads", || leadership.is_leading()).await;
    assert!(waits(0));
}

#[tokio::test]
async fn a_lease_in_a_namespace_without_operator_rights_stops_no_operator() {
    let server = server().await;
    let client = server.client().await.unwrap();
    // A ServiceAccount that may read everything is common, and is no operator.
    let reads = json!({"apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "list", "watch"]});
    grant(&client, "default", reads).await;
    let other = renew_for_ever(&client, "default").await;
    let (leadership, _) = operator(&client, "kube-public");
    let begin = Instant::now();
    eventually("the operator leads", || leadership.is_leading()).await;
    assert!(
        begin.elapsed() < Duration::from_secs(5),
        "{:?}",
        begin.elapsed()
    );
    // The operator leads still after it has searched for rivals again.
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert!(leadership.is_leading());
    other.abort();
}

#[tokio::test]
async fn one_of_many_replicas_that_start_at_once_acquires_the_lease() {
    let server = server().await;
    let client = server.client().await.unwrap();
    let names = ["a", "b", "c", "d", "e", "f"];
    let replicas: Vec<_> = names.iter().map(|name| replica(&client, name)).collect();
    let leaders = || replicas.iter().filter(|(l, _)| l.is_leading()).count();
    eventually("one replica leads", || leaders() > 0).await;
    for _ in 0..100 {
        assert_eq!(leaders(), 1);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
