//! Settings of the operator, from its command line.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

/// How often a DataStore is asked whether it answers and tells its users apart.
pub const DATA_STORE_CHECK: Duration = Duration::from_mins(3);

/// Everything that `kamaji manager` is told on its command line.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Settings that plans depend on.
    pub core: kamaji_core::settings::Settings,
    /// Where `/metrics` is served; `None` for nowhere.
    pub metrics: Option<SocketAddr>,
    /// True if `/metrics` is served over TLS, to whoever may read it.
    pub metrics_secure: bool,
    /// Where `/healthz` and `/readyz` are served.
    pub health: Option<SocketAddr>,
    /// Where the admission webhooks are served; `None` for nowhere.
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
    /// Tenants whose inside is visited at the same time.
    pub tenant_cluster_concurrency: usize,
    /// Longest time of one reconcile.
    pub time_limit: Duration,
    /// A tenant is looked at anew after this, although nothing has changed.
    pub resync: Duration,
    /// Each DataStore is asked at most this much later whether it answers.
    pub data_store_check: Duration,
    /// A tenant's inside is compared anew after this (and up to half as much again).
    pub tenant_cluster_resync: Duration,
    /// Dial tenants at their Service's cluster IP instead of its DNS name: for an operator that
    /// runs outside of the management cluster.
    pub dial_cluster_ip: bool,
}
