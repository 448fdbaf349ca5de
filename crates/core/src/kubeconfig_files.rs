//! Names of kubeconfigs: keys of the Secrets that hold them, and files where pods mount them.

/// Administrators of the tenant cluster, at its public address.
pub const ADMIN: &str = "admin.conf";
pub use kamaji_api::kubeconfig::ADMIN_SERVICE;
/// The group `system:masters`, at the public address.
pub const SUPER_ADMIN: &str = "super-admin.conf";
/// The group `system:masters`, at the Service in the management cluster.
pub const SUPER_ADMIN_SERVICE: &str = "super-admin.svc";
/// User `system:kube-controller-manager` of the tenant's control plane.
pub const CONTROLLER_MANAGER: &str = "controller-manager.conf";
/// User `system:kube-scheduler` of the tenant's control plane.
pub const SCHEDULER: &str = "scheduler.conf";
/// The konnectivity server beside the tenant's API server.
pub const KONNECTIVITY: &str = "konnectivity-server.conf";
