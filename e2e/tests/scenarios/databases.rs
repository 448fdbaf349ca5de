//! Tenants whose data is in PostgreSQL, MariaDB or NATS: they serve, their objects are in the database, and their
//! deletion takes what is theirs and nothing else.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use async_nats::jetstream;
use kamaji_e2e::databases::{ADMINISTRATOR, Channel, Server, mariadb, nats, postgresql};
use kamaji_e2e::tenant::Tenant;
use kamaji_e2e::testbed::Testbed;
use kamaji_e2e::wait::until;
use kamaji_e2e::worker::Worker;
use serde_json::{Value, json};

use super::manifest;

/// Kine's key of the ConfigMap that a scenario writes through the tenant's API server.
const KEY: &str = "/registry/configmaps/found/again";

/// PostgreSQL over TLS with a client certificate; in `make soak` without TLS as well.
pub async fn in_postgresql(testbed: Testbed) -> Result<()> {
    let server = postgresql::start(&testbed.bed, Channel::MutualTls).await?;
    Sql::PostgreSql(server)
        .keeps_tenants(&testbed, true)
        .await?;
    if is_soak() {
        let server = postgresql::start(&testbed.bed, Channel::Plain).await?;
        Sql::PostgreSql(server)
            .keeps_tenants(&testbed, false)
            .await?;
    }
    Ok(())
}

/// MariaDB over TLS; in `make soak` without TLS as well.
pub async fn in_mariadb(testbed: Testbed) -> Result<()> {
    let server = mariadb::start(&testbed.bed, Channel::Tls).await?;
    Sql::MariaDb(server).keeps_tenants(&testbed, false).await?;
    if is_soak() {
        let server = mariadb::start(&testbed.bed, Channel::Plain).await?;
        Sql::MariaDb(server).keeps_tenants(&testbed, false).await?;
    }
    Ok(())
}

/// NATS with a password, without TLS.
pub async fn in_nats(testbed: Testbed) -> Result<()> {
    let server = nats::start(&testbed.bed, Channel::Plain).await?;
    apply_data_store(&testbed, &server).await?;
    let tenant = start(
        &testbed,
        &server,
        json!({"networkProfile": network(&testbed)}),
    )
    .await?;
    tenant.wait_ready(Duration::from_mins(3)).await?;
    write(&tenant).await?;

    let streams = streams(&server).await?;
    let bucket = format!("KV_{}", setup(&tenant).await?.0);
    let stream = streams.get_stream(&bucket).await;
    let stream = stream.with_context(|| format!("the bucket of the tenant, {bucket}"))?;
    let subject = format!("$KV.{}.{}", &bucket["KV_".len()..], encoded(KEY));
    let message = stream.get_last_raw_message_by_subject(&subject).await;
    ensure!(!message.with_context(|| subject)?.payload.is_empty());

    tenant.delete().await?;
    ensure!(
        streams.get_stream(&bucket).await.is_err(),
        "{bucket} is left"
    );
    remove(&testbed, &server).await
}

/// A SQL server.
enum Sql {
    PostgreSql(Server),
    MariaDb(Server),
}

impl Sql {
    fn server(&self) -> &Server {
        match self {
            Self::PostgreSql(server) | Self::MariaDb(server) => server,
        }
    }

    /// Lines that a statement returns in a database.
    async fn rows(&self, database: &str, statement: &str) -> Result<Vec<String>> {
        match self {
            Self::PostgreSql(server) => postgresql::query(server, database, statement).await,
            Self::MariaDb(server) => mariadb::query(server, database, statement).await,
        }
    }

    /// Which of the two are there: a database and a user of these names.
    async fn has(&self, (schema, user): &(String, String)) -> Result<[bool; 2]> {
        let (main, schemas, users) = match self {
            Self::PostgreSql(_) => (
                "postgres",
                "SELECT datname FROM pg_database",
                "SELECT rolname FROM pg_roles",
            ),
            Self::MariaDb(_) => (
                "information_schema",
                "SELECT schema_name FROM information_schema.schemata",
                "SELECT user FROM mysql.user",
            ),
        };
        let (schemas, users) = (
            self.rows(main, schemas).await?,
            self.rows(main, users).await?,
        );
        Ok([schemas.contains(schema), users.contains(user)])
    }

    /// Runs a tenant beside a neighbour, finds what it wrote in its database, deletes it, and checks that
    /// everything of the neighbour stays.
    async fn keeps_tenants(&self, testbed: &Testbed, with_worker: bool) -> Result<()> {
        let server = self.server();
        apply_data_store(testbed, server).await?;
        // The pods of the neighbour are never scheduled; its database and user are made all the same.
        let unscheduled = json!({
            "dataStoreSchema": "next_door", "dataStoreUsername": "next_door",
            "controlPlane": {"deployment": {"nodeSelector": {"no": "such-node"}}},
        });
        let neighbour = start(testbed, server, unscheduled).await?;
        let spec = json!({"networkProfile": network(testbed)});
        let tenant = start(testbed, server, spec).await?;
        tenant.wait_ready(Duration::from_mins(3)).await?;
        write(&tenant).await?;
        if with_worker {
            let worker = Worker::join(&testbed.bed, 1, &tenant.kubectl().await?).await?;
            worker.remove().await?;
        }

        let (names, of_neighbour) = (setup(&tenant).await?, setup(&neighbour).await?);
        let found = format!("SELECT name FROM kine WHERE name = '{KEY}'");
        ensure!(
            self.rows(&names.0, &found).await? == [KEY],
            "no row of {KEY}"
        );
        for names in [&names, &of_neighbour] {
            ensure!(self.has(names).await? == [true, true], "{names:?}");
        }

        tenant.delete().await?;
        let left = self.has(&names).await?;
        ensure!(left == [false, false], "left of {names:?}: {left:?}");
        let left = self.has(&of_neighbour).await?;
        ensure!(left == [true, true], "of the neighbour are left: {left:?}");
        neighbour.delete().await?;
        let left = self.has(&of_neighbour).await?;
        ensure!(left == [false, false], "left of the neighbour: {left:?}");
        remove(testbed, server).await
    }
}

/// Network of the tenant that serves, with ranges that are no node's and not the management cluster's.
pub fn network(testbed: &Testbed) -> Value {
    let mut network = manifest::at_address(testbed, 11);
    network["serviceCidr"] = json!("10.116.0.0/16");
    network["podCidr"] = json!("10.117.0.0/16");
    network["dnsServiceIPs"] = json!(["10.116.0.10"]);
    network
}

fn is_soak() -> bool {
    std::env::var_os("KAMAJI_SOAK").is_some()
}

/// Applies the DataStore of a server, and waits until the operator has checked it.
pub async fn apply_data_store(testbed: &Testbed, server: &Server) -> Result<()> {
    let kubectl = testbed.kubectl()?;
    server.apply_data_store(&kubectl).await?;
    for condition in ["DataStoreAvailable", "AccessControl"] {
        let condition = format!("condition=kamaji.clastix.io/{condition}");
        let name = server.name();
        kubectl
            .run(&format!(
                "wait --for={condition} datastore/{name} --timeout=60s"
            ))
            .await?;
    }
    Ok(())
}

/// Deletes the DataStore, which no tenant uses, and ends its server.
pub async fn remove(testbed: &Testbed, server: &Server) -> Result<()> {
    let line = format!("delete datastore {} --timeout=60s", server.name());
    testbed.kubectl()?.run(&line).await?;
    server.stop().await
}

/// Applies a tenant of the DataStore, with `spec` merged over the smallest one, and waits until it is bound.
async fn start(testbed: &Testbed, server: &Server, spec: Value) -> Result<Tenant> {
    let name = if spec.get("dataStoreSchema").is_some() {
        "neighbour"
    } else {
        "goes"
    };
    let namespace = format!("in-{}", server.name());
    let mut text: Value = json!({"dataStore": server.name()});
    for (key, value) in spec.as_object().into_iter().flatten() {
        text[key] = value.clone();
    }
    let tenant = Tenant::apply(testbed, &manifest::tenant(&namespace, name, text)).await?;
    until("the tenant is bound", Duration::from_mins(1), || {
        setup(&tenant)
    })
    .await?;
    Ok(tenant)
}

/// Schema and user of a tenant, as its status records them.
async fn setup(tenant: &Tenant) -> Result<(String, String)> {
    let storage = tenant.get().await?["status"]["storage"].take();
    let text = |field: &str| {
        let text = storage["setup"][field].as_str();
        text.map(str::to_owned)
            .with_context(|| format!("status.storage.setup has no {field}"))
    };
    Ok((text("schema")?, text("user")?))
}

/// Writes a Namespace and a ConfigMap through the tenant's API server.
async fn write(tenant: &Tenant) -> Result<()> {
    let kubectl = tenant.kubectl().await?;
    kubectl.run("create namespace found").await?;
    kubectl
        .run("-n found create configmap again --from-literal=key=value")
        .await?;
    Ok(())
}

/// Streams of a NATS server without TLS.
async fn streams(server: &Server) -> Result<jetstream::Context> {
    let options = async_nats::ConnectOptions::with_user_and_password(
        ADMINISTRATOR.into(),
        server.password().into(),
    );
    let client = options
        .connect(format!("nats://{}:{}", server.address(), server.port()))
        .await?;
    Ok(jetstream::new(client))
}

/// A key as kine writes it to NATS: the parts between slashes in Base58, joined by dots.
fn encoded(key: &str) -> String {
    let parts: Vec<String> = key.split('/').skip(1).map(base58).collect();
    parts.join(".")
}

/// A text without leading zero bytes in the alphabet of Bitcoin.
fn base58(text: &str) -> String {
    const ALPHABET: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
    let mut digits: Vec<usize> = Vec::new();
    for byte in text.bytes() {
        let mut carry = usize::from(byte);
        for digit in &mut digits {
            carry += *digit << 8;
            *digit = carry % 58;
            carry /= 58;
        }
        while carry > 0 {
            digits.push(carry % 58);
            carry /= 58;
        }
    }
    let letters = digits.iter().rev();
    letters.map(|digit| char::from(ALPHABET[*digit])).collect()
}
