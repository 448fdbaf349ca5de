//! The MySQL driver against a real MariaDB.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests, their helpers included"
)]

#[path = "../kit/attempt.rs"]
mod attempt;
mod cycles;
#[path = "../kit/disk.rs"]
mod disk;
mod ensure;
mod failures;
#[path = "../kit/fences.rs"]
mod fences;
#[path = "../kit/files.rs"]
mod files;
#[path = "../kit/kine.rs"]
mod kit_kine;
#[path = "../../benches/copies/memory.rs"]
#[expect(dead_code, reason = "benches need more of it")]
mod memory;
mod names;
#[path = "../kit/owner.rs"]
mod owner;
#[path = "../kit/pki.rs"]
mod pki;
#[path = "../kit/ports.rs"]
mod ports;
#[path = "../kit/process.rs"]
mod process;
#[path = "../kit/relay.rs"]
mod relay;
mod remove;
#[expect(dead_code, reason = "migrations need more of it")]
mod server;
#[path = "../kit/soak.rs"]
mod soak;
#[path = "../kit/stranger.rs"]
mod stranger;
mod tls;
#[path = "../kit/tools.rs"]
mod tools;
mod transfer;

use kamaji_datastore::{DataStore, Driver, Item, Secret, Step, Tenancy};

use owner::owner;
use server::Server;

/// The tenancy of a tenant whose schema and user are `name`.
fn tenancy(name: &str) -> Tenancy {
    Tenancy::parse(Driver::MySql, name, name, owner(name))
        .unwrap()
        .with_password(Secret::new(format!("password-of-{name}")))
}

/// The same, set up by an older build as the tenant's status says.
fn recorded(name: &str) -> Tenancy {
    Tenancy {
        recorded: true,
        ..tenancy(name)
    }
}

fn password(tenancy: &Tenancy) -> &str {
    tenancy.password.as_ref().unwrap().expose()
}

/// A server with one tenant in it, and the store as the operator sees it.
async fn with_tenant(name: &str) -> (Server, Box<dyn DataStore>, Tenancy) {
    let server = Server::start().await;
    let store = server.store().await;
    let tenancy = tenancy(name);
    store.ensure(&tenancy).await.unwrap();
    (server, store, tenancy)
}

/// A bare connection with the tenant's credentials.
async fn client_of(server: &Server, tenancy: &Tenancy) -> mysql_async::Result<mysql_async::Conn> {
    server
        .client(tenancy.user.as_str(), password(tenancy))
        .await
}

fn granted(pattern: &str) -> Step {
    Step::AccessGranted(format!(
        "SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, INDEX on `{pattern}`.*"
    ))
}

/// Writes that a new tenant takes.
fn created(name: &str) -> Vec<Step> {
    vec![
        Step::OwnerRecorded,
        Step::Created(Item::new("database", name)),
        Step::Created(Item::new("user", name)),
        granted(name),
    ]
}
