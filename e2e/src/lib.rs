//! A testbed of real binaries: a management cluster, its datastores, tenants and their workers.
//!
//! [`testbed::Testbed`] is the whole; [`envtest`] and [`tls_etcd`] are the small parts that a test of
//! one crate may need alone.

pub mod audit;
pub mod command;
pub mod envtest;
pub mod guarded;
pub mod kubeconfig;
pub mod layout;
pub mod pki;
pub mod process;
pub mod tls_etcd;
pub mod tools;
pub mod wait;
