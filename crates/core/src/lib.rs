//! Decisions of Kamaji: the desired state of a tenant control plane, from a snapshot of what is observed.
//!
//! Pure code: no client, no clock, no randomness, no logging. The operator observes, this crate
//! plans, the operator applies. See `docs/architecture.md`.

pub mod admission;
pub mod adoption;
pub mod binding;
pub mod check;
pub mod checksum;
pub mod cluster_api;
pub mod data_store;
mod dns;
pub mod endpoint;
pub mod error_chain;
pub mod excerpt;
pub mod go_duration;
pub mod kine;
pub mod kubeconfig_files;
pub mod kubeconfig_generator;
pub mod managed_fields;
pub mod migration;
pub mod names;
pub mod network;
pub mod object;
pub mod orphan;
pub mod pki;
pub mod plan;
pub mod render;
pub mod rng;
pub mod salvage;
pub mod secret_role;
pub mod settings;
pub mod snapshot;
pub mod spread;
pub mod tenant;
pub mod tenant_cluster;
pub mod transitions;
pub mod unquoted;
