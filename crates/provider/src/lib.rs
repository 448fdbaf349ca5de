//! Cluster API control-plane provider: reconciles KamajiControlPlanes. It observes and writes around the decisions of
//! [`kamaji_core::cluster_api`].

mod apply;
mod certificate;
pub mod context;
mod control_plane;
pub mod conversion;
pub mod definitions;
pub mod dependencies;
mod dependents;
mod infrastructure;
mod management;
mod metadata_watch;
mod migration;
pub mod object_cache;
mod observe;
mod probe;
mod remote_clusters;
mod report;
pub mod settings;
mod watches;

use std::sync::Arc;

use kamaji_api::cluster::Cluster;
use kamaji_shell::{
    ObjectKey,
    apply::Writer,
    clock,
    drain::Drain,
    events::Events,
    lease::Leadership,
    listen,
    metrics_access::Access,
    process::{self, Candidate, Process, RunError, Tasks},
    queue::{Abort, Limits, Queue},
    serve::{self, Certificates},
    telemetry::Metrics,
    watch::Objects,
    watchdog::Watchdog,
};
use kube::Client;

use context::Context;
use dependents::Dependents;
use management::{MANAGER, ManagementCluster};
use settings::Settings;

/// Name of the lease for leader election, the same as upstream's.
pub const LEASE: &str = "kamaji.controlplane.cluster.x-k8s.io";
/// Runs the provider until a signal stops it or it loses its lease, with the kubeconfig or ServiceAccount of the
/// environment.
pub async fn run(settings: Settings) -> Result<(), RunError> {
    run_with(process::client().await?, settings, process::stop()).await
}

/// Runs the provider like [`run`], in the management cluster of `client`, until `stop` completes.
pub async fn run_with(
    client: Client,
    settings: Settings,
    stop: impl Future<Output = ()>,
) -> Result<(), RunError> {
    let metrics = Metrics::default();
    let candidate = Candidate {
        client: client.clone(),
        namespace: settings.service.namespace.clone(),
        identity: settings.identity.clone(),
        leadership: Leadership::elected_by(LEASE, settings.leader_elect)
            .measured(metrics.lease(LEASE)),
    };
    let leadership = candidate.leadership.clone();
    let context = Arc::new(context(client, settings, leadership, metrics));
    let (mut tasks, mut listening) = (Tasks::new(), Tasks::new());
    watches::start(&context, &mut tasks);
    let drain = context.settings.webhooks.map(|_| Drain::default());
    listeners(&context, drain.as_ref(), &mut listening);
    let migrating = context.clone();
    tasks.spawn(async move {
        migration::run(&migrating.management).await;
        std::future::pending().await
    });
    let process = Process {
        tasks,
        listening,
        drain,
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
        .measured(metrics.queue("kamajicontrolplane"))
        .watched("KamajiControlPlanes", &watchdog);
    let writer = Writer::new(client.clone(), leadership.clone(), metrics.counters.clone());
    let management = ManagementCluster {
        client: client.clone(),
        namespace: settings.namespace.clone(),
        writer: writer.managing_as(MANAGER),
        counters: metrics.counters.clone(),
    };
    let dependents = Dependents::new(queue.clone());
    let definitions = definitions::Definitions::default();
    Context {
        events: Events::by(MANAGER, client, &settings.identity, leadership),
        settings,
        queue,
        watchdog,
        metrics,
        control_planes: Objects::default(),
        clusters: Objects::default().unchanged_if(Cluster::equals_as_observed),
        tenants: Objects::default(),
        infrastructures: infrastructure::Infrastructures::new(
            management.clone(),
            definitions.clone(),
            dependents.clone(),
        ),
        remote_clusters: remote_clusters::RemoteClusters::new(
            management.clone(),
            dependents.clone(),
        ),
        definitions,
        dependents,
        probes: probe::Probes::default(),
        management,
    }
}

fn listeners(context: &Arc<Context>, drain: Option<&Drain>, tasks: &mut Tasks) {
    let certificates = Certificates::default();
    let (serves, secure) = (context.settings.webhooks, context.settings.metrics_secure);
    if let Some(address) = context.settings.metrics {
        let metrics = context.metrics.clone();
        let access = || Access::new(context.management.client.clone(), metrics.counters.clone());
        let secure = secure.then(|| (access(), certificates.shared()));
        tasks.spawn(async move { Ok(serve::metrics(address, metrics, secure).await?) });
    }
    if let (Some(address), Some(drain)) = (serves, drain) {
        let served = certificates.clone();
        let router = drain.wrap(context.metrics.webhooks.wrap(conversion::router()));
        tasks.spawn(
            async move { Ok(serve::tls(address, router, listen::CONVERSIONS, served).await?) },
        );
    }
    if serves.is_some() || secure {
        let (context, served) = (context.clone(), certificates.clone());
        tasks.spawn(async move {
            certificate::keep(context, served).await;
            Err(RunError::Ended(
                "the certificate of the conversion".to_owned(),
            ))
        });
    }
    if let Some(address) = context.settings.health {
        // Complete lists are no condition: they may need the conversion, which only ready pods serve.
        let ready = move || serves.is_none() || certificates.is_served();
        let watchdog = context.watchdog.clone();
        tasks.spawn(async move { Ok(serve::health(address, ready, watchdog).await?) });
    }
}

/// Reconciles control planes as long as this replica leads.
async fn lead(context: Arc<Context>) -> Result<(), RunError> {
    context.definitions.ready().await;
    context.control_planes.ready().await;
    context.clusters.ready().await;
    context.tenants.ready().await;
    context.management.writer.leading().await;
    tracing::info!(
        control_planes = context.control_planes.all().len(),
        "acquired leadership, reconcile loops started"
    );
    let limits = Limits {
        concurrency: context.settings.concurrency,
        time: context.settings.time_limit,
    };
    let work = |key: ObjectKey| {
        let context = context.clone();
        async move {
            let started = clock::instant();
            let outcome = Box::pin(control_plane::reconcile(context.clone(), key)).await;
            let seconds = started.elapsed().as_secs_f64();
            context
                .metrics
                .reconciled("kamajicontrolplane", outcome.result(), seconds);
            outcome
        }
    };
    let abort = |key: &ObjectKey, what: &Abort| {
        tracing::error!(control_plane = %key, "reconcile failed: {what}");
        let (context, key, what) = (context.clone(), key.clone(), what.clone());
        tokio::spawn(async move {
            if let Some(object) = context.control_planes.get(&key) {
                report::abort(&context, &object, &what).await;
            }
        });
    };
    context.queue.clone().run(limits, work, abort).await;
    Err(RunError::Ended("the queue".to_owned()))
}
