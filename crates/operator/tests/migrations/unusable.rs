//! Servers that cannot serve, each a condition of its DataStore and of the tenant that names it; and NATS, from and to
//! which no data moves.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use kamaji_api::{condition, datastore::DataStore};
use kamaji_datastore::{BasicAuth, Connection, Driver, Secret, Tls};
use kube::{Api, api::ListParams};
use serde_json::json;
use tempfile::TempDir;

use crate::{
    environment::{NAMESPACE, wait_until},
    mysql_server,
    pki::Pki,
    ports::free_ports,
    postgres_server::{self, Setup, USUAL},
    process::{Launched, Process, start},
    tools::find,
    world::{TENANT, World},
    writers::{assert_served, fill},
};

/// A nats-server with JetStream and one user.
struct Nats {
    process: Process,
    files: TempDir,
    port: u16,
}

impl Launched for Nats {
    const NAME: &'static str = "nats-server";

    fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    async fn serves(&mut self) -> bool {
        let address = ("127.0.0.1", self.port);
        tokio::net::TcpStream::connect(address).await.is_ok()
    }
}

impl Nats {
    async fn start() -> Self {
        start(Self::launch).await
    }

    fn launch() -> Self {
        let files = tempfile::tempdir().unwrap();
        let [port] = free_ports();
        let store = files.path().join("store").display().to_string();
        let settings = format!(
            "authorization {{ user: kamaji, password: secret }}\njetstream {{ store_dir: {store:?} }}"
        );
        let file = files.path().join("nats.conf");
        std::fs::write(&file, settings).unwrap();
        let mut command = Command::new(find("nats-server", "nats-"));
        command
            .arg("--config")
            .arg(file)
            .args(["--addr", "127.0.0.1", "--port", &port.to_string()])
            .stderr(Stdio::null());
        Self {
            process: Process::spawn(&mut command, "KILL"),
            files,
            port,
        }
    }

    fn connection(&self) -> Connection {
        Connection {
            driver: Driver::Nats,
            endpoints: vec![format!("127.0.0.1:{}", self.port).parse().unwrap()],
            tls: None,
            basic_auth: Some(login("kamaji", "secret")),
            without_access_control: false,
        }
    }

    /// True if the account has a bucket of kine.
    fn has_bucket(&self) -> bool {
        has_folder(&self.files.path().join("store"), &|name| {
            name.starts_with("KV_") && name != "KV_kamaji_clastix_io"
        })
    }
}

fn has_folder(below: &Path, named: &dyn Fn(&str) -> bool) -> bool {
    let entries = std::fs::read_dir(below).into_iter().flatten();
    let mut folders = entries.filter_map(Result::ok).map(|entry| entry.path());
    folders.any(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        path.is_dir() && (named(&name) || has_folder(&path, named))
    })
}

fn login(user: &str, password: &str) -> BasicAuth {
    BasicAuth {
        user: user.to_owned(),
        password: Secret::new(password),
    }
}

fn at(connection: Connection, port: u16) -> Connection {
    Connection {
        endpoints: vec![format!("127.0.0.1:{port}").parse().unwrap()],
        ..connection
    }
}

/// Name of a DataStore, its connection, and words of the message: cause, and next step.
type Case = (&'static str, Connection, [&'static str; 2]);

/// DataStores of databases whose server is another, cannot be logged in to, or takes no writes.
struct Servers {
    postgres: postgres_server::Server,
    standby: postgres_server::Server,
    read_only: postgres_server::Server,
    mysql: mysql_server::Server,
    replica: mysql_server::Server,
    old: mysql_server::Server,
    nats: Nats,
}

impl Servers {
    async fn start() -> Self {
        let standby = Setup {
            standby: true,
            ..USUAL
        };
        let read_only = Setup {
            settings: &["default_transaction_read_only=on"],
            ..USUAL
        };
        let replica = mysql_server::Server::start().await;
        replica.execute("SET GLOBAL read_only = ON").await;
        Self {
            postgres: postgres_server::Server::start().await,
            standby: postgres_server::Server::start_with(standby).await,
            read_only: postgres_server::Server::start_with(read_only).await,
            mysql: mysql_server::Server::start().await,
            replica,
            old: mysql_server::Server::start_with(&["--version=5.7.44-log"]).await,
            nats: Nats::start().await,
        }
    }

    fn log_ins(&self) -> Vec<Case> {
        let wrong = |connection: Connection| Connection {
            basic_auth: Some(login("kamaji", "wrong")),
            ..connection
        };
        let distrusts = |connection: Connection| Connection {
            tls: Some(Tls {
                ca_pem: Pki::new().ca_pem(),
                client: None,
            }),
            ..connection
        };
        let (postgres, mysql) = (self.postgres.connection(), self.mysql.connection());
        let of_auth = "spec.basicAuth";
        let of_authority = "check the certificate authority";
        vec![
            (
                "pg-password",
                wrong(postgres.clone()),
                ["password", of_auth],
            ),
            (
                "my-password",
                wrong(mysql.clone()),
                ["Access denied", of_auth],
            ),
            (
                "nats-password",
                wrong(self.nats.connection()),
                ["authorization violation", "check the user, the password"],
            ),
            (
                "pg-ca",
                distrusts(postgres),
                ["not signed by", of_authority],
            ),
            ("my-ca", distrusts(mysql), ["not signed by", of_authority]),
        ]
    }

    fn states(&self) -> Vec<Case> {
        let [dead] = free_ports();
        let primary = "name the primary";
        vec![
            (
                "pg-standby",
                self.standby.connection(),
                ["it is a standby", primary],
            ),
            (
                "pg-read-only",
                self.read_only.connection(),
                ["it is read-only", "default_transaction_read_only"],
            ),
            (
                "my-read-only",
                self.replica.connection(),
                ["read_only is on", primary],
            ),
            (
                "my-old",
                self.old.connection(),
                ["5.7.44", "upgrade the server"],
            ),
            (
                "pg-dead",
                at(self.postgres.connection(), dead),
                [
                    "refused",
                    "check the endpoints and the driver, and that the store runs",
                ],
            ),
        ]
    }

    /// Each driver at the server of every other.
    fn mistaken(&self, etcd: u16) -> Vec<Case> {
        let (postgres, mysql) = (self.postgres.connection(), self.mysql.connection());
        let nats = self.nats.connection();
        let driver = "driver";
        let plain = |connection: Connection| Connection {
            tls: None,
            ..connection
        };
        vec![
            (
                "pg-at-etcd",
                at(postgres.clone(), etcd),
                ["PostgreSQL", driver],
            ),
            (
                "pg-at-mysql",
                at(postgres.clone(), self.mysql.port),
                ["PostgreSQL", driver],
            ),
            (
                "pg-at-nats",
                at(plain(postgres), self.nats.port),
                ["PostgreSQL", driver],
            ),
            ("my-at-etcd", at(mysql.clone(), etcd), ["MySQL", driver]),
            (
                "my-at-pg",
                at(plain(mysql.clone()), self.postgres.port),
                ["MySQL", driver],
            ),
            (
                "my-at-nats",
                at(mysql, self.nats.port),
                ["does not speak MySQL", driver],
            ),
            ("nats-at-etcd", at(nats.clone(), etcd), ["NATS", driver]),
            (
                "nats-at-pg",
                at(nats.clone(), self.postgres.port),
                ["NATS", driver],
            ),
            (
                "nats-at-mysql",
                at(nats, self.mysql.port),
                ["is no NATS server", driver],
            ),
        ]
    }
}

/// Message of the condition `DataStoreAvailable`, once it is False.
async fn unavailable(world: &World, name: &str) -> String {
    let stores: Api<DataStore> = Api::all(world.environment.client.clone());
    wait_until(&format!("{name} to be unavailable"), async || {
        let conditions = stores.get(name).await.ok()?.status?.conditions;
        let found = condition::find(&conditions, condition::DATA_STORE_AVAILABLE)?.clone();
        (found.status == "False").then_some(found.message)
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_that_cannot_serve_are_conditions_of_their_datastores_and_tenants() {
    let world = World::start([Driver::Etcd, Driver::Etcd]).await;
    let servers = Box::pin(Servers::start()).await;
    let _operator = world.environment.operator();
    let endpoint = &world.environment.etcd.endpoint;
    let etcd = endpoint.rsplit(':').next().unwrap().parse().unwrap();
    let mut cases = servers.log_ins();
    cases.extend(servers.states());
    cases.extend(servers.mistaken(etcd));
    for (name, connection, _) in &cases {
        let driver = connection.driver;
        world.database_named(name, driver, connection).await;
        let spec = json!({"dataStore": name});
        world.environment.tenant(name, spec).await;
    }
    let ids = (&world.environment.etcd.identities, "");
    let at_etcd = [
        ("etcd-at-pg", servers.postgres.port),
        ("etcd-at-mysql", servers.mysql.port),
        ("etcd-at-nats", servers.nats.port),
    ];
    for (name, port) in at_etcd {
        let endpoint = format!("127.0.0.1:{port}");
        world.etcd_named(name, &endpoint, ids).await;
        let spec = json!({"dataStore": name});
        world.environment.tenant(name, spec).await;
    }
    let mut mistakes = Vec::new();
    let expected = cases.iter().map(|(name, _, words)| (*name, words.to_vec()));
    let of_etcd =
        at_etcd.map(|(name, _)| (name, vec!["asking whether access control is on", "driver"]));
    for (name, words) in expected.chain(of_etcd) {
        let available = unavailable(&world, name).await;
        let ready = world
            .environment
            .wait_for_condition(name, "DataStoreReady", "DataStoreFailed")
            .await;
        for message in [available, ready] {
            let says = words.iter().all(|words| message.contains(words));
            if !says || !message.contains("127.0.0.1:") {
                mistakes.push(format!("{name}: {message:?} lacks one of {words:?}"));
            }
        }
    }
    assert!(mistakes.is_empty(), "{}", mistakes.join("\n"));
    let secrets = world.environment.secrets();
    let list = secrets.list(&ListParams::default()).await.unwrap();
    let names = list.items.into_iter().filter_map(|item| item.metadata.name);
    let certificates: Vec<_> = names
        .filter(|name| name.ends_with("-datastore-certificate"))
        .collect();
    assert_eq!(certificates, Vec::<String>::new(), "none is signed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn data_that_is_asked_to_nats_or_from_it_stays_and_the_condition_says_why() {
    let world = World::start([Driver::Etcd, Driver::Etcd]).await;
    let nats = Nats::start().await;
    let connection = nats.connection();
    world
        .database_named("nats", Driver::Nats, &connection)
        .await;
    let _operator = world.environment.operator();
    world.tenant(Driver::Etcd).await;
    let source = world.serve(Driver::Etcd).await;
    let acknowledged = fill(&source, 50).await;
    world.ask_for("nats").await;
    let environment = &world.environment;
    let refused = async |tenant: &str, from: &str| {
        let message = environment
            .wait_for_condition(tenant, "DataStoreReady", "MigrationUnavailable")
            .await;
        for words in [
            "the data stays where it is",
            "NATS cannot take a tenant's right to write",
            &format!("set spec.dataStore back to {from}"),
        ] {
            assert!(message.contains(words), "{message}");
        }
        let events: Api<k8s_openapi::api::core::v1::Event> =
            Api::namespaced(environment.client.clone(), NAMESPACE);
        wait_until("an event about it", async || {
            let fields = format!("involvedObject.name={tenant},reason=MigrationUnavailable");
            let fields = ListParams::default().fields(&fields);
            let list = events.list(&fields).await.ok()?;
            list.items.first().map(drop)
        })
        .await;
    };
    refused(TENANT, "etcd").await;
    let storage = world.storage().await.unwrap();
    assert_eq!(storage.data_store_name.as_deref(), Some("etcd"));
    assert_eq!((storage.migration, storage.former), (None, None));
    assert!(!nats.has_bucket(), "nothing is made there");
    world.ask_for("etcd").await;
    environment
        .wait_for_condition(TENANT, "DataStoreReady", "AsPlanned")
        .await;
    assert_served(&source, &acknowledged).await;

    environment.tenant("n", json!({"dataStore": "nats"})).await;
    environment.wait_for_objects("n").await;
    assert!(nats.has_bucket());
    environment.tenant("n", json!({"dataStore": "etcd"})).await;
    refused("n", "nats").await;
    assert!(nats.has_bucket(), "its data stays");
}
