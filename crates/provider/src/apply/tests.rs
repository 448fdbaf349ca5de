use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use k8s_openapi::jiff::Timestamp;
use kamaji_core::{
    cluster_api::{self, Contract, InfrastructurePatch, Remote, Snapshot, placement},
    pki::webhook_certificate::WebhookService,
};
use kamaji_shell::{lease::Leadership, telemetry::Metrics};
use kube::{Client, client::Body};
use serde_json::{Value, json};
use tower::service_fn;

use super::*;
use crate::settings::Settings;

#[test]
fn a_patch_is_bound_to_the_observed_uid_and_version() {
    let metadata = json!({"name": "a", "uid": "u", "resourceVersion": "7"});
    let patch = json!({"metadata": {"finalizers": []}, "spec": {"x": 1}});
    assert_eq!(
        bound_to(&metadata, patch),
        json!({
            "metadata": {"finalizers": [], "uid": "u", "resourceVersion": "7"},
            "spec": {"x": 1},
        })
    );
}

#[test]
fn a_patch_of_a_status_is_bound_to_the_observed_version() {
    let metadata = json!({"uid": "u", "resourceVersion": "8"});
    let patch = bound_to(&metadata, json!({"status": {"ready": true}}));
    assert_eq!(patch["metadata"]["resourceVersion"], "8");
    assert_eq!(patch["status"]["ready"], true);
}

#[test]
fn a_write_of_another_version_is_retried_and_not_reported() {
    let conflict = || WriteError::Conflict {
        object: "FakeCluster n/a".to_owned(),
        message: "the object has been modified".to_owned(),
    };
    assert!(is_conflict(&conflict()));
    let mut failures = Failures::default();
    assert!(!failures.only_overtaken());
    failures.add(Step::Infrastructure, conflict());
    assert!(failures.any() && failures.only_overtaken());
    let refused = WriteError::Invalid {
        object: "FakeCluster n/a".to_owned(),
        message: "no endpoint here".to_owned(),
    };
    assert!(!is_conflict(&refused));
    failures.add(Step::Infrastructure, refused);
    assert!(!failures.only_overtaken());
}

/// Path and body of each request.
type Requests = Arc<Mutex<Vec<(String, Value)>>>;

/// A provider whose API server records the requests and answers each of them with 409.
fn conflicting() -> (Context, Requests) {
    let requests = Requests::default();
    let recorded = requests.clone();
    let service = service_fn(move |request: http::Request<Body>| {
        let recorded = recorded.clone();
        async move {
            let path = request.uri().path().to_owned();
            let body = request.into_body().collect_bytes().await.unwrap();
            let body = serde_json::from_slice(&body).unwrap();
            recorded.lock().unwrap().push((path, body));
            let status = json!({
                "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 409,
                "reason": "Conflict", "message": "the object has been modified",
            });
            let response = http::Response::builder().status(409);
            response.body(Body::from(status.to_string().into_bytes()))
        }
    });
    let settings = Settings {
        core: cluster_api::Settings::default(),
        namespace: None,
        watch_filter: None,
        metrics: None,
        metrics_secure: false,
        health: None,
        webhooks: None,
        service: WebhookService {
            namespace: "kamaji-system".to_owned(),
            name: "capi-kamaji-webhook-service".to_owned(),
        },
        leader_elect: false,
        identity: "alone".to_owned(),
        concurrency: 1,
        time_limit: Duration::from_secs(30),
        resync: Duration::from_hours(10),
    };
    let client = Client::new(service, "default");
    let leadership = Leadership::elected_by(crate::LEASE, false);
    let context = crate::context(client, settings, leadership, Metrics::default());
    (context, requests)
}

/// An observation of the control plane `n/a` in version 7 and of its infrastructure cluster in version 8.
fn observation() -> Observation {
    let control_plane: KamajiControlPlane = serde_json::from_value(json!({
        "apiVersion": "controlplane.cluster.x-k8s.io/v1alpha2", "kind": "KamajiControlPlane",
        "metadata": {"name": "a", "namespace": "n", "uid": "u-1", "resourceVersion": "7"},
        "spec": {"version": "v1.36.3"},
    }))
    .unwrap();
    let object = json!({"metadata": {"name": "i", "uid": "u-2", "resourceVersion": "8"}});
    let resource = crate::definitions::resource("g.io", "v1", "Fake", "fakes".to_owned());
    let place = placement::place(&control_plane, None);
    Observation {
        infrastructure: Some(Address::namespaced(resource, "n", "i")),
        tenant: remote_clusters::address(&place),
        snapshot: Snapshot {
            control_plane,
            owner: Owner::Nobody,
            place,
            tenant: None,
            infrastructure: Infrastructure::Found {
                object,
                contract: Contract::V1Beta2,
            },
            remote: Remote::Local,
            sources: BTreeMap::new(),
            secrets: BTreeMap::new(),
            probe: Probe::Untried,
            settings: cluster_api::Settings::default(),
            now: Timestamp::UNIX_EPOCH,
        },
        connection: None,
        retry: false,
    }
}

/// Applies a plan against an API server that refuses everything; the requests.
async fn applied(plan: Plan) -> Vec<(String, Value)> {
    let (context, requests) = conflicting();
    let mut reconcile = Reconcile {
        context: &context,
        key: &ObjectKey::new("n", "a"),
        observation: observation(),
        failures: Failures::default(),
    };
    assert!(
        !Box::pin(reconcile.apply(&plan)).await,
        "nothing was written"
    );
    assert!(reconcile.failures.only_overtaken(), "conflicts are retried");
    requests.lock().unwrap().clone()
}

#[tokio::test]
#[expect(clippy::large_futures, reason = "a test's stack has room for it")]
async fn a_control_plane_is_patched_only_in_the_observed_version() {
    let requests = applied(Plan {
        own: Some(json!({"spec": {"controlPlaneEndpoint": {"host": "h", "port": 1}}})),
        delete: Some("t-1".to_owned()),
        ..Plan::default()
    })
    .await;
    let [(path, body)] = requests.as_slice() else {
        panic!("nothing follows a conflict: {requests:?}");
    };
    assert!(path.ends_with("/namespaces/n/kamajicontrolplanes/a"));
    assert_eq!(
        body["metadata"],
        json!({"uid": "u-1", "resourceVersion": "7"})
    );
}

#[tokio::test]
#[expect(clippy::large_futures, reason = "a test's stack has room for it")]
async fn an_infrastructure_cluster_is_patched_only_in_the_observed_version() {
    let requests = applied(Plan {
        infrastructure: Some(InfrastructurePatch {
            spec: Some(json!({"spec": {"x": 1}})),
            status: Some(json!({"status": {"ready": true}})),
        }),
        ..Plan::default()
    })
    .await;
    let paths: Vec<_> = requests.iter().map(|(path, _)| path.as_str()).collect();
    let object = "/apis/g.io/v1/namespaces/n/fakes/i";
    assert_eq!(paths, [object, &format!("{object}/status")]);
    for (path, body) in &requests {
        let bound = json!({"uid": "u-2", "resourceVersion": "8"});
        assert_eq!(body["metadata"], bound, "{path}");
    }
}
