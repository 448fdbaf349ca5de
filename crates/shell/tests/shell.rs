//! Integration tests of the shell with a real API server: etcd and kube-apiserver, without other components.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests and helpers of tests may panic"
)]

#[path = "shell/adoption.rs"]
mod adoption;
#[path = "shell/events.rs"]
mod events;
#[path = "shell/lease.rs"]
mod lease;
#[path = "shell/limits.rs"]
mod limits;
#[path = "shell/metrics.rs"]
mod metrics;
#[path = "shell/remote.rs"]
mod remote;
#[path = "shell/storm.rs"]
mod storm;
#[path = "shell/support.rs"]
mod support;
#[path = "shell/watch.rs"]
mod watch;
#[path = "shell/write.rs"]
mod write;
