//! Snapshots of a tenant in a management cluster, for tests of whole plans.

use std::collections::BTreeMap;

use k8s_openapi::{
    ByteString,
    api::core::v1::{Secret, Service, ServiceSpec},
    jiff::Timestamp,
};
use kamaji_api::{
    condition,
    datastore::Driver,
    labels,
    tenant::{TenantControlPlane, VersionStatus},
};
use serde_json::{Value, json};

use super::{Plan, plan};
use crate::{
    adoption::Child,
    data_store::{ResolvedDataStore, StoreTls, usage::Usage},
    object::{Kind, Object},
    pki::{authority, key::KeyAlgorithm},
    rng::Seed,
    settings::Settings,
    snapshot::{DeploymentView, Snapshot},
};

/// The time of all tests.
pub(crate) const NOW: &str = "2026-11-23T12:00:00Z";

/// A tenant with everything switched on, changed by a JSON merge.
pub(crate) fn tenant(changes: Value) -> TenantControlPlane {
    let mut object = json!({
        "apiVersion": "kamaji.clastix.io/v1alpha1",
        "kind": "TenantControlPlane",
        "metadata": {"name": "full", "namespace": "c2", "uid": "11111111-2222-3333-4444-555555555555", "generation": 1},
        "spec": {
            "controlPlane": {"deployment": {"replicas": 2}, "service": {"serviceType": "ClusterIP"}},
            "kubernetes": {"version": "v1.36.3", "kubelet": {}},
            "networkProfile": {"address": "172.30.0.60", "serviceCidr": "10.112.0.0/16", "podCidr": "10.113.0.0/16"},
            "addons": {"coreDNS": {}, "kubeProxy": {}, "konnectivity": {"server": {"port": 8132}}},
        },
    });
    json_patch::merge(&mut object, &changes);
    serde_json::from_value(object).unwrap()
}

/// An etcd with a CA of its own.
pub(crate) fn store() -> ResolvedDataStore {
    let now: Timestamp = NOW.parse().unwrap();
    let mut entropy = Seed::from_text("store").for_purpose("ca");
    let ca = authority::issue("etcd-ca", KeyAlgorithm::EcdsaP256, now, &mut entropy);
    ResolvedDataStore {
        name: "default".to_owned(),
        driver: Driver::Etcd,
        endpoints: vec!["172.30.0.1:12379".to_owned()],
        tls: Some(StoreTls {
            ca: ca.certificate_pem().to_vec(),
            ca_key: Some(ca.key_pem().to_vec()),
            client: None,
        }),
        basic_auth: None,
        without_access_control: false,
        adopted_clusters: Vec::new(),
    }
}

/// Snapshot of a new tenant: none of its objects exist.
pub(crate) fn snapshot(changes: Value) -> Snapshot {
    Snapshot {
        object: tenant(changes),
        settings: Settings::default(),
        cluster: "management".to_owned(),
        store: Ok(store()),
        overrides: Ok(Vec::new()),
        further: BTreeMap::new(),
        store_fault: None,
        usage: Usage::default(),
        secrets: BTreeMap::new(),
        service: Some(Service {
            spec: Some(ServiceSpec {
                cluster_ip: Some("10.0.0.77".to_owned()),
                ..ServiceSpec::default()
            }),
            ..Service::default()
        }),
        deployment: None,
        pods: Vec::new(),
        ingress: None,
        routes: BTreeMap::new(),
        gateways: Vec::new(),
        gateway_api: false,
        children: BTreeMap::new(),
        tenant_cluster: None,
        now: NOW.parse().unwrap(),
        seed: Seed::from_text("test"),
    }
}

/// The snapshot after `plan` was applied to it, with another seed.
pub(crate) fn after(mut snapshot: Snapshot, plan: &Plan) -> Snapshot {
    let tenant = snapshot.object.metadata.name.clone().unwrap();
    for object in plan.objects() {
        let body = stored(object);
        let child = Child::of(&body, object.key.kind, &tenant);
        snapshot.children.insert(object.key.clone(), child);
        if object.key.kind == Kind::Secret {
            let secret: Secret = serde_json::from_value(body).unwrap();
            snapshot.secrets.insert(object.key.name.clone(), secret);
        }
    }
    snapshot
        .children
        .retain(|child, _| !plan.prunes.contains(child));
    for gone in plan.prunes.iter().filter(|gone| gone.kind == Kind::Secret) {
        snapshot.secrets.remove(&gone.name);
    }
    if let Some(finalizers) = &plan.finalizers {
        snapshot.object.metadata.finalizers = Some(finalizers.clone());
    }
    if plan.answered
        && let Some(annotations) = &mut snapshot.object.metadata.annotations
    {
        annotations.remove(labels::REPLACE_AUTHORITY);
    }
    snapshot.object.status = Some(plan.status.clone());
    snapshot.seed = Seed::from_text("another");
    snapshot
}

/// A planned object as the API server returns it.
pub(crate) fn stored(object: &Object) -> Value {
    let mut body = object.body.clone();
    body["metadata"]["uid"] = format!("uid of {}", object.key).into();
    body["metadata"]["resourceVersion"] = "7".into();
    body
}

/// The Deployment of `plan` once all its pods exist, of which `ready` are ready.
pub(crate) fn pods(plan: &Plan, ready: impl Fn(i32) -> i32) -> Option<DeploymentView> {
    let deployment = plan.objects().find(|o| o.key.kind == Kind::Deployment)?;
    let replicas = deployment.body["spec"]["replicas"].as_i64().unwrap_or(0);
    let replicas = i32::try_from(replicas).unwrap();
    let ready = ready(replicas);
    let status = json!({
        "observedGeneration": 1, "replicas": replicas, "updatedReplicas": replicas, "readyReplicas": ready,
        "availableReplicas": ready, "unavailableReplicas": replicas - ready,
    });
    let text = |pointer: &str| {
        let value = deployment.body.pointer(pointer)?;
        value.as_str().map(str::to_owned)
    };
    Some(DeploymentView {
        generation: 1,
        status: serde_json::from_value(status).unwrap(),
        stamped: Some(deployment.hash.clone()),
        renderer: text("/metadata/annotations/kamaji.clastix.io~1renderer"),
        image: image(&deployment.body, "kube-apiserver"),
        kine_image: image(&deployment.body, "kine"),
    })
}

fn image(deployment: &Value, name: &str) -> Option<String> {
    let containers = deployment["spec"]["template"]["spec"]["containers"].as_array()?;
    let container = containers.iter().find(|c| c["name"] == name)?;
    container["image"].as_str().map(str::to_owned)
}

/// Value of the annotation that the condition of a lost authority names.
pub(crate) fn requested_replacement(plan: &Plan) -> Option<String> {
    let wait = plan
        .waits
        .iter()
        .find(|wait| wait.reason == "AuthorityLost")?;
    let (_, rest) = wait.message.split_once("replace-authority=")?;
    rest.split(' ').next().map(str::to_owned)
}

/// Annotates the tenant as a user would.
pub(crate) fn annotate(snapshot: &mut Snapshot, key: &str, value: &str) {
    let annotations = snapshot.object.metadata.annotations.get_or_insert_default();
    annotations.insert(key.to_owned(), value.to_owned());
}

/// Names and content hashes of the objects of a plan, in order.
pub(crate) fn hashes(plan: &Plan) -> Vec<(String, String)> {
    plan.objects()
        .map(|object| (object.key.to_string(), object.hash.clone()))
        .collect()
}

/// Snapshot of a tenant whose first plan is applied.
pub(crate) fn settled(changes: Value) -> Snapshot {
    let first = snapshot(changes);
    let made = plan(&first).unwrap();
    after(first, &made)
}

/// The planned object of that name.
pub(crate) fn planned<'a>(plan: &'a Plan, name: &str) -> &'a Object {
    plan.objects()
        .find(|object| object.key.name == name)
        .unwrap_or_else(|| panic!("no {name} in {:?}", hashes(plan)))
}

/// Status, reason and message of a condition.
pub(crate) fn condition_of<'a>(plan: &'a Plan, type_: &str) -> (&'a str, &'a str, &'a str) {
    let condition = condition::find(&plan.status.conditions, type_).unwrap();
    (&condition.status, &condition.reason, &condition.message)
}

/// Version and phase in the planned status.
pub(crate) fn version_of(plan: &Plan) -> &VersionStatus {
    let resources = plan.status.kubernetes_resources.as_ref().unwrap();
    resources.version.as_ref().unwrap()
}

/// Overwrites a key of a live Secret.
pub(crate) fn corrupt(fixture: &mut Snapshot, name: &str, key: &str, bytes: &[u8]) {
    let secret = fixture.secrets.get_mut(name).unwrap();
    secret
        .data
        .as_mut()
        .unwrap()
        .insert(key.to_owned(), ByteString(bytes.to_vec()));
}

/// Sets the empty rotate annotation on a live Secret.
pub(crate) fn request_rotation(fixture: &mut Snapshot, name: &str) {
    let secret = fixture.secrets.get_mut(name).unwrap();
    let annotations = secret.metadata.annotations.get_or_insert_default();
    annotations.insert(labels::ROTATE.to_owned(), String::new());
}
