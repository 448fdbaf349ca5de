//! Shared state of all controllers of the operator.

mod stores;

use std::{
    collections::HashMap,
    sync::{
        Mutex, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

use kamaji_api::{
    datastore::DataStore,
    tenant::{TenantControlPlane, VersionPhase},
};
use kamaji_core::tenant_cluster::CompletedReconcile;
use kamaji_shell::{ObjectKey, lock::lock};
use kube::Client;

pub use stores::Stores;

use crate::{
    databases::DatastoreClients,
    expiry_metrics::Measured,
    handover::known::Handover,
    migration_runs::Running,
    settings::Settings,
    tenant_cache::TenantCache,
    usage_records::{Share, UsageRecords},
    usage_turns::Turns,
};
use kamaji_shell::{
    apply::Writer,
    events::Events,
    index::Index,
    queue::Queue,
    remote::Remote,
    telemetry::{Metrics, TenantInfo, TenantStatus},
    watch::Objects,
    watchdog::Watchdog,
};

/// Shared state of all controllers.
pub struct Context {
    /// Client of the management cluster, for requests.
    pub client: Client,
    /// Client of the management cluster, for watches.
    pub watching: Client,
    /// Liveness of the queues and of the start.
    pub watchdog: Watchdog,
    /// Settings from the command line.
    pub settings: Settings,
    /// The one write door.
    pub writer: Writer,
    /// Index of the tenants' objects in the management cluster.
    pub index: Index,
    /// Every TenantControlPlane, from the watch.
    pub tenants: Objects<ObjectKey, TenantControlPlane>,
    /// Every DataStore, from the watch.
    pub data_stores: Objects<String, DataStore>,
    /// DataStores with their references resolved.
    pub stores: Stores,
    /// Open connections to datastores.
    pub databases: DatastoreClients,
    /// Clients of the tenants' API servers.
    pub remote: Remote,
    /// Reports of the last reconciles of tenant clusters.
    pub tenant_cluster: Reports,
    /// Memory of the tenant controller, by tenant.
    pub tenant_cache: TenantCache,
    /// Handover of the former process: the tenants that it had found as planned.
    pub handover: Handover,
    /// Publisher of events, while this replica leads.
    pub events: Events,
    /// Metrics of this process.
    pub metrics: Metrics,
    /// Queue of TenantControlPlanes to reconcile.
    pub tenant_queue: Queue<ObjectKey>,
    /// Queue of tenant clusters to reconcile.
    pub tenant_cluster_queue: Queue<ObjectKey>,
    /// Queue of DataStores to reconcile.
    pub store_queue: Queue<String>,
    /// Queue of DataStores to probe.
    pub check_queue: Queue<String>,
    /// Queue of tenants whose data is to be measured, each with the name of a DataStore that holds some of it.
    pub usage_queue: Queue<Share>,
    /// Sizes of the tenants' data.
    pub usage: UsageRecords,
    /// Turns of measurements at each DataStore.
    pub usage_turns: Turns,
    /// Queue of tenants whose data is to move.
    pub migration_queue: Queue<ObjectKey>,
    /// Tenants whose data is moved now.
    pub migrating: Running,
    /// Turns of migrations at each DataStore.
    pub migration_turns: Turns,
    /// Uid of the management cluster, once this replica leads.
    pub cluster: OnceLock<String>,
    /// True once the API server serves TLSRoute v1.
    pub gateway_api: AtomicBool,
    /// True once the routes that were there when the Gateway API was installed are known.
    pub routes_listed: AtomicBool,
    /// CA certificates of the webhooks, PEM; empty while unknown.
    pub authorities: Mutex<Vec<u8>>,
    /// Metrics' labels of each tenant, to take them away again.
    pub labels: Mutex<Labels>,
}

impl Context {
    /// True if the API server serves TLSRoute v1.
    pub fn gateway_api(&self) -> bool {
        self.gateway_api.load(Ordering::Relaxed)
    }

    /// Forgets a tenant that was deleted, with its metrics.
    pub fn forget(&self, key: &ObjectKey) {
        self.tenant_cache.forget(key);
        self.stores.forget(key);
        self.databases.forget(key);
        self.tenant_cluster.forget(key);
        self.usage.forget(key, &self.metrics.probes);
        self.metrics.forget_certificates(key);
        self.metrics.expiries.forget(&key.to_string());
        if let Some((info, status)) = self.locked_labels().remove(key) {
            self.metrics.tenant_info.remove(&info);
            self.metrics.tenant_status.remove(&status);
        }
        self.count();
    }

    /// Puts a tenant's metrics right.
    pub fn measure(&self, key: &ObjectKey, object: &TenantControlPlane) {
        let status = object.status.clone().unwrap_or_default();
        let phase = status
            .kubernetes_resources
            .and_then(|r| r.version?.status)
            .unwrap_or(VersionPhase::Unknown);
        let control_plane = &object.spec.control_plane;
        let info = TenantInfo {
            tcp_namespace: key.namespace.clone(),
            tcp_name: key.name.clone(),
            kubernetes_version: object.spec.kubernetes.version.clone(),
            datastore_driver: status
                .storage
                .and_then(|s| s.driver)
                .unwrap_or_else(|| "unknown".to_owned()),
            address: status
                .control_plane_endpoint
                .map(|endpoint| format!("https://{endpoint}"))
                .unwrap_or_default(),
            exposure_strategy: if control_plane.gateway.is_some() {
                "gateway"
            } else {
                "service"
            },
        };
        let status = TenantStatus {
            tcp_namespace: key.namespace.clone(),
            tcp_name: key.name.clone(),
            status: format!("{phase:?}"),
            ready: if phase == VersionPhase::Ready {
                "true"
            } else {
                "false"
            },
        };
        let next = (info, status);
        let mut labels = self.locked_labels();
        if labels.get(key) == Some(&next) {
            return;
        }
        if let Some((info, status)) = labels.insert(key.clone(), next.clone()) {
            self.metrics.tenant_info.remove(&info);
            self.metrics.tenant_status.remove(&status);
        }
        drop(labels);
        self.metrics.tenant_info.get_or_create(&next.0).set(1);
        self.metrics.tenant_status.get_or_create(&next.1).set(1);
        self.count();
    }

    /// Puts the metrics of a tenant's certificates right.
    pub fn measure_expiries(&self, key: &ObjectKey, measured: Measured) {
        let (metrics, counts) = (&self.metrics, measured.counts);
        metrics.certificates(key, counts.certificates, counts.kubeconfigs);
        metrics.expiries.set(&key.to_string(), &measured.expiries);
        self.tenant_cache.record_measured(key, measured);
    }

    /// Settings for plans of tenant clusters: with the CA that tenants' API servers need to trust the
    /// operator's webhooks.
    pub fn tenant_cluster_settings(&self) -> kamaji_core::settings::Settings {
        kamaji_core::settings::Settings {
            webhook_ca: lock(&self.authorities).clone(),
            ..self.settings.core.clone()
        }
    }

    /// The webhooks are served by a certificate of these authorities.
    pub fn trust(&self, authorities: &[u8]) {
        authorities.clone_into(&mut lock(&self.authorities));
    }

    fn count(&self) {
        let labels = self.locked_labels();
        let ready = labels
            .values()
            .filter(|(_, status)| status.ready == "true")
            .count();
        let others = labels.len() - ready;
        let number = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        self.metrics.tenants(number(ready), number(others));
    }

    fn locked_labels(
        &self,
    ) -> std::sync::MutexGuard<'_, HashMap<ObjectKey, (TenantInfo, TenantStatus)>> {
        lock(&self.labels)
    }
}

/// Metrics' labels by tenant.
type Labels = HashMap<ObjectKey, (TenantInfo, TenantStatus)>;

/// Reports of the last reconciles of tenant clusters, until the status has them, too.
#[derive(Default)]
pub struct Reports {
    reports: Mutex<HashMap<ObjectKey, CompletedReconcile>>,
}

impl Reports {
    /// The last reconcile of a tenant cluster.
    pub fn get(&self, key: &ObjectKey) -> Option<CompletedReconcile> {
        self.locked().get(key).cloned()
    }

    /// Hash of everything in the report that a plan depends on.
    pub fn digest(&self, key: &ObjectKey) -> u64 {
        use std::hash::{DefaultHasher, Hash, Hasher};
        let Some(last_reconcile) = self.get(key) else {
            return 0;
        };
        let mut hasher = DefaultHasher::new();
        let report = last_reconcile.report;
        (
            report.ready.status,
            report.ready.reason,
            report.ready.message,
        )
            .hash(&mut hasher);
        let rest = (report.addons, report.kubeadm_phase, report.write_limited);
        let rest = serde_json::to_string(&rest);
        rest.unwrap_or_default().hash(&mut hasher);
        hasher.finish()
    }

    /// Records the end of a reconcile.
    pub fn set(&self, key: &ObjectKey, last_reconcile: CompletedReconcile) {
        self.locked().insert(key.clone(), last_reconcile);
    }

    /// Drops everything recorded about a tenant that does not exist any more.
    pub fn forget(&self, key: &ObjectKey) {
        self.locked().remove(key);
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, HashMap<ObjectKey, CompletedReconcile>> {
        lock(&self.reports)
    }
}
