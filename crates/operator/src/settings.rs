//! Settings of the operator, from its command line.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

/// Longest time between two probes of a DataStore.
pub const DATA_STORE_CHECK: Duration = Duration::from_mins(1);
/// Longest time between two counts of a tenant's keys.
pub const TENANT_USAGE: Duration = Duration::from_mins(10);

/// Least time between two writes of the handover while the operator runs.
pub const HANDOVER: Duration = Duration::from_mins(2);

/// Settings from the command line of `kamaji manager`.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Settings that plans depend on.
    pub core: kamaji_core::settings::Settings,
    /// Address that `/metrics` is served on; `None` switches it off.
    pub metrics: Option<SocketAddr>,
    /// True if `/metrics` is served over TLS, to bearer tokens that may read it.
    pub metrics_secure: bool,
    /// Address that `/healthz` and `/readyz` are served on; `None` switches it off.
    pub health: Option<SocketAddr>,
    /// Address that the admission webhooks are served on; `None` switches it off.
    pub webhooks: Option<SocketAddr>,
    /// True if several replicas must agree on one that writes.
    pub leader_elect: bool,
    /// Namespace that the operator lives in: its lease and its serving certificate.
    pub namespace: String,
    /// Name of this replica in the lease.
    pub identity: String,
    /// Service that the API server reaches the webhooks through.
    pub webhook_service: String,
    /// Folder with `tls.crt`, `tls.key` and `ca.crt`, used instead of certificates of our own.
    pub webhook_certificates: Option<PathBuf>,
    /// Tenants that are reconciled at the same time.
    pub concurrency: usize,
    /// Tenant clusters that are reconciled at the same time.
    pub tenant_cluster_concurrency: usize,
    /// Longest time of one reconcile.
    pub time_limit: Duration,
    /// Period after which an unchanged tenant is reconciled again.
    pub resync: Duration,
    /// Each DataStore is asked at most this much later whether it answers.
    pub data_store_check: Duration,
    /// Each tenant's keys are counted at most this much later, and its bytes every sixth time.
    pub tenant_usage: Duration,
    /// Least time between two writes of the handover for the process that follows, while this one runs.
    pub handover: Duration,
    /// Period after which a tenant cluster is reconciled for drift; each is spread to up to half as much again.
    pub tenant_cluster_resync: Duration,
    /// Dial tenants at their Service's cluster IP instead of its DNS name: for an operator that
    /// runs outside of the management cluster.
    pub dial_cluster_ip: bool,
}
