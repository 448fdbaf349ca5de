//! Control planes against a real API server: the tests play Cluster API's core and the operator, and the provider runs
//! with the RBAC of its manifest.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "these are tests, and their helpers are, too"
)]

mod bad_input;
mod clusters;
mod deletion;
mod environment;
mod external;
mod leading;
mod operator;
mod owners;
mod pausing;
mod refused;
mod takeover;
mod versions;
mod waiting;
