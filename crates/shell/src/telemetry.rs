//! Prometheus metrics of the operator: upstream's names and labels, controller-runtime's, and own ones.

use std::sync::Arc;

use kamaji_api::datastore::Driver;
use prometheus_client::{
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

use crate::{ObjectKey, clock, lease::Gauges};

mod expiry;
mod histogram;
mod labels;
mod migrations;
mod process;
mod queues;
mod stores;
mod webhooks;

pub use expiry::Expiries;
use histogram::seconds;
pub use labels::{
    Build, CertificateLabels, ControllerLabels, HandlerLabels, LeaseLabels, QueueLabels,
    ReadyLabels, ReconcileLabels, RequestLabels, StoreInfo, StoreReady, StoreStatus, TenantInfo,
    TenantStatus, WebhookAnswerLabels, WebhookLabels,
};
pub use migrations::MigrationMetrics;
pub use queues::QueueMetrics;
use queues::Queues;
pub use stores::StoreMetrics;
pub use webhooks::{ReviewFailed, Webhooks};

/// Numbers of a tenant's certificates in one kind of Secret.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Certificates {
    /// Certificates that are valid beyond the deadline.
    pub valid: i64,
    /// Certificates that expire within the deadline.
    pub expiring: i64,
    /// Certificates that cannot be parsed or have expired.
    pub invalid: i64,
}

/// Counters of requests to API servers, `kamaji_requests_total`.
#[derive(Clone, Default)]
pub struct Counters {
    requests: Family<RequestLabels, Counter>,
}

impl Counters {
    /// Counts one request by verb and plural resource.
    pub fn request(&self, verb: &'static str, resource: &str) {
        let labels = RequestLabels {
            verb,
            resource: resource.to_owned(),
        };
        self.requests.get_or_create(&labels).inc();
    }
}

/// All metrics of one process. Clones share them.
#[derive(Clone)]
pub struct Metrics {
    registry: Arc<Registry>,
    /// Counters of requests to API servers.
    pub counters: Counters,
    /// Requests to webhooks, `controller_runtime_webhook_*`.
    pub webhooks: Webhooks,
    reconciles: Family<ReconcileLabels, Counter>,
    errors: Family<ControllerLabels, Counter>,
    times: Family<ControllerLabels, Histogram>,
    queues: Queues,
    handler: Family<HandlerLabels, Histogram>,
    /// `kamaji_tenant_control_plane_info`: 1 for each tenant, with its properties.
    pub tenant_info: Family<TenantInfo, Gauge<i64>>,
    /// `kamaji_tenant_control_plane_status`: 1 for each tenant, with its phase and readiness.
    pub tenant_status: Family<TenantStatus, Gauge<i64>>,
    tenants: Family<ReadyLabels, Gauge<i64>>,
    store_info: Family<StoreInfo, Gauge<i64>>,
    store_status: Family<StoreStatus, Gauge<i64>>,
    stores: Family<StoreReady, Gauge<i64>>,
    /// Answers of DataStores to probes, and the size of each tenant's data.
    pub probes: StoreMetrics,
    /// Migrations of tenants' data, `kamaji_migration*`.
    pub migrations: MigrationMetrics,
    certificates: Family<CertificateLabels, Gauge<i64>>,
    /// `kamaji_certificate_expiry_seconds`: certificates that the operator does not renew.
    pub expiries: Expiries,
    leads: Family<LeaseLabels, Gauge<i64>>,
    waits: Family<LeaseLabels, Gauge<i64>>,
    unreadable: Gauge<i64>,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
            registry: Arc::default(),
            counters: Counters::default(),
            webhooks: Webhooks::default(),
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
            probes: StoreMetrics::default(),
            migrations: MigrationMetrics::default(),
            certificates: Family::default(),
            expiries: Expiries::default(),
            leads: Family::default(),
            waits: Family::default(),
            unreadable: Gauge::default(),
        };
        metrics.tenants(0, 0);
        metrics.registry = Arc::new(metrics.register());
        metrics
    }
}

/// The metric of the build that runs: 1, with the version and the commit.
fn build_info() -> Family<Build, Gauge<i64>> {
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
    build
}

impl Metrics {
    fn register(&self) -> Registry {
        let mut all = Registry::default();
        self.register_objects(&mut all);
        all.register("kamaji_build_info", "The build that runs", build_info());
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
        self.webhooks.register(&mut all);
        all.register_collector(Box::new(process::Process));
        all.register(
            "leader_election_master_status",
            "1 at the replica that holds the lease",
            self.leads.clone(),
        );
        all.register(
            "kamaji_waits_for_another_operator",
            "1 while an operator of another namespace leads and this one waits",
            self.waits.clone(),
        );
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
            "kamaji_unreadable_objects_current",
            "TenantControlPlanes and DataStores that this build cannot read",
            self.unreadable.clone(),
        );
        all.register(
            "kamaji_certificates_current",
            "Certificates of each tenant control plane by state",
            self.certificates.clone(),
        );
        self.expiries.register(all);
        self.probes.register(all);
        self.migrations.register(all);
    }

    /// Gauges of the lease `name`.
    pub fn lease(&self, name: &'static str) -> Gauges {
        let labels = LeaseLabels { name };
        Gauges {
            leads: self.leads.get_or_create(&labels).clone(),
            waits: self.waits.get_or_create(&labels).clone(),
        }
    }

    /// Metrics of the work queue `name`.
    pub fn queue(&self, name: &'static str) -> QueueMetrics {
        self.queues.named(name)
    }

    /// Sets what a DataStore is and whether it is ready. Of its readiness there is one series for each answer, 1 at the
    /// present one; of its status only the present one.
    pub fn store(&self, name: &str, driver: &'static str, is_ready: bool) {
        self.store_info.get_or_create(&info(name, driver)).set(1);
        self.store_status.remove(&status(name, !is_ready));
        let status = status(name, is_ready);
        self.store_status.get_or_create(&status).set(1);
        for (ready, holds) in [("true", is_ready), ("false", !is_ready)] {
            let labels = StoreReady {
                datastore_name: name.to_owned(),
                ready,
                driver,
            };
            self.stores.get_or_create(&labels).set(i64::from(holds));
        }
    }

    /// Removes every series of a deleted DataStore, of whatever driver it was.
    pub fn forget_store(&self, name: &str) {
        for driver in Driver::ALL.map(Driver::as_str) {
            self.store_info.remove(&info(name, driver));
            for ready in ["true", "false"] {
                let datastore_name = name.to_owned();
                self.stores.remove(&StoreReady {
                    datastore_name,
                    ready,
                    driver,
                });
            }
        }
        for is_ready in [true, false] {
            self.store_status.remove(&status(name, is_ready));
        }
    }

    /// Sets the number of objects that cannot be parsed.
    pub fn unreadable(&self, number: usize) {
        self.unreadable
            .set(i64::try_from(number).unwrap_or(i64::MAX));
    }

    /// Sets the numbers of a tenant's certificates: those of TLS Secrets, and those in kubeconfigs.
    pub fn certificates(&self, tenant: &ObjectKey, x509: Certificates, kubeconfig: Certificates) {
        for (labels, number) in certificates(tenant, x509, kubeconfig) {
            self.certificates.get_or_create(&labels).set(number);
        }
    }

    /// Removes the numbers of a deleted tenant's certificates.
    pub fn forget_certificates(&self, tenant: &ObjectKey) {
        let none = Certificates::default();
        for (labels, _) in certificates(tenant, none, none) {
            self.certificates.remove(&labels);
        }
    }

    /// Counts one reconcile of a controller with its result (`success`, `error` or `requeue`) and duration.
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

    /// Sets the numbers of tenants that are ready and of all others.
    pub fn tenants(&self, ready: i64, others: i64) {
        self.tenants
            .get_or_create(&ReadyLabels { ready: "true" })
            .set(ready);
        self.tenants
            .get_or_create(&ReadyLabels { ready: "false" })
            .set(others);
    }

    /// Sets the number of tenants that wait for a reconcile.
    pub fn depth(&self, depth: usize) {
        self.queue("tenantcontrolplane").depth(depth);
    }

    /// All metrics in the OpenMetrics text format.
    pub fn text(&self) -> String {
        self.queues.refresh();
        self.expiries.refresh(clock::now());
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = prometheus_client::encoding::text::encode(&mut text, &self.registry);
        text
    }
}

fn info(name: &str, driver: &'static str) -> StoreInfo {
    StoreInfo {
        datastore_name: name.to_owned(),
        driver,
    }
}

fn status(name: &str, is_ready: bool) -> StoreStatus {
    let (status, ready) = if is_ready {
        ("True", "true")
    } else {
        ("False", "false")
    };
    StoreStatus {
        datastore_name: name.to_owned(),
        status,
        ready,
    }
}

fn certificates(
    tenant: &ObjectKey,
    x509: Certificates,
    kubeconfig: Certificates,
) -> impl Iterator<Item = (CertificateLabels, i64)> {
    let labels = move |strategy, status| CertificateLabels {
        tcp_namespace: tenant.namespace.clone(),
        tcp_name: tenant.name.clone(),
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
mod tests;
