//! The PostgreSQL driver against a real PostgreSQL.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests, their helpers included"
)]

#[path = "../kit/attempt.rs"]
mod attempt;
mod bounds;
mod cycles;
#[path = "../kit/disk.rs"]
mod disk;
mod ensure;
mod failures;
mod fence;
#[path = "../kit/fences.rs"]
mod fences;
#[path = "../kit/files.rs"]
mod files;
mod kine;
#[path = "../kit/kine.rs"]
mod kit_kine;
mod managed;
#[path = "../kit/owner.rs"]
mod owner;
#[path = "../kit/pki.rs"]
mod pki;
#[path = "../kit/ports.rs"]
mod ports;
#[path = "../kit/process.rs"]
mod process;
mod quoting;
mod remove;
mod server;
mod servers;
#[path = "../kit/soak.rs"]
mod soak;
#[path = "../kit/stranger.rs"]
mod stranger;
mod tls;
#[path = "../kit/tools.rs"]
mod tools;
mod transfer;

use kamaji_datastore::{DataStore, Driver, Item, Secret, Step, Tenancy};
use tokio_postgres::{Client, Error};

use owner::owner;
use server::Server;

fn tenancy(schema: &str) -> Tenancy {
    let user = format!("user-of-{schema}");
    let parsed = Tenancy::parse(Driver::PostgreSql, schema, &user, owner(schema));
    parsed
        .unwrap()
        .with_password(Secret::new(format!("password-of-{schema}")))
}

/// The tenancy as that of a tenant whose status has it set up.
fn recorded(tenancy: &Tenancy) -> Tenancy {
    Tenancy {
        recorded: true,
        ..tenancy.clone()
    }
}

/// A server with one tenant in it, and the store as the operator sees it.
async fn with_tenant(schema: &str) -> (Server, Box<dyn DataStore>, Tenancy) {
    let server = Server::start().await;
    let store = server.store().await;
    let tenancy = tenancy(schema);
    store.ensure(&tenancy).await.unwrap();
    (server, store, tenancy)
}

/// A session of a tenant in a database.
async fn session_of(server: &Server, tenancy: &Tenancy, database: &str) -> Result<Client, Error> {
    let password = tenancy.password.as_ref().unwrap().expose();
    server
        .log_in((tenancy.user.as_str(), password), database)
        .await
}

/// A session of a tenant in its own database.
async fn own_session(server: &Server, tenancy: &Tenancy) -> Client {
    let session = session_of(server, tenancy, tenancy.schema.as_str()).await;
    session.unwrap()
}

/// Writes that a new tenant takes.
fn created(tenancy: &Tenancy) -> Vec<Step> {
    let (schema, user) = (tenancy.schema.as_str(), tenancy.user.as_str());
    vec![
        Step::OwnerRecorded,
        Step::Created(Item::new("role", user)),
        Step::Created(Item::new("database", schema)),
        Step::AccessGranted(format!("database {schema}")),
    ]
}

async fn databases(server: &Server) -> Vec<String> {
    server
        .texts("postgres", "SELECT datname::text FROM pg_database")
        .await
}

async fn roles(server: &Server) -> Vec<String> {
    server
        .texts("postgres", "SELECT rolname::text FROM pg_roles")
        .await
}
