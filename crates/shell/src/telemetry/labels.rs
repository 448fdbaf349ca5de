//! Label sets of the metrics, with upstream's names.

use prometheus_client::encoding::EncodeLabelSet;

/// Labels of requests to API servers.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct RequestLabels {
    pub(super) verb: &'static str,
    pub(super) resource: String,
}

/// Labels of reconciles: controller and result.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct ReconcileLabels {
    pub(super) controller: &'static str,
    pub(super) result: &'static str,
}

/// Labels of errors and durations of reconciles.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct ControllerLabels {
    pub(super) controller: &'static str,
}

/// Labels of certificates that the operator does not renew.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct ExpiryLabels {
    pub(super) kind: &'static str,
}

/// Labels of the gauges of a lease.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct LeaseLabels {
    pub(super) name: &'static str,
}

/// Labels of the metrics of a work queue.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct QueueLabels {
    pub(super) name: &'static str,
    pub(super) controller: &'static str,
}

/// Label of the durations of a webhook: its path.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct WebhookLabels {
    pub(super) webhook: String,
}

/// Labels of the requests to a webhook: its path, and the HTTP status of the answer.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct WebhookAnswerLabels {
    pub(super) webhook: String,
    pub(super) code: u16,
}

/// Labels of upstream's durations of handlers.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct HandlerLabels {
    pub(super) handler: &'static str,
}

/// Labels of a tenant's properties.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct TenantInfo {
    /// Namespace of the TenantControlPlane.
    pub tcp_namespace: String,
    /// Name of the TenantControlPlane.
    pub tcp_name: String,
    /// Kubernetes version of the tenant.
    pub kubernetes_version: String,
    /// Driver of the tenant's DataStore.
    pub datastore_driver: String,
    /// URL of the tenant's API server.
    pub address: String,
    /// Exposure of the API server: `gateway`, `service` or `unknown`.
    pub exposure_strategy: &'static str,
}

/// Labels of a tenant's state.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct TenantStatus {
    /// Namespace of the TenantControlPlane.
    pub tcp_namespace: String,
    /// Name of the TenantControlPlane.
    pub tcp_name: String,
    /// Phase in the status of the TenantControlPlane.
    pub status: String,
    /// Readiness: `true` or `false`.
    pub ready: &'static str,
}

/// Labels of the numbers of tenants: `true` or `false`.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct ReadyLabels {
    pub(super) ready: &'static str,
}

/// Labels of a DataStore's properties.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct StoreInfo {
    /// Name of the DataStore.
    pub datastore_name: String,
    /// Driver of the DataStore.
    pub driver: &'static str,
}

/// Labels of a DataStore's state.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct StoreStatus {
    /// Name of the DataStore.
    pub datastore_name: String,
    /// Status of the condition Ready: `True` or `False`.
    pub status: &'static str,
    /// Readiness: `true` or `false`.
    pub ready: &'static str,
}

/// Labels of a DataStore's readiness; there is a series for each answer.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct StoreReady {
    /// Name of the DataStore.
    pub datastore_name: String,
    /// Readiness: `true` or `false`.
    pub ready: &'static str,
    /// Driver of the DataStore.
    pub driver: &'static str,
}

/// Labels of the numbers of a tenant's certificates.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct CertificateLabels {
    pub(super) tcp_namespace: String,
    pub(super) tcp_name: String,
    pub(super) status: &'static str,
    pub(super) strategy: &'static str,
}

/// Labels of the running build.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct Build {
    pub(super) version: &'static str,
    pub(super) commit: &'static str,
    pub(super) dirty: &'static str,
    pub(super) repo: &'static str,
    pub(super) build_time: &'static str,
}
