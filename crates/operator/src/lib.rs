//! The operator's controllers: tenants, tenant clusters and DataStores. See `docs/architecture.md`.

mod claims;
mod cluster_uid;
pub mod context;
pub mod databases;
mod deletion;
mod expiry_metrics;
mod failure;
mod fingerprint;
mod gateway;
mod handover;
mod migration_runs;
mod migrations;
mod observe;
mod orphan;
mod report;
pub mod settings;
mod store;
mod tenant;
mod tenant_cache;
mod tenant_cluster;
mod usage;
mod usage_records;
mod usage_turns;
pub mod webhook;

use std::{sync::Arc, time::Duration};

use futures::{StreamExt, stream};
use kamaji_core::{object::Kind, salvage, tenant_cluster::schedule};
use tokio::sync::watch as channel;

use context::Context;
use kamaji_shell::{
    ObjectKey,
    apply::Writer,
    drain::Drain,
    events::Events,
    lease::{self, Leadership},
    listen,
    metrics_access::Access,
    process::{self, Candidate, Clients, Process, RunError, Tasks},
    queue::{Abort, Limits, Queue},
    serve::{self, Certificates},
    telemetry::Metrics,
    watch,
    watchdog::Watchdog,
};
use settings::Settings;
use store::SecretWatches;

/// Time limit of one reconcile of a tenant cluster.
const TENANT_CLUSTER_TIME_LIMIT: Duration = Duration::from_secs(20);
/// Time limit of the first observation of one DataStore.
const STORE_TIME_LIMIT: Duration = Duration::from_secs(10);
/// Longest wait after a failed reconcile of a DataStore, for which all of its tenants wait.
const STORE_RETRY: Duration = Duration::from_mins(1);
/// DataStores that are reconciled at the same time.
const STORES: usize = 4;

/// Runs the operator until it is stopped or loses its lease.
pub async fn run(settings: Settings) -> Result<(), RunError> {
    run_with(process::clients().await?, settings, process::stop()).await
}

/// As [`run`], in the management cluster of `clients`, until `stop` completes.
pub async fn run_with(
    clients: impl Into<Clients>,
    settings: Settings,
    stop: impl Future<Output = ()>,
) -> Result<(), RunError> {
    let metrics = Metrics::default();
    let clients = clients.into();
    let candidate = Candidate {
        client: clients.requests.clone(),
        namespace: settings.namespace.clone(),
        identity: settings.identity.clone(),
        leadership: Leadership::elected_by(lease::NAME, settings.leader_elect)
            .alone_in_the_cluster()
            .measured(metrics.lease(lease::NAME)),
    };
    let leadership = candidate.leadership.clone();
    let context = Arc::new(context(clients, settings, leadership, metrics).await);
    let (mut tasks, mut listening) = (Tasks::new(), Tasks::new());
    let ready = watches(&context, &mut tasks);
    let drain = context.settings.webhooks.map(|_| Drain::default());
    listeners(&context, ready.clone(), drain.as_ref(), &mut listening);
    let gateway = context.clone();
    tasks.spawn(async move {
        gateway::follow(gateway).await;
        Err(RunError::Ended("the watch of the Gateway API".to_owned()))
    });
    let process = Process {
        tasks,
        listening,
        drain,
        candidate,
    };
    let close = || {
        context.tenant_queue.close();
        context.store_queue.close();
        context.check_queue.close();
        context.usage_queue.close();
        context.tenant_cluster_queue.close();
        context.migration_queue.close();
    };
    let work = lead(context.clone(), ready);
    process.run(work, close, stop).await
}

async fn context(
    clients: Clients,
    settings: Settings,
    leadership: Leadership,
    metrics: Metrics,
) -> Context {
    let client = clients.requests;
    let watchdog = Watchdog::default();
    let gateway_api = gateway::serves_routes(&client)
        .await
        .unwrap_or(false)
        .into();
    let tenants = watch::Objects::default().salvaged_by(salvage::tenant);
    Context {
        writer: Writer::new(client.clone(), leadership.clone(), metrics.counters.clone()),
        events: Events::new(client.clone(), &settings.identity, leadership),
        databases: databases::DatastoreClients::new(settings.resync, tenants.clone()),
        client,
        watching: clients.watches,
        settings,
        index: kamaji_shell::index::Index::default(),
        tenants,
        cluster: std::sync::OnceLock::new(),
        data_stores: watch::Objects::default().salvaged_by(|_| None),
        stores: context::Stores::default(),
        remote: kamaji_shell::remote::Remote::default(),
        tenant_cluster: context::Reports::default(),
        tenant_cache: tenant_cache::TenantCache::default(),
        handover: handover::known::Handover::default(),
        tenant_queue: Queue::default()
            .measured(metrics.queue("tenantcontrolplane"))
            .watched("TenantControlPlanes", &watchdog),
        tenant_cluster_queue: Queue::default()
            .measured(metrics.queue("tenant_cluster"))
            .retried_within(schedule::RETRY)
            .watched("tenant clusters", &watchdog),
        store_queue: Queue::default()
            .measured(metrics.queue("datastore"))
            .retried_within(STORE_RETRY)
            .watched("DataStores", &watchdog),
        check_queue: Queue::default()
            .measured(metrics.queue("datastorecheck"))
            .watched("checks of DataStores", &watchdog),
        usage_queue: Queue::default()
            .measured(metrics.queue("datastoreusage"))
            .watched("sizes of tenants' data", &watchdog),
        migration_queue: Queue::default()
            .measured(metrics.queue("migration"))
            .watched("migrations", &watchdog),
        migrating: migration_runs::Running::default(),
        migration_turns: usage_turns::Turns::default(),
        usage: usage_records::UsageRecords::default(),
        usage_turns: usage_turns::Turns::default(),
        watchdog,
        metrics,
        gateway_api,
        routes_listed: false.into(),
        authorities: std::sync::Mutex::default(),
        labels: std::sync::Mutex::default(),
    }
}

/// Kinds whose objects are folded into the index.
fn kinds(context: &Context) -> Vec<Kind> {
    let mut kinds = vec![
        Kind::Secret,
        Kind::ConfigMap,
        Kind::Service,
        Kind::Deployment,
        Kind::Ingress,
    ];
    kinds.extend(context.gateway_api().then_some(Kind::TlsRoute));
    kinds
}

type Ready = Vec<channel::Receiver<bool>>;

/// Starts every watch; each says when its first list is complete.
fn watches(context: &Arc<Context>, tasks: &mut Tasks) -> Ready {
    let ended = |what: &str| Err(RunError::Ended(format!("the watch of {what}")));
    let mut ready = Vec::new();
    for kind in kinds(context) {
        let (sender, receiver) = channel::channel(false);
        ready.push(receiver);
        let context = context.clone();
        tasks.spawn(async move {
            let queue = context.tenant_queue.clone();
            let children = watch::Children {
                kind,
                index: context.index.clone(),
                ready: sender,
            };
            let enqueue = move |key| queue.enqueue(key);
            watch::children(context.watching.clone(), children, enqueue).await;
            ended(kind.names().3)
        });
    }
    let tenants = context.clone();
    tasks.spawn(async move {
        let queue = tenants.tenant_queue.clone();
        let objects = tenants.tenants.clone();
        let wake = |key| {
            count_unreadable(&tenants);
            queue.enqueue(key);
        };
        watch::all(tenants.watching.clone(), objects, wake).await;
        ended("TenantControlPlanes")
    });
    let stores = context.clone();
    tasks.spawn(async move {
        let queue = stores.store_queue.clone();
        let objects = stores.data_stores.clone();
        let wake = |name| {
            count_unreadable(&stores);
            queue.enqueue(name);
        };
        watch::all(stores.watching.clone(), objects, wake).await;
        ended("DataStores")
    });
    ready
}

fn count_unreadable(context: &Context) {
    let tenants = context.tenants.all_unreadable().len();
    let stores = context.data_stores.all_unreadable().len();
    context.metrics.unreadable(tenants + stores);
}

fn listeners(context: &Arc<Context>, ready: Ready, drain: Option<&Drain>, tasks: &mut Tasks) {
    let certificates = Certificates::default();
    let (serves, secure) = (context.settings.webhooks, context.settings.metrics_secure);
    if let Some(address) = context.settings.metrics {
        let metrics = context.metrics.clone();
        let access = || Access::new(context.client.clone(), metrics.counters.clone());
        let secure = secure.then(|| (access(), certificates.shared()));
        tasks.spawn(async move { Ok(serve::metrics(address, metrics, secure).await?) });
    }
    if let (Some(address), Some(drain)) = (serves, drain) {
        let knowledge = Arc::new(webhook::facts::WatchedKnowledge(context.clone()));
        let webhooks = &context.metrics.webhooks;
        let router = drain.wrap(webhooks.wrap(webhook::router(knowledge)));
        let served = certificates.clone();
        tasks.spawn(async move { Ok(serve::tls(address, router, listen::REVIEWS, served).await?) });
    }
    if serves.is_some() || secure {
        let (context, served) = (context.clone(), certificates.clone());
        tasks.spawn(async move {
            webhook::certificate::keep(context, served).await;
            Err(RunError::Ended("the webhooks' certificate".to_owned()))
        });
    }
    if let Some(address) = context.settings.health {
        let (context, watchdog) = (context.clone(), context.watchdog.clone());
        let ready = move || {
            context.tenants.is_ready()
                && context.data_stores.is_ready()
                && ready.iter().all(|ready| *ready.borrow())
                && (serves.is_none() || certificates.is_served())
        };
        tasks.spawn(async move { Ok(serve::health(address, ready, watchdog).await?) });
    }
}

/// Works on tenants and DataStores as long as this replica leads.
async fn lead(context: Arc<Context>, mut ready: Ready) -> Result<(), RunError> {
    for receiver in &mut ready {
        if receiver.wait_for(|ready| *ready).await.is_err() {
            return Err(RunError::Ended("a watch".to_owned()));
        }
    }
    context.tenants.ready().await;
    context.data_stores.ready().await;
    context.writer.leading().await;
    let cluster = cluster_uid::read(&context).await;
    context.cluster.get_or_init(|| cluster);
    resolve_stores(&context).await;
    handover::read(&context).await;
    for (name, why) in context.data_stores.all_unreadable() {
        store::unreadable(&context, &name, &why);
    }
    context.watchdog.done("the first observation of DataStores");
    tracing::info!(
        tenants = context.tenants.all().len(),
        "reconcile loops started"
    );
    let (tenants, stores, tenant_clusters) = (
        tenants(&context),
        stores(&context),
        tenant_clusters(&context),
    );
    let (checks, sizes) = (store::check::run(&context), usage::run(&context));
    let moves = migrations::run(&context);
    let work = async { tokio::join!(tenants, stores, tenant_clusters, checks, sizes, moves) };
    tokio::select! {
        _ = Box::pin(work) => {}
        () = handover::keep(&context) => {}
    }
    // The queues are closed, and the lease is held a moment longer.
    handover::leave(&context).await;
    Err(RunError::Ended("a queue".to_owned()))
}

/// Resolves every DataStore, so that no tenant reports an unobserved one as missing. A DataStore whose Secrets cannot
/// be read in time is not ready until its own reconcile, which is retried, has read them.
async fn resolve_stores(context: &Context) {
    let resolving = stream::iter(context.data_stores.all());
    let resolving = resolving.for_each_concurrent(STORES, |(name, object)| async move {
        context.watchdog.beat("the first observation of DataStores");
        let resolved = store::resolve(context, &name, &object);
        let why = match tokio::time::timeout(STORE_TIME_LIMIT, resolved).await {
            Ok(Ok(_)) => return,
            Ok(Err(error)) => kamaji_core::error_chain::chain(&error),
            Err(_) => format!("no answer within {STORE_TIME_LIMIT:?}"),
        };
        let why = format!("its Secrets cannot be read: {why}");
        tracing::warn!(store = %name, "{why}");
        store::unobserved(context, &name, &why);
    });
    resolving.await;
}

async fn tenants(context: &Arc<Context>) {
    let limits = Limits {
        concurrency: context.settings.concurrency,
        time: context.settings.time_limit,
    };
    let work = |key: ObjectKey| {
        let context = context.clone();
        async move {
            let started = kamaji_shell::clock::instant();
            let outcome = Box::pin(tenant::reconcile(context.clone(), key)).await;
            let seconds = started.elapsed().as_secs_f64();
            context
                .metrics
                .reconciled("tenantcontrolplane", outcome.result(), seconds);
            context.metrics.depth(context.tenant_queue.depth());
            outcome
        }
    };
    let abort = |key: &ObjectKey, what: &Abort| {
        tracing::error!(tenant = %key, "the reconcile failed: {what}");
        let (context, key, failure) = (context.clone(), key.clone(), failure::Failure::abort(what));
        tokio::spawn(async move {
            if let Some(object) = context.tenants.get(&key) {
                report::failed(&context, &key, &object, &failure).await;
            }
        });
    };
    context.tenant_queue.clone().run(limits, work, abort).await;
}

async fn stores(context: &Arc<Context>) {
    let limits = Limits {
        concurrency: STORES,
        time: context.settings.time_limit,
    };
    let watches = Arc::new(SecretWatches::default());
    let work = |name| store::reconcile(context.clone(), watches.clone(), name);
    let abort = |name: &String, what: &Abort| {
        tracing::error!(store = %name, "the reconcile failed: {what}");
        store::unobserved(context, name, &format!("its reconcile failed: {what}"));
    };
    context.store_queue.clone().run(limits, work, abort).await;
}

async fn tenant_clusters(context: &Arc<Context>) {
    let limits = Limits {
        concurrency: context.settings.tenant_cluster_concurrency,
        time: TENANT_CLUSTER_TIME_LIMIT,
    };
    let work = |key| tenant_cluster::reconcile(context.clone(), key);
    let abort = |key: &ObjectKey, what: &Abort| {
        tracing::error!(tenant = %key, "the reconcile of the tenant cluster failed: {what}");
        tenant_cluster::broken_off(context, key, what);
    };
    context
        .tenant_cluster_queue
        .clone()
        .run(limits, work, abort)
        .await;
}
