//! A testbed of real binaries: a management cluster, its datastores, tenants and their workers.
//!
//! [`testbed::Testbed`] is the whole; [`envtest`] and [`tls_etcd`] are the small parts that a test of
//! one crate may need alone.

pub mod audit;
pub mod bed;
pub mod catalogue;
pub mod certs;
pub mod cgroup;
pub mod cluster_api;
pub mod command;
pub mod conformance;
pub mod control_plane;
pub mod databases;
pub mod datastore;
pub mod demo;
pub mod demo_cluster;
pub mod envtest;
pub mod image;
pub mod infrastructure;
pub mod interrupt;
pub mod kubeconfig;
pub mod kubectl;
pub mod layout;
pub mod management;
pub mod network;
pub mod newer;
pub mod node;
pub mod object_store;
pub mod operator;
pub mod pages;
pub mod pki;
pub mod ports;
pub mod prerequisites;
pub mod process;
pub mod process_guard;
pub mod scenario;
pub mod step;
pub mod sysctl;
pub mod tenant;
pub mod testbed;
pub mod tls_etcd;
pub mod tools;
pub mod wait;
pub mod worker;
