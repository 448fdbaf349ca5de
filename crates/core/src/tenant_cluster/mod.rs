//! Plans the content of a tenant cluster: what kubeadm or an administrator would have created there.
//!
//! [`plan()`] turns a [`TenantClusterSnapshot`] into a [`TenantClusterPlan`]: whether the tenant cluster may be
//! reconciled, stages of steps that the operator carries out in order, and the time of the next reconcile.
//! [`write`] decides about a single object once its live version was read, and [`report`] what a reconcile
//! leaves behind. No object in a tenant cluster has an owner: what is switched off is pruned by name, where it
//! carries the operator's project label.

mod access;
mod availability;
mod bootstrap;
mod content;
mod coredns;
mod endpoints;
mod error;
mod freeze;
pub mod images;
mod konnectivity;
mod kube_proxy;
mod kubeadm_config;
pub mod kubelet_config;
mod kubelet_patch;
mod metadata;
pub mod plan;
mod rbac;
mod recreate;
pub mod report;
pub mod schedule;
mod snapshot;
mod stages;
mod status;
mod types;
pub mod write;
mod write_permissions;
mod yaml;

pub use access::Access;
pub use availability::Availability;
pub use error::TenantClusterError;
pub use plan::{Desired, TenantClusterPlan, plan};
pub use schedule::Next;
pub use snapshot::{AdminSecret, CompletedReconcile, TenantClusterSnapshot, recorded_data_store};
pub use stages::{Stage, Step};
pub use types::WriteLimit;
pub use write_permissions::limits_writes;

#[cfg(test)]
mod fixture;
