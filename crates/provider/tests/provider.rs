//! Control planes against a real API server: the tests play Cluster API's core and the operator, and the provider runs
//! with the RBAC of its manifest.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "these are tests, and their helpers are, too"
)]

#[path = "provider/bad_input.rs"]
mod bad_input;
#[path = "provider/clusters.rs"]
mod clusters;
#[path = "provider/deletion.rs"]
mod deletion;
#[path = "provider/environment.rs"]
mod environment;
#[path = "provider/external.rs"]
mod external;
#[path = "provider/leading.rs"]
mod leading;
#[path = "provider/operator.rs"]
mod operator;
#[path = "provider/pausing.rs"]
mod pausing;
#[path = "provider/refused.rs"]
mod refused;
#[path = "provider/takeover.rs"]
mod takeover;
#[path = "provider/versions.rs"]
mod versions;
#[path = "provider/waiting.rs"]
mod waiting;
