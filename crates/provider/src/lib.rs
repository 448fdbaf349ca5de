//! When is something to be done for a KamajiControlPlane, and how is it done? The Cluster API
//! control-plane provider: the operator's shell around `kamaji_core::contract`.

mod certificate;
mod changes;
pub mod context;
mod control_plane;
pub mod conversion;
pub mod definitions;
mod external;
mod infrastructure;
pub mod interest;
pub mod kept;
mod migration;
mod observe;
mod probe;
mod report;
pub mod settings;
mod watches;

use std::{sync::Arc, time::Duration};

use kamaji_operator::{
    context::Key,
    shell::{
        apply::Writer,
        clock,
        drain::Drain,
        events::Events,
        lease::{self, Leadership},
        queue::{Accident, Limits, Outcome, Queue},
        serve::{self, Certificates, ServeError},
        telemetry::Metrics,
        watch::Objects,
    },
    stop,
};
use kube::Client;
use tokio::task::{JoinError, JoinSet};

use context::Context;
use settings::Settings;

/// Name of the lease, as in the reference.
pub const LEASE: &str = "kamaji.controlplane.cluster.x-k8s.io";
/// Who we are to the API server.
pub const MANAGER: &str = "kamaji-control-plane";

/// Looks that go on when the provider is told to stop may take so long still.
const GRACE: Duration = Duration::from_secs(5);

/// Why the provider ended.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// No management cluster.
    #[error(
        "the management cluster cannot be reached: {0}; is KUBECONFIG right, or does the provider run in a pod?"
    )]
    Cluster(#[source] Box<kube::Error>),
    /// How to reach it is not known.
    #[error("no way to the management cluster is configured: {0}")]
    Config(#[from] kube::config::InferConfigError),
    /// A listener.
    #[error(transparent)]
    Serve(#[from] ServeError),
    /// Another replica took over.
    #[error("the lease is lost: another replica may lead, this one must start anew")]
    LeaseLost,
    /// A task that should never end.
    #[error("an essential part of the provider ended: {0}")]
    Ended(String),
}

/// What the provider consists of; none of them ends by itself.
type Tasks = JoinSet<Result<(), RunError>>;

/// Runs the provider until it is told to stop or loses its lease.
pub async fn run(settings: Settings) -> Result<(), RunError> {
    let mut config = kube::Config::infer().await?;
    config.connect_timeout = Some(Duration::from_secs(5));
    // The queue tries again, and it knows for whom.
    config.default_retry = false;
    let client = Client::try_from(config).map_err(|e| RunError::Cluster(Box::new(e)))?;
    run_with(client, settings, stop()).await
}

/// As [`run`], in the management cluster of `client`, until `stop` completes.
pub async fn run_with(
    client: Client,
    settings: Settings,
    stop: impl Future<Output = ()>,
) -> Result<(), RunError> {
    let leadership = if settings.leader_elect {
        Leadership::none().by(LEASE)
    } else {
        Leadership::always()
    };
    let context = Arc::new(context(client.clone(), settings, leadership.clone()));
    let (mut tasks, mut listening): (Tasks, Tasks) = (JoinSet::new(), JoinSet::new());
    watches::start(&context, &mut tasks);
    let drain = Drain::default();
    listeners(&context, &drain, &mut listening);
    let settings = &context.settings;
    let (namespace, identity) = (
        settings.service.namespace.clone(),
        settings.identity.clone(),
    );
    if settings.leader_elect {
        let (client, leadership) = (client.clone(), leadership.clone());
        let (namespace, identity) = (namespace.clone(), identity.clone());
        tasks.spawn(async move {
            lease::keep(client, &namespace, &identity, &leadership).await;
            Err(RunError::LeaseLost)
        });
    }
    let migrating = context.clone();
    tasks.spawn(async move {
        migration::run(&migrating).await;
        std::future::pending().await
    });
    let lead = tasks.spawn(lead(context.clone()));
    let ended = tokio::select! {
        () = stop => {
            if settings.webhooks.is_some() {
                drain.begin();
            }
            context.queue.close();
            let finished = async {
                while !lead.is_finished() && tasks.join_next().await.is_some() {}
            };
            if context.writer.is_leading() {
                // What takes longer is broken off.
                let _ = tokio::time::timeout(GRACE, finished).await;
            }
            Ok(())
        }
        Some(ended) = tasks.join_next() => broken(ended),
        Some(ended) = listening.join_next() => broken(ended),
    };
    tasks.shutdown().await;
    lease::release(client, &namespace, &identity, &leadership).await;
    drain.over().await;
    listening.shutdown().await;
    ended
}

/// Why the provider ends with one of its tasks.
fn broken(ended: Result<Result<(), RunError>, JoinError>) -> Result<(), RunError> {
    Err(match ended {
        Ok(Ok(())) => RunError::Ended("a task returned".to_owned()),
        Ok(Err(error)) => error,
        Err(error) => RunError::Ended(error.to_string()),
    })
}

fn context(client: Client, settings: Settings, leadership: Leadership) -> Context {
    let metrics = Metrics::default();
    let writer = Writer::new(client.clone(), leadership.clone(), metrics.counters.clone());
    Context {
        writer: writer.managing_as(MANAGER),
        events: Events::by(MANAGER, (client.clone(), &settings.identity), leadership),
        client,
        settings,
        queue: Queue::default().measured(metrics.queue("kamajicontrolplane")),
        metrics,
        control_planes: Objects::default(),
        clusters: Objects::default(),
        tenants: Objects::default(),
        definitions: definitions::Definitions::default(),
        infrastructures: infrastructure::Infrastructures::default(),
        externals: external::Externals::default(),
        probes: probe::Probes::default(),
        interests: interest::Interests::default(),
        secrets: kept::Kept::default(),
        kept_infrastructures: kept::Kept::default(),
    }
}

fn listeners(context: &Arc<Context>, drain: &Drain, tasks: &mut Tasks) {
    if let Some(address) = context.settings.metrics {
        let metrics = context.metrics.clone();
        tasks.spawn(async move { Ok(serve::metrics(address, metrics).await?) });
    }
    let certificates = Certificates::default();
    let serves = context.settings.webhooks;
    if let Some(address) = serves {
        let served = certificates.clone();
        let router = drain.around(conversion::router());
        tasks.spawn(async move { Ok(serve::tls(address, router, served).await?) });
        let (context, kept) = (context.clone(), certificates.clone());
        tasks.spawn(async move {
            certificate::keep(context, kept).await;
            Err(RunError::Ended(
                "the certificate of the conversion".to_owned(),
            ))
        });
    }
    if let Some(address) = context.settings.health {
        // Not the lists: they may need the conversion, which is not asked of pods that are not ready.
        let ready = move || serves.is_none() || certificates.is_set();
        tasks.spawn(async move { Ok(serve::health(address, ready).await?) });
    }
}

/// Works on control planes as long as this replica leads.
async fn lead(context: Arc<Context>) -> Result<(), RunError> {
    context.definitions.ready().await;
    context.control_planes.ready().await;
    context.clusters.ready().await;
    context.tenants.ready().await;
    context.writer.leading().await;
    tracing::info!(
        control_planes = context.control_planes.all().len(),
        "at work"
    );
    let limits = Limits {
        concurrency: context.settings.concurrency,
        time: context.settings.time_limit,
    };
    let work = |key: Key| {
        let context = context.clone();
        async move {
            let started = clock::instant();
            let outcome = Box::pin(control_plane::reconcile(context.clone(), key)).await;
            let result = match outcome {
                Outcome::Done { .. } => "success",
                Outcome::Retry => "error",
                Outcome::Wait(_) => "requeue",
            };
            let seconds = started.elapsed().as_secs_f64();
            context
                .metrics
                .reconciled("kamajicontrolplane", result, seconds);
            outcome
        }
    };
    let accident = |key: &Key, what: &Accident| {
        tracing::error!(control_plane = %key, "the look failed: {what}");
        let (context, key, what) = (context.clone(), key.clone(), what.clone());
        tokio::spawn(async move {
            if let Some(object) = context.control_planes.get(&key) {
                report::accident(&context, &object, &what).await;
            }
        });
    };
    context.queue.clone().run(limits, work, accident).await;
    Err(RunError::Ended("the queue".to_owned()))
}
