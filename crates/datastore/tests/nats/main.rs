//! The NATS driver against a real nats-server.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests, their helpers included"
)]

mod access;
mod bucket;
mod failures;
mod owners;
#[path = "../kit/pki.rs"]
mod pki;
mod reconnection;
#[path = "../kit/relay.rs"]
mod relay;
mod server;

use kamaji_datastore::{Driver, Owner, Tenancy};

/// The tenancy of a tenant whose schema is `name`.
fn tenancy(name: &str) -> Tenancy {
    Tenancy::parse(Driver::Nats, name, "kamaji", owner("cluster", name)).unwrap()
}

/// A tenant of a management cluster.
fn owner(cluster: &str, tenant: &str) -> Owner {
    Owner {
        cluster: cluster.to_owned(),
        tenant: format!("uid-of-{tenant}"),
        namespace: "tenants".to_owned(),
        name: tenant.to_owned(),
    }
}
