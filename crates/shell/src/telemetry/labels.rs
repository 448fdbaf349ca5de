//! By what are metrics told apart? With the names of upstream.

use prometheus_client::encoding::EncodeLabelSet;

/// Requests to API servers.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct RequestLabels {
    pub(super) verb: &'static str,
    pub(super) resource: String,
}

/// Reconciles by controller and result.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct ReconcileLabels {
    pub(super) controller: &'static str,
    pub(super) result: &'static str,
}

/// Controllers.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct ControllerLabels {
    pub(super) controller: &'static str,
}

/// Certificates that the operator does not renew.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct ExpiryLabels {
    pub(super) kind: &'static str,
}

/// Leases.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct LeaseLabels {
    pub(super) name: &'static str,
}

/// Work queues.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct QueueLabels {
    pub(super) name: &'static str,
    pub(super) controller: &'static str,
}

/// Handlers.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct HandlerLabels {
    pub(super) handler: &'static str,
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
    pub(super) ready: &'static str,
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
    pub(super) tcp_namespace: String,
    pub(super) tcp_name: String,
    pub(super) status: &'static str,
    pub(super) strategy: &'static str,
}

/// The build.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct Build {
    pub(super) version: &'static str,
    pub(super) commit: &'static str,
    pub(super) dirty: &'static str,
    pub(super) repo: &'static str,
    pub(super) build_time: &'static str,
}
