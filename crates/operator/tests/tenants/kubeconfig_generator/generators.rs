//! The controller of KubeconfigGenerators within the test, and what honest generators get.

use std::{collections::BTreeMap, time::Duration};

use k8s_openapi::api::{
    authentication::v1::{SelfSubjectReview, UserInfo},
    core::v1::Secret,
};
use kamaji_api::kubeconfig::{KubeconfigGenerator, KubeconfigGeneratorStatus};
use kamaji_core::kubeconfig_generator as core;
use kamaji_e2e::{audit::Entry, kubeconfig};
use kamaji_generator::{run_with, settings::Settings};
use kube::{
    Api, Client,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::{
    environment::{Environment, wait_until},
    tenant_cluster::running_tenant,
};

/// Rights that the packages grant the controller.
const RIGHTS: &str = include_str!("../../../../../config/kubeconfig-generator/role.yaml");
/// ServiceAccount of the controller in `kamaji-system`.
const ACCOUNT: &str = "kamaji-kubeconfig-generator";

/// A controller within this process, with the rights of its package. It is aborted when the value is dropped.
pub struct Controller(JoinHandle<()>);

impl Drop for Controller {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Creates the ServiceAccount of the controller, and returns a client with its rights.
pub async fn account(environment: &Environment) -> Client {
    let meta = json!({"name": ACCOUNT, "namespace": "kamaji-system"});
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta});
    environment.apply(account).await;
    let objects: Vec<Value> = serde_saphyr::from_multiple(RIGHTS).unwrap();
    for object in objects {
        environment.apply(object).await;
    }
    let path = environment.kubeconfig_of(ACCOUNT).await;
    kubeconfig::client(&path).await.unwrap()
}

/// Starts the controller as `client`, without leader election.
pub fn controller(client: &Client) -> Controller {
    start(client, false)
}

/// Starts the controller as `client`, with leader election.
pub fn elected(client: &Client) -> Controller {
    start(client, true)
}

fn start(client: &Client, leader_elect: bool) -> Controller {
    let settings = Settings {
        core: core::Settings::default(),
        metrics: None,
        health: None,
        leader_elect,
        namespace: "kamaji-system".to_owned(),
        identity: "alone".to_owned(),
        concurrency: 16,
        time_limit: Duration::from_secs(30),
        resync: Duration::from_hours(10),
    };
    let client = client.clone();
    Controller(tokio::spawn(async move {
        let ended = run_with(client, settings, std::future::pending()).await;
        tracing::info!(?ended, "the controller ended");
    }))
}

/// Applies a generator; `spec` is merged over the user `auditor` in the group `readers`.
pub async fn generator(environment: &Environment, name: &str, spec: Value) {
    let mut object = json!({
        "apiVersion": "kamaji.clastix.io/v1alpha1",
        "kind": "KubeconfigGenerator",
        "metadata": {"name": name},
        "spec": {"user": {"stringValue": "auditor"}, "groups": [{"stringValue": "readers"}]},
    });
    for (key, value) in spec.as_object().unwrap() {
        object["spec"][key] = value.clone();
    }
    environment.apply(object).await;
}

pub fn generators(environment: &Environment) -> Api<KubeconfigGenerator> {
    Api::all(environment.client.clone())
}

/// Deletes a generator.
pub async fn delete(environment: &Environment, name: &str) {
    let params = DeleteParams::default();
    generators(environment).delete(name, &params).await.unwrap();
}

/// Waits until the status of a generator counts `available` kubeconfigs for `resources` tenants.
pub async fn counted(
    environment: &Environment,
    name: &str,
    (available, resources): (i64, i64),
) -> KubeconfigGeneratorStatus {
    wait_until(
        &format!("{available} of {resources} of {name}"),
        async || {
            let live = generators(environment).get_opt(name).await.ok()??;
            let status = live.status?;
            let counts = (status.available_resources, status.resources);
            let is_current = status.observed_generation == live.metadata.generation;
            (is_current && counts == (available, resources)).then_some(status)
        },
    )
    .await
}

/// Messages of a status by tenant.
pub fn errors(status: &KubeconfigGeneratorStatus) -> BTreeMap<String, String> {
    let errors = status.errors.iter();
    errors
        .map(|error| (error.resource.clone(), error.message.clone()))
        .collect()
}

/// The generated kubeconfig of a Secret.
pub fn text(secret: &Secret) -> String {
    let data = secret.data.as_ref().unwrap();
    String::from_utf8(data["value"].0.clone()).unwrap()
}

/// Merges `metadata` into that of an object of the namespace.
pub async fn patch_metadata<K>(api: &Api<K>, name: &str, metadata: Value)
where
    K: kube::Resource + Clone + serde::de::DeserializeOwned + std::fmt::Debug,
{
    let patch = Patch::Merge(json!({"metadata": metadata}));
    api.patch(name, &PatchParams::default(), &patch)
        .await
        .unwrap();
}

/// Requests of the controller since `mark`.
pub fn requests(environment: &Environment, mark: u64) -> Vec<Entry> {
    let entries = environment.api.audit().since(mark).unwrap();
    let user = format!("system:serviceaccount:kamaji-system:{ACCOUNT}");
    let own = entries.into_iter();
    own.filter(|entry| entry.user.username == user).collect()
}

/// The user that an API server sees behind a kubeconfig.
async fn who(kubeconfig: &str) -> UserInfo {
    let client = kubeconfig::client_from(kubeconfig).await.unwrap();
    let api: Api<SelfSubjectReview> = Api::all(client);
    let review = SelfSubjectReview::default();
    let answer = api.create(&PostParams::default(), &review).await.unwrap();
    answer.status.unwrap().user_info.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn generators_give_each_selected_tenant_one_kubeconfig_that_its_api_server_takes() {
    let (environment, _operator, _control_plane) = running_tenant().await;
    environment.tenant("two", json!({})).await;
    environment.wait_for_objects("two").await;
    let client = account(&environment).await;
    let controller_of_now = controller(&client);
    patch_metadata(
        &environment.tenants(),
        "two",
        json!({"labels": {"team": "red"}}),
    )
    .await;
    let mark = environment.api.audit().mark().unwrap();
    let everybody = json!({
        "controlPlaneEndpointFrom": "admin.conf",
        "user": {"fromDefinition": "metadata.name"},
        "groups": [{"stringValue": "readers"}, {"stringValue": "audit"}],
    });
    generator(&environment, "everybody", everybody).await;
    let red = json!({"tenantControlPlaneSelector": {"matchLabels": {"team": "red"}}});
    generator(&environment, "reds", red).await;
    counted(&environment, "everybody", (2, 2)).await;
    counted(&environment, "reds", (1, 1)).await;
    assert!(environment.secret("t-reds").await.is_none());
    let secret = environment.secret("t-everybody").await.unwrap();
    let user = who(&text(&secret)).await;
    assert_eq!(user.username.as_deref(), Some("t"));
    let groups = user.groups.unwrap();
    assert_eq!(groups, ["audit", "readers", "system:authenticated"]);
    let tenant = environment.tenants().get("t").await.unwrap();
    let owner = &secret.metadata.owner_references.as_ref().unwrap()[0];
    assert_eq!(
        (Some(&owner.uid), owner.controller),
        (tenant.metadata.uid.as_ref(), Some(true))
    );

    environment.assert_quiescent(5).await;
    let refused: Vec<_> = requests(&environment, mark)
        .into_iter()
        .filter(|entry| entry.response_status.code == 403)
        .collect();
    assert!(
        refused.is_empty(),
        "config/kubeconfig-generator lacks {refused:#?}"
    );
    drop(controller_of_now);
    let mark = environment.api.audit().mark().unwrap();
    let _again = controller(&client);
    // Watches are in the log once they end; the reads of the first pass are the sign that it took place.
    wait_until("the reads of a first pass", async || {
        let read = requests(&environment, mark).len();
        (read >= 9).then_some(())
    })
    .await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let entries = requests(&environment, mark);
    let written: Vec<_> = entries.iter().filter(|entry| entry.is_write()).collect();
    assert!(written.is_empty(), "a second pass writes {written:#?}");

    // A change of one tenant that concerns no kubeconfig leads to no request.
    let mark = environment.api.audit().mark().unwrap();
    patch_metadata(
        &environment.tenants(),
        "two",
        json!({"annotations": {"a": "b"}}),
    )
    .await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let asked = requests(&environment, mark);
    assert!(asked.is_empty(), "{asked:#?}");
}
