//! Controller of KubeconfigGenerators: writes one kubeconfig for each TenantControlPlane that a generator selects. It
//! observes and writes around the decisions of [`kamaji_core::kubeconfig_generator`].
//!
//! - `outputs` and the shell's watches deliver changes, `context` turns them into [`work`];
//! - `kubeconfig` reconciles one kubeconfig of one tenant, with the reads of `observe`;
//! - `results` keeps what came of it, `report` writes the generator's status.

mod context;
mod kubeconfig;
mod observe;
mod outputs;
mod report;
mod results;
pub mod settings;
mod watches;
mod work;

use std::sync::{Arc, atomic::AtomicBool};

use k8s_openapi::api::core::v1::Namespace;
use kamaji_api::{kubeconfig::KubeconfigGenerator, labels};
use kamaji_shell::{
    apply::Writer,
    clock,
    lease::Leadership,
    process::{self, Candidate, Process, RunError, Tasks},
    queue::{Abort, Limits, Queue},
    serve,
    telemetry::Metrics,
    watch::Objects,
    watchdog::Watchdog,
};
use kube::Client;

use context::{Context, MANAGER};
use outputs::Outputs;
use results::Results;
use settings::Settings;
use work::Work;

/// Name of the lease for leader election, the same as upstream's.
pub const LEASE: &str = "kubeconfiggenerator.kamaji.clastix.io";
/// Name of the controller in metrics.
const CONTROLLER: &str = "kubeconfiggenerator";

/// Runs the controller until a signal stops it or it loses its lease, with the kubeconfig or ServiceAccount of the
/// environment.
pub async fn run(settings: Settings) -> Result<(), RunError> {
    run_with(process::client().await?, settings, process::stop()).await
}

/// Runs the controller like [`run`], in the management cluster of `client`, until `stop` completes.
pub async fn run_with(
    client: Client,
    settings: Settings,
    stop: impl Future<Output = ()>,
) -> Result<(), RunError> {
    let metrics = Metrics::default();
    let candidate = Candidate {
        client: client.clone(),
        namespace: settings.namespace.clone(),
        identity: settings.identity.clone(),
        leadership: Leadership::elected_by(LEASE, settings.leader_elect)
            .measured(metrics.lease(LEASE)),
    };
    let leadership = candidate.leadership.clone();
    let context = Arc::new(context(client, settings, leadership, metrics));
    let (mut tasks, mut listening) = (Tasks::new(), Tasks::new());
    watches::start(&context, &mut tasks);
    listeners(&context, &mut listening);
    let process = Process {
        tasks,
        listening,
        drain: None,
        candidate,
    };
    let work = lead(context.clone());
    process.run(work, || context.queue.close(), stop).await
}

fn context(
    client: Client,
    settings: Settings,
    leadership: Leadership,
    metrics: Metrics,
) -> Context {
    let watchdog = Watchdog::default();
    let queue = Queue::default()
        .measured(metrics.queue(CONTROLLER))
        .watched("KubeconfigGenerators", &watchdog);
    let writer = Writer::new(client.clone(), leadership, metrics.counters.clone());
    Context {
        client,
        writer: writer.managing_as(MANAGER),
        settings,
        metrics,
        queue,
        watchdog,
        generators: Objects::default().unchanged_if(is_same_request),
        tenants: Objects::default(),
        namespaces: Objects::default().unchanged_if(has_same_labels),
        outputs: Outputs::default(),
        results: Results::default(),
        started: AtomicBool::new(false),
    }
}

/// True if a generator requests the same as before: a new status is no change.
fn is_same_request(before: &KubeconfigGenerator, after: &KubeconfigGenerator) -> bool {
    let (a, b) = (&before.metadata, &after.metadata);
    a.uid == b.uid
        && a.generation == b.generation
        && a.deletion_timestamp == b.deletion_timestamp
        && labels::is_paused(a) == labels::is_paused(b)
}

fn has_same_labels(before: &Namespace, after: &Namespace) -> bool {
    before.metadata.labels == after.metadata.labels
}

fn listeners(context: &Arc<Context>, tasks: &mut Tasks) {
    if let Some(address) = context.settings.metrics {
        let metrics = context.metrics.clone();
        tasks.spawn(async move { Ok(serve::metrics(address, metrics, None).await?) });
    }
    if let Some(address) = context.settings.health {
        let watchdog = context.watchdog.clone();
        let context = context.clone();
        let ready = move || context.is_ready();
        tasks.spawn(async move { Ok(serve::health(address, ready, watchdog).await?) });
    }
}

/// Reconciles as long as this replica leads.
async fn lead(context: Arc<Context>) -> Result<(), RunError> {
    context.ready().await;
    context.writer.leading().await;
    tracing::info!(
        generators = context.generators.all().len(),
        tenants = context.tenants.all().len(),
        "acquired leadership, reconcile loops started"
    );
    context.start();
    let limits = Limits {
        concurrency: context.settings.concurrency,
        time: context.settings.time_limit,
    };
    let work = |work: Work| {
        let context = context.clone();
        async move {
            let started = clock::instant();
            let outcome = match work {
                Work::Kubeconfig(pair) => {
                    Box::pin(kubeconfig::reconcile(context.clone(), pair)).await
                }
                Work::Status(name) => Box::pin(report::reconcile(context.clone(), name)).await,
            };
            let seconds = started.elapsed().as_secs_f64();
            context
                .metrics
                .reconciled(CONTROLLER, outcome.result(), seconds);
            outcome
        }
    };
    let abort = |work: &Work, what: &Abort| {
        tracing::error!(%work, "reconcile failed: {what}");
        if let Work::Kubeconfig(pair) = work {
            kubeconfig::aborted(&context, pair, &what.to_string());
        }
    };
    context.queue.clone().run(limits, work, abort).await;
    Err(RunError::Ended("the queue".to_owned()))
}
