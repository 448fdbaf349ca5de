//! Options of the command `kamaji kubeconfig-generator`.

use std::{net::SocketAddr, time::Duration};

use kamaji_core::kubeconfig_generator;

/// Options of the command line, parsed.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Options that plans depend on.
    pub core: kubeconfig_generator::Settings,
    /// Address of `/metrics`; `None` to serve none.
    pub metrics: Option<SocketAddr>,
    /// Address of `/healthz` and `/readyz`; `None` to serve none.
    pub health: Option<SocketAddr>,
    /// True if replicas elect a leader by a lease; only the leader writes.
    pub leader_elect: bool,
    /// Namespace of the lease.
    pub namespace: String,
    /// Holder identity of this replica in the lease.
    pub identity: String,
    /// Largest number of concurrent reconciles.
    pub concurrency: usize,
    /// Limit for one reconcile.
    pub time_limit: Duration,
    /// Period after which an unchanged kubeconfig is reconciled again, shortened by up to a tenth.
    pub resync: Duration,
}
