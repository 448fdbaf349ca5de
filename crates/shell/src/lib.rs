//! What the operator and the Cluster API provider share of the imperative shell: the write door ([`apply`]), the
//! index of children ([`index`]), watches, work queues, leader election, events, metrics, HTTP listeners, clients
//! of tenant clusters and the certificate of webhooks.
//!
//! Time, the network and other processes are touched here and in the crates that use this one, never in
//! `kamaji-core`.

pub mod answers;
pub mod apply;
pub mod bounded;
pub mod clock;
pub mod drain;
pub mod events;
pub mod heavy;
pub mod index;
pub mod key;
pub mod lease;
pub mod listen;
pub mod metrics_access;
pub mod process;
pub mod queue;
pub mod remote;
pub mod serve;
pub mod storm;
pub mod telemetry;
pub mod watch;
pub mod watchdog;
pub mod webhook_certificate;

pub use key::ObjectKey;
