//! Save and restore of the whole store: the binary against a real etcd, etcdutl and a real API server.

#![expect(clippy::unwrap_used, reason = "tests and helpers of tests may panic")]

mod restore;
mod save;
mod store;
