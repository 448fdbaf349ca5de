//! Two infrastructure providers of Cluster API for the testbed.
//!
//! Machines of one are real kubelets that run the bootstrap data they are given: `KubeletCluster`,
//! `KubeletMachine` and their templates. Machines of the other are Node objects that are kept alive
//! in the tenant, for numbers that no machine could carry: `HollowCluster`, `HollowMachine`. A
//! `KubeletCluster` is managed by its control plane's provider (annotation
//! `cluster.x-k8s.io/managed-by`), a `HollowCluster` by its own.

mod cloud_config;
mod cluster;
pub mod definitions;
mod hollow;
mod kubelet;
mod machine;
mod resources;

use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use futures::StreamExt;
use kube::Client;
use kube::api::{Api, DynamicObject};
use kube::runtime::controller::{Action, Controller};
use kube::runtime::watcher;

use crate::bed::Bed;
use crate::command::command;
use crate::kubectl::Kubectl;
use crate::testbed::Testbed;
use hollow::Hollow;
use kubelet::Kubelets;
use machine::MachineProvider;
use resources::resource;

/// Name of the process among those of the testbed.
const PROCESS: &str = "infrastructure";

/// Time between two attempts that failed.
const AGAIN: Duration = Duration::from_secs(2);

/// Applies the definitions of the providers' kinds.
pub async fn define(testbed: &Testbed) -> Result<()> {
    let kubectl = testbed.kubectl()?;
    kubectl.apply(&definitions::all().to_string()).await?;
    kubectl
        .run("wait --for=condition=Established crd --all --timeout=30s")
        .await?;
    Ok(())
}

/// Defines the kinds and runs both providers by `binary`, the `testbed` command, until the testbed is stopped.
pub async fn start(testbed: &Testbed, binary: &Path) -> Result<()> {
    define(testbed).await?;
    let processes = &testbed.bed.processes;
    if !processes.is_alive(PROCESS) {
        processes.spawn(PROCESS, command(binary, ["infrastructure"]))?;
    }
    Ok(())
}

/// Runs both providers until they are dropped.
pub async fn run(bed: &Bed) -> Result<()> {
    let management = Kubectl::new(&bed.tools, &bed.layout.kubeconfig())?;
    let client = management.client().await?;
    let kubelets = Arc::new(Kubelets::new(bed));
    let hollow = Arc::new(Hollow::default());
    let clusters = run_controller(
        controller(&client, "HollowCluster"),
        &client,
        "HollowCluster",
        |client, cluster| async move { cluster::reconcile(&client, &cluster).await },
    );
    tokio::join!(
        clusters,
        machines(&client, kubelets),
        machines(&client, hollow)
    );
    Ok(())
}

/// Reconciles each machine of a kind.
async fn machines<M: MachineProvider + Send + 'static>(client: &Client, provider: Arc<M>) {
    let controller = machine::related::<M>(controller(client, M::KIND), client);
    run_controller(controller, client, M::KIND, move |client, object| {
        let provider = provider.clone();
        async move { machine::reconcile(&client, &*provider, &object).await }
    })
    .await;
}

fn controller(client: &Client, kind: &str) -> Controller<DynamicObject> {
    let resource = resource(kind);
    let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
    Controller::new_with(api, watcher::Config::default(), resource)
}

/// Reconciles each object when it changes, when a related one does, and when its last reconcile
/// asks for it.
async fn run_controller<F, W>(
    controller: Controller<DynamicObject>,
    client: &Client,
    kind: &'static str,
    reconcile: F,
) where
    F: Fn(Client, Arc<DynamicObject>) -> W + Clone + Send + Sync + 'static,
    W: Future<Output = Result<Action>> + Send + 'static,
{
    let work = move |object: Arc<DynamicObject>, client: Arc<Client>| {
        let work = reconcile((*client).clone(), object);
        async move { work.await.map_err(Failure) }
    };
    controller
        .run(
            work,
            |_, _, _| Action::requeue(AGAIN),
            Arc::new(client.clone()),
        )
        .for_each(|result| async move {
            if let Err(error) = result {
                tracing::warn!(kind, "{error}");
            }
        })
        .await;
}

/// Error of a reconcile.
#[derive(Debug)]
struct Failure(anyhow::Error);

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:#}", self.0)
    }
}

impl std::error::Error for Failure {}
