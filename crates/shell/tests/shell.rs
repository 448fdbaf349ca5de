//! The shell against a real API server: etcd and kube-apiserver, nothing else.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "these are tests, and their helpers are, too"
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
