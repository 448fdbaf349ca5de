//! Tests of the operator with a real API server and a real etcd with access control. No pods run here: a control plane
//! becomes available only if a test writes the status of its Deployment.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests and their helpers fail by panics"
)]

#[path = "tenants/access_control.rs"]
mod access_control;
#[path = "tenants/admission.rs"]
mod admission;
#[path = "tenants/authorities.rs"]
mod authorities;
#[path = "tenants/bad_input.rs"]
mod bad_input;
#[path = "tenants/control_plane.rs"]
mod control_plane;
#[path = "tenants/convergence.rs"]
mod convergence;
#[path = "tenants/data_store_deletion.rs"]
mod data_store_deletion;
#[path = "tenants/data_stores.rs"]
mod data_stores;
#[path = "tenants/deletion.rs"]
mod deletion;
#[path = "tenants/drift.rs"]
mod drift;
#[path = "tenants/endpoints.rs"]
mod endpoints;
#[path = "tenants/environment.rs"]
mod environment;
#[path = "tenants/foreign.rs"]
mod foreign;
#[path = "tenants/handover.rs"]
mod handover;
#[path = "tenants/killed.rs"]
mod killed;
#[path = "tenants/leadership.rs"]
mod leadership;
#[path = "tenants/memory.rs"]
mod memory;
#[path = "tenants/monitoring.rs"]
mod monitoring;
#[path = "tenants/orphan.rs"]
mod orphan;
#[path = "tenants/overrides.rs"]
mod overrides;
#[path = "tenants/ownership.rs"]
mod ownership;
#[path = "tenants/probes.rs"]
mod probes;
#[path = "tenants/process.rs"]
mod process;
#[path = "tenants/rights.rs"]
mod rights;
#[path = "tenants/rollout.rs"]
mod rollout;
#[path = "tenants/rotation.rs"]
mod rotation;
#[path = "tenants/tenant_cluster.rs"]
mod tenant_cluster;
#[path = "tenants/unreadable.rs"]
mod unreadable;
#[path = "tenants/upgraded.rs"]
mod upgraded;
