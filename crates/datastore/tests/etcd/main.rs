//! The etcd driver against a real etcd with TLS client certificates and access control.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests, their helpers included"
)]

#[path = "../kit/attempt.rs"]
mod attempt;
#[path = "../kit/connections.rs"]
mod connections;
mod cycles;
mod ensure;
mod failures;
mod isolation;
#[path = "../kit/records.rs"]
mod kit_records;
#[path = "../kit/owner.rs"]
mod owner;
mod owners;
mod parts;
#[path = "../kit/pki.rs"]
mod pki;
#[path = "../kit/ports.rs"]
mod ports;
#[path = "../kit/process.rs"]
mod process;
#[path = "../kit/relay.rs"]
mod relay;
mod remove;
mod server;
mod size;
#[path = "../kit/soak.rs"]
mod soak;
#[path = "../kit/tools.rs"]
mod tools;
mod transfer;

use etcd_client::{Client, GetOptions};
use kamaji_datastore::{DataStore, Driver, Item, Step, Tenancy};

use owner::owner;
use server::Server;

fn tenancy(schema: &str) -> Tenancy {
    Tenancy::parse(
        Driver::Etcd,
        schema,
        &format!("user-of-{schema}"),
        owner(schema),
    )
    .unwrap()
}

/// A server with one tenant in it, and the store as the operator sees it.
async fn with_tenant(schema: &str) -> (Server, Box<dyn DataStore>, Tenancy) {
    let server = Server::start().await;
    let store = server.store().await;
    let tenancy = tenancy(schema);
    store.ensure(&tenancy).await.unwrap();
    (server, store, tenancy)
}

/// A client with the certificate that the tenant's API server gets.
async fn client_of(server: &Server, tenancy: &Tenancy) -> Client {
    server.client(tenancy.user.as_str()).await
}

/// All keys but those of owner records.
async fn all_keys(admin: &mut Client) -> Vec<String> {
    let everything = GetOptions::new().with_all_keys().with_keys_only();
    let answer = admin.get("", Some(everything)).await.unwrap();
    answer
        .kvs()
        .iter()
        .map(|kv| kv.key_str().unwrap().to_owned())
        .filter(|key| !key.starts_with("/kamaji.clastix.io/"))
        .collect()
}

async fn users(admin: &mut Client) -> Vec<String> {
    admin.user_list().await.unwrap().users().to_vec()
}

async fn roles(admin: &mut Client) -> Vec<String> {
    admin.role_list().await.unwrap().roles().to_vec()
}

async fn roles_of(admin: &mut Client, user: &str) -> Vec<String> {
    admin.user_get(user).await.unwrap().roles().to_vec()
}

/// Start and end of everything a role may reach.
async fn ranges_of(admin: &mut Client, role: &str) -> Vec<(String, String)> {
    let answer = admin.role_get(role).await.unwrap();
    let text = |bytes: &[u8]| bytes.escape_ascii().to_string();
    answer
        .permissions()
        .iter()
        .map(|p| (text(p.key()), text(p.range_end())))
        .collect()
}

/// Writes that a new tenant takes.
fn created(tenancy: &Tenancy) -> Vec<Step> {
    let schema = tenancy.schema.as_str();
    vec![
        Step::OwnerRecorded,
        Step::Created(Item::new("role", schema)),
        Step::AccessGranted(format!("range [/{schema}/, /{schema}0)")),
        Step::Created(Item::new("user", tenancy.user.as_str())),
        Step::AccessGranted(format!("role {schema}")),
    ]
}
