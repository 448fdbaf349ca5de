//! What can be measured? Metrics with the names and labels of the reference, and our own counters.

use std::sync::{Arc, atomic::AtomicU64};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

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
    depth: Gauge<u64, AtomicU64>,
}

const BUCKETS: [f64; 40] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6, 0.7, 0.8, 0.9,
    1.0, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 15.0, 20.0,
    25.0, 30.0, 40.0, 50.0, 60.0,
];

impl Default for Metrics {
    fn default() -> Self {
        let handler =
            Family::<HandlerLabels, Histogram>::new_with_constructor(|| Histogram::new(BUCKETS));
        let mut metrics = Self {
            registry: Arc::default(),
            counters: Counters::default(),
            reconciles: Family::default(),
            handler,
            tenant_info: Family::default(),
            tenant_status: Family::default(),
            tenants: Family::default(),
            store_info: Family::default(),
            store_status: Family::default(),
            depth: Gauge::default(),
        };
        metrics.registry = Arc::new(metrics.register());
        metrics
    }
}

impl Metrics {
    fn register(&self) -> Registry {
        let mut all = Registry::default();
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
            "workqueue_depth",
            "Tenants that wait to be looked at",
            self.depth.clone(),
        );
        all
    }

    /// One reconcile of a controller, which took so many seconds.
    pub fn reconciled(&self, controller: &'static str, result: &'static str, seconds: f64) {
        self.reconciles
            .get_or_create(&ReconcileLabels { controller, result })
            .inc();
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
        self.depth.set(depth as u64);
    }

    /// The text that is scraped.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = prometheus_client::encoding::text::encode(&mut text, &self.registry);
        text
    }
}
