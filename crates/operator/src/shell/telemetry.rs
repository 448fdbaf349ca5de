//! What can be measured? Metrics with the names and labels of the reference, and our own counters.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, atomic::AtomicU64},
    time::{Duration, Instant},
};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};
use tokio::task::Id;

use super::clock;

/// Requests to API servers.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct RequestLabels {
    verb: &'static str,
    resource: String,
}

/// Reconciles by controller and result.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct ReconcileLabels {
    controller: &'static str,
    result: &'static str,
}

/// Controllers.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct ControllerLabels {
    controller: &'static str,
}

/// Work queues.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct QueueLabels {
    name: &'static str,
    controller: &'static str,
}

/// Handlers.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct HandlerLabels {
    handler: &'static str,
}

/// One tenant and what it is.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct TenantInfo {
    /// Its namespace.
    pub tcp_namespace: String,
    /// Its name.
    pub tcp_name: String,
    /// Its version.
    pub kubernetes_version: String,
    /// Driver of its datastore.
    pub datastore_driver: String,
    /// URL of its API server.
    pub address: String,
    /// gateway, service or unknown.
    pub exposure_strategy: &'static str,
}

/// One tenant and how it is.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct TenantStatus {
    /// Its namespace.
    pub tcp_namespace: String,
    /// Its name.
    pub tcp_name: String,
    /// Its phase.
    pub status: String,
    /// true or false.
    pub ready: &'static str,
}

/// Numbers of tenants.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct ReadyLabels {
    ready: &'static str,
}

/// One datastore and what it is.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct StoreInfo {
    /// Its name.
    pub datastore_name: String,
    /// Its driver.
    pub driver: &'static str,
}

/// One datastore and how it is.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct StoreStatus {
    /// Its name.
    pub datastore_name: String,
    /// True, False or Unknown.
    pub status: &'static str,
    /// true or false.
    pub ready: &'static str,
}

/// One datastore and whether it is ready: one series for each answer.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct StoreReady {
    /// Its name.
    pub datastore_name: String,
    /// true or false.
    pub ready: &'static str,
    /// Its driver.
    pub driver: &'static str,
}

/// Certificates of one tenant.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct CertificateLabels {
    tcp_namespace: String,
    tcp_name: String,
    status: &'static str,
    strategy: &'static str,
}

/// How many certificates of a tenant there are of one kind of Secret.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Certificates {
    /// They are fine.
    pub valid: i64,
    /// They end within the deadline.
    pub expiring: i64,
    /// They cannot be read, or are over.
    pub invalid: i64,
}

/// The build.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct Build {
    version: &'static str,
    commit: &'static str,
    dirty: &'static str,
    repo: &'static str,
    build_time: &'static str,
}

/// Counters that every write and read goes through.
#[derive(Clone, Default)]
pub struct Counters {
    requests: Family<RequestLabels, Counter>,
}

impl Counters {
    /// One request.
    pub fn request(&self, verb: &'static str, resource: &str) {
        let labels = RequestLabels {
            verb,
            resource: resource.to_owned(),
        };
        self.requests.get_or_create(&labels).inc();
    }
}

/// Everything that is measured.
#[derive(Clone)]
pub struct Metrics {
    registry: Arc<Registry>,
    /// Requests to API servers.
    pub counters: Counters,
    reconciles: Family<ReconcileLabels, Counter>,
    errors: Family<ControllerLabels, Counter>,
    times: Family<ControllerLabels, Histogram>,
    queues: Queues,
    handler: Family<HandlerLabels, Histogram>,
    /// `kamaji_tenant_control_plane_info`
    pub tenant_info: Family<TenantInfo, Gauge<i64>>,
    /// `kamaji_tenant_control_plane_status`
    pub tenant_status: Family<TenantStatus, Gauge<i64>>,
    tenants: Family<ReadyLabels, Gauge<i64>>,
    /// `kamaji_datastore_info`
    pub store_info: Family<StoreInfo, Gauge<i64>>,
    /// `kamaji_datastore_status`
    pub store_status: Family<StoreStatus, Gauge<i64>>,
    stores: Family<StoreReady, Gauge<i64>>,
    certificates: Family<CertificateLabels, Gauge<i64>>,
}

/// One queue under its name; by default one that nobody reads.
#[derive(Clone, Default)]
pub struct QueueMetrics {
    depth: Gauge<u64, AtomicU64>,
    adds: Counter,
    retries: Counter,
    waited: Option<Histogram>,
    worked: Option<Histogram>,
    unfinished: Gauge<f64, AtomicU64>,
    longest: Gauge<f64, AtomicU64>,
    running: Arc<Mutex<HashMap<Id, Instant>>>,
}

impl QueueMetrics {
    /// A key came in.
    pub fn added(&self) {
        self.adds.inc();
    }

    /// So many keys wait.
    pub fn depth(&self, depth: usize) {
        self.depth.set(depth as u64);
    }

    /// A look began for a key that had waited.
    pub fn started(&self, id: Id, waited: Duration) {
        if let Some(histogram) = &self.waited {
            histogram.observe(waited.as_secs_f64());
        }
        locked(&self.running).insert(id, clock::instant());
    }

    /// A look ended.
    pub fn finished(&self, id: Id, retry: bool) {
        if retry {
            self.retries.inc();
        }
        let since = locked(&self.running).remove(&id);
        if let (Some(since), Some(histogram)) = (since, &self.worked) {
            histogram.observe(clock::instant().duration_since(since).as_secs_f64());
        }
    }

    /// Puts right what time alone changes.
    fn refresh(&self) {
        let running = locked(&self.running);
        let now = clock::instant();
        let seconds = running
            .values()
            .map(|since| now.duration_since(*since).as_secs_f64());
        self.unfinished
            .set(seconds.clone().fold(0.0, |sum, one| sum + one));
        self.longest.set(seconds.fold(0.0, f64::max));
    }
}

/// Every queue by its name, and what each of their metrics is called.
#[derive(Clone)]
struct Queues {
    named: Arc<Mutex<HashMap<&'static str, QueueMetrics>>>,
    depth: Family<QueueLabels, Gauge<u64, AtomicU64>>,
    adds: Family<QueueLabels, Counter>,
    retries: Family<QueueLabels, Counter>,
    waited: Family<QueueLabels, Histogram>,
    worked: Family<QueueLabels, Histogram>,
    unfinished: Family<QueueLabels, Gauge<f64, AtomicU64>>,
    longest: Family<QueueLabels, Gauge<f64, AtomicU64>>,
}

impl Queues {
    fn new() -> Self {
        Self {
            named: Arc::default(),
            depth: Family::default(),
            adds: Family::default(),
            retries: Family::default(),
            waited: Family::new_with_constructor(seconds),
            worked: Family::new_with_constructor(seconds),
            unfinished: Family::default(),
            longest: Family::default(),
        }
    }

    fn named(&self, name: &'static str) -> QueueMetrics {
        let labels = QueueLabels {
            name,
            controller: name,
        };
        let make = || QueueMetrics {
            depth: self.depth.get_or_create(&labels).clone(),
            adds: self.adds.get_or_create(&labels).clone(),
            retries: self.retries.get_or_create(&labels).clone(),
            waited: Some(self.waited.get_or_create(&labels).clone()),
            worked: Some(self.worked.get_or_create(&labels).clone()),
            unfinished: self.unfinished.get_or_create(&labels).clone(),
            longest: self.longest.get_or_create(&labels).clone(),
            running: Arc::default(),
        };
        locked(&self.named).entry(name).or_insert_with(make).clone()
    }

    fn refresh(&self) {
        locked(&self.named).values().for_each(QueueMetrics::refresh);
    }

    fn register(&self, all: &mut Registry) {
        all.register(
            "workqueue_depth",
            "Keys that wait to be looked at",
            self.depth.clone(),
        );
        all.register("workqueue_adds", "Keys that came in", self.adds.clone());
        all.register(
            "workqueue_retries",
            "Looks that did not work",
            self.retries.clone(),
        );
        all.register(
            "workqueue_queue_duration_seconds",
            "Seconds that a key waited for its look",
            self.waited.clone(),
        );
        all.register(
            "workqueue_work_duration_seconds",
            "Seconds that a look took",
            self.worked.clone(),
        );
        all.register(
            "workqueue_unfinished_work_seconds",
            "Seconds of all looks that go on, together",
            self.unfinished.clone(),
        );
        all.register(
            "workqueue_longest_running_processor_seconds",
            "Seconds of the look that goes on for the longest",
            self.longest.clone(),
        );
    }
}

fn seconds() -> Histogram {
    Histogram::new(BUCKETS)
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

const BUCKETS: [f64; 40] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6, 0.7, 0.8, 0.9,
    1.0, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 15.0, 20.0,
    25.0, 30.0, 40.0, 50.0, 60.0,
];

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
            registry: Arc::default(),
            counters: Counters::default(),
            reconciles: Family::default(),
            errors: Family::default(),
            times: Family::new_with_constructor(seconds),
            queues: Queues::new(),
            handler: Family::new_with_constructor(seconds),
            tenant_info: Family::default(),
            tenant_status: Family::default(),
            tenants: Family::default(),
            store_info: Family::default(),
            store_status: Family::default(),
            stores: Family::default(),
            certificates: Family::default(),
        };
        metrics.tenants(0, 0);
        metrics.registry = Arc::new(metrics.register());
        metrics
    }
}

impl Metrics {
    fn register(&self) -> Registry {
        let mut all = Registry::default();
        self.register_objects(&mut all);
        let build = Family::<Build, Gauge<i64>>::default();
        build
            .get_or_create(&Build {
                version: env!("CARGO_PKG_VERSION"),
                commit: option_env!("KAMAJI_COMMIT").unwrap_or(""),
                dirty: "",
                repo: "",
                build_time: "",
            })
            .set(1);
        all.register("kamaji_build_info", "The build that runs", build);
        all.register(
            "kamaji_handler_time_seconds",
            "Seconds that each handler took",
            self.handler.clone(),
        );
        all.register(
            "kamaji_requests",
            "Requests to API servers by verb and resource",
            self.counters.requests.clone(),
        );
        all.register(
            "controller_runtime_reconcile",
            "Reconciles by controller and result",
            self.reconciles.clone(),
        );
        all.register(
            "controller_runtime_reconcile_errors",
            "Reconciles by controller that did not work",
            self.errors.clone(),
        );
        all.register(
            "controller_runtime_reconcile_time_seconds",
            "Seconds that each reconcile took, by controller",
            self.times.clone(),
        );
        self.queues.register(&mut all);
        all
    }

    fn register_objects(&self, all: &mut Registry) {
        all.register(
            "kamaji_tenant_control_plane_info",
            "What each tenant control plane is",
            self.tenant_info.clone(),
        );
        all.register(
            "kamaji_tenant_control_plane_status",
            "How each tenant control plane is",
            self.tenant_status.clone(),
        );
        all.register(
            "kamaji_tenant_control_planes_current",
            "Tenant control planes by readiness",
            self.tenants.clone(),
        );
        all.register(
            "kamaji_datastore_info",
            "What each datastore is",
            self.store_info.clone(),
        );
        all.register(
            "kamaji_datastore_status",
            "How each datastore is",
            self.store_status.clone(),
        );
        all.register(
            "kamaji_datastores_current",
            "Datastores by readiness: 1 at the answer that is true",
            self.stores.clone(),
        );
        all.register(
            "kamaji_certificates_current",
            "Certificates of each tenant control plane by state",
            self.certificates.clone(),
        );
    }

    /// The metrics of the queue `name`.
    pub fn queue(&self, name: &'static str) -> QueueMetrics {
        self.queues.named(name)
    }

    /// Whether a datastore is ready.
    pub fn store(&self, name: &str, driver: &'static str, is_ready: bool) {
        for (ready, holds) in [("true", is_ready), ("false", !is_ready)] {
            let labels = StoreReady {
                datastore_name: name.to_owned(),
                ready,
                driver,
            };
            self.stores.get_or_create(&labels).set(i64::from(holds));
        }
    }

    /// A datastore is gone.
    pub fn forget_store(&self, name: &str, driver: &'static str) {
        for ready in ["true", "false"] {
            let datastore_name = name.to_owned();
            self.stores.remove(&StoreReady {
                datastore_name,
                ready,
                driver,
            });
        }
    }

    /// Certificates of a tenant: those that are alone in their Secrets, and those in kubeconfigs.
    pub fn certificates(
        &self,
        (namespace, name): (&str, &str),
        x509: Certificates,
        kubeconfig: Certificates,
    ) {
        for (labels, number) in certificates((namespace, name), x509, kubeconfig) {
            self.certificates.get_or_create(&labels).set(number);
        }
    }

    /// A tenant is gone.
    pub fn forget_certificates(&self, tenant: (&str, &str)) {
        let none = Certificates::default();
        for (labels, _) in certificates(tenant, none, none) {
            self.certificates.remove(&labels);
        }
    }

    /// One reconcile of a controller, which took so many seconds.
    pub fn reconciled(&self, controller: &'static str, result: &'static str, seconds: f64) {
        self.reconciles
            .get_or_create(&ReconcileLabels { controller, result })
            .inc();
        let labels = ControllerLabels { controller };
        let errors = self.errors.get_or_create(&labels).clone();
        if result == "error" {
            errors.inc();
        }
        self.times.get_or_create(&labels).observe(seconds);
        self.handler
            .get_or_create(&HandlerLabels {
                handler: controller,
            })
            .observe(seconds);
    }

    /// Numbers of tenants by readiness.
    pub fn tenants(&self, ready: i64, others: i64) {
        self.tenants
            .get_or_create(&ReadyLabels { ready: "true" })
            .set(ready);
        self.tenants
            .get_or_create(&ReadyLabels { ready: "false" })
            .set(others);
    }

    /// Tenants that wait to be looked at.
    pub fn depth(&self, depth: usize) {
        self.queue("tenantcontrolplane").depth(depth);
    }

    /// The text that is scraped.
    pub fn text(&self) -> String {
        self.queues.refresh();
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = prometheus_client::encoding::text::encode(&mut text, &self.registry);
        text
    }
}

fn certificates(
    (namespace, name): (&str, &str),
    x509: Certificates,
    kubeconfig: Certificates,
) -> impl Iterator<Item = (CertificateLabels, i64)> {
    let labels = move |strategy, status| CertificateLabels {
        tcp_namespace: namespace.to_owned(),
        tcp_name: name.to_owned(),
        status,
        strategy,
    };
    [("x509", x509), ("kubeconfig", kubeconfig)]
        .into_iter()
        .flat_map(move |(strategy, numbers)| {
            [
                (labels(strategy, "valid"), numbers.valid),
                (labels(strategy, "expiring"), numbers.expiring),
                (labels(strategy, "invalid"), numbers.invalid),
            ]
        })
}

#[cfg(test)]
#[path = "telemetry_tests.rs"]
mod tests;
