//! Types of Kamaji's API groups, their labels and conditions, and small views of other projects'
//! kinds.

pub mod cluster;
pub mod condition;
pub mod control_plane;
pub mod crd;
pub mod datastore;
pub mod foreign;
pub mod kubeconfig;
pub mod labels;
pub mod owner;
pub mod tenant;

/// Newest Kubernetes minor that tenants may run: 37 means 1.37. The definitions of control planes
/// and the admission of tenants refuse newer ones.
pub const NEWEST_MINOR: u64 = 37;
