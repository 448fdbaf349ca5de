//! Tests of the operator with a real API server and a real etcd with access control. No pods run here: a control plane
//! becomes available only if a test writes the status of its Deployment.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests and their helpers fail by panics"
)]

mod access_control;
mod admission;
mod authorities;
mod bad_input;
mod control_plane;
mod convergence;
mod data_moves;
mod data_store_deletion;
mod data_stores;
mod deletion;
mod drift;
mod endpoints;
mod environment;
mod foreign;
mod freeze;
mod from_upstream;
mod handover;
mod killed;
mod kubeconfig_generator;
mod leadership;
mod memory;
mod monitoring;
mod orphan;
mod overrides;
mod ownership;
mod probes;
mod process;
mod rights;
mod rollout;
mod rotation;
mod tenant_cluster;
mod unreadable;
mod upgraded;
