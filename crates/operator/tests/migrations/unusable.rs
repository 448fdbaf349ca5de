//! Servers that cannot serve, each a condition of its DataStore and of the tenant that names it.

use kamaji_api::{condition, datastore::DataStore};
use kamaji_datastore::{BasicAuth, Connection, Driver, Secret, Tls};
use kube::{Api, api::ListParams};
use serde_json::json;

use crate::{
    environment::wait_until,
    kit_nats::Nats,
    mysql_server,
    pki::Pki,
    ports::free_ports,
    postgres_server::{self, Setup, USUAL},
    world::World,
};

pub fn login(user: &str, password: &str) -> BasicAuth {
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
