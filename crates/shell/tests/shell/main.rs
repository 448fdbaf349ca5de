//! Integration tests of the shell with a real API server: etcd and kube-apiserver, without other components.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests and helpers of tests may panic"
)]

mod adoption;
mod events;
mod lease;
mod limits;
mod metrics;
mod remote;
mod storm;
mod support;
mod watch;
mod write;
