//! The NATS driver against a real nats-server.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests, their helpers included"
)]

mod access;
#[path = "../kit/attempt.rs"]
mod attempt;
mod bucket;
#[path = "../kit/connections.rs"]
mod connections;
mod cycles;
mod failures;
mod fence;
mod fenced_kine;
#[path = "../kit/files.rs"]
mod files;
mod held_back;
#[path = "../kit/kine.rs"]
#[expect(dead_code, reason = "tests/postgres needs more of it")]
mod kit_kine;
#[path = "../kit/records.rs"]
mod kit_records;
#[path = "../kit/owner.rs"]
mod owner;
mod owners;
#[path = "../kit/pki.rs"]
mod pki;
#[path = "../kit/ports.rs"]
mod ports;
#[path = "../kit/process.rs"]
mod process;
mod reconnection;
#[path = "../kit/relay.rs"]
mod relay;
mod server;
#[path = "../kit/soak.rs"]
mod soak;
#[path = "../kit/tools.rs"]
mod tools;
mod transfer;

use kamaji_datastore::{Driver, Tenancy};

use owner::owner;

/// The tenancy of a tenant whose schema is `name`.
fn tenancy(name: &str) -> Tenancy {
    Tenancy::parse(Driver::Nats, name, "kamaji", owner(name)).unwrap()
}
