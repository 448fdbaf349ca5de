//! A management cluster with one DataStore of each driver, and what a tenant reaches there.

use std::time::{Duration, Instant};

use base64::{Engine, engine::general_purpose::STANDARD};
use kamaji_api::tenant::{MigrationPhase, StorageStatus};
use kamaji_datastore::Driver;
use kamaji_e2e::{
    tls_etcd::{Identities, TlsEtcd},
    tools::Tools,
};
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

pub use crate::place::{Place, name};
use crate::{
    environment::{Environment, wait_until},
    kit_kine::Kine,
    kit_nats::Nats,
    mysql_server,
    postgres_server::{self, Release},
    process::Launched,
};

/// A kine before the database at `endpoint`.
async fn kine(endpoint: &str) -> Service {
    let kine = Kine::start(endpoint, &[]).await;
    Service {
        client: kine.client(),
        root: "/registry/".to_owned(),
        kine: Some(kine),
    }
}

/// Name of the tenant of every test.
pub const TENANT: &str = "t";
/// Longest time of a whole migration.
const MIGRATION: Duration = Duration::from_mins(3);

/// Management cluster and datastores.
pub struct World {
    pub environment: Environment,
    pub postgres: Option<postgres_server::Server>,
    pub mysql: Option<mysql_server::Server>,
    pub nats: Option<Nats>,
    second: Second,
}

/// Second servers of each driver.
#[derive(Default)]
struct Second {
    etcd: Option<TlsEtcd>,
    postgres: Option<postgres_server::Server>,
    mysql: Option<mysql_server::Server>,
    nats: Option<Nats>,
}

/// Write path of the tenant's API server: etcd itself, or a kine before the database.
pub struct Service {
    pub client: etcd_client::Client,
    pub root: String,
    kine: Option<Kine>,
}

impl Service {
    /// True if the writes go through a kine.
    pub fn is_kine(&self) -> bool {
        self.kine.is_some()
    }
}

impl World {
    /// Starts the API server and the datastores of `places`. Of two PostgreSQLs, the first is the installed one and the
    /// second the one that the environment chooses.
    pub async fn start(places: [impl Into<Place>; 2]) -> Self {
        let mut world = Self::bare().await;
        let places = places.map(Into::into);
        let of_two = places.contains(&Place::second(Driver::PostgreSql));
        for place in places {
            world.add(place, of_two).await;
        }
        world
    }

    /// Starts the API server and the datastores of `drivers`: a PostgreSQL as `setup` says, a MariaDB with these options.
    pub async fn start_with(
        drivers: [Driver; 2],
        (setup, options): (postgres_server::Setup, &[&str]),
    ) -> Self {
        let mut world = Self::bare().await;
        if drivers.contains(&Driver::PostgreSql) {
            let server = postgres_server::Server::start_with(setup).await;
            let (driver, connection) = (Driver::PostgreSql, server.connection());
            world
                .database_named(name(driver), driver, &connection)
                .await;
            world.postgres = Some(server);
        }
        if drivers.contains(&Driver::MySql) {
            let server = mysql_server::Server::start_with(options).await;
            let (driver, connection) = (Driver::MySql, server.connection());
            world
                .database_named(name(driver), driver, &connection)
                .await;
            world.mysql = Some(server);
        }
        world
    }

    /// Starts the API server and the first etcd.
    pub async fn bare() -> Self {
        let environment = Environment::without_data_store().await;
        environment.data_store("etcd").await;
        Self {
            environment,
            postgres: None,
            mysql: None,
            nats: None,
            second: Second::default(),
        }
    }

    /// Starts a datastore, unless it runs; `of_two` says that there is a second PostgreSQL.
    async fn add(&mut self, place: Place, of_two: bool) {
        match place.driver {
            Driver::PostgreSql => {
                let slot = if place.second {
                    &mut self.second.postgres
                } else {
                    &mut self.postgres
                };
                if slot.is_none() {
                    let setup = postgres_server::Setup {
                        release: if of_two && !place.second {
                            Release::Installed
                        } else {
                            Release::Chosen
                        },
                        ..postgres_server::USUAL
                    };
                    let server = slot.insert(postgres_server::Server::start_with(setup).await);
                    let connection = server.connection();
                    self.database_named(place.name(), place.driver, &connection)
                        .await;
                }
            }
            Driver::MySql => {
                let slot = if place.second {
                    &mut self.second.mysql
                } else {
                    &mut self.mysql
                };
                if slot.is_none() {
                    let server = slot.insert(mysql_server::Server::start().await);
                    let connection = server.connection();
                    self.database_named(place.name(), place.driver, &connection)
                        .await;
                }
            }
            Driver::Nats => {
                let slot = if place.second {
                    &mut self.second.nats
                } else {
                    &mut self.nats
                };
                if slot.is_none() {
                    let connection = slot.insert(Nats::start().await).connection();
                    self.database_named(place.name(), place.driver, &connection)
                        .await;
                }
            }
            Driver::Etcd if place.second && self.second.etcd.is_none() => {
                let tools = Tools::api_server().await.unwrap();
                let etcd = TlsEtcd::start(&tools).await.unwrap();
                self.environment.data_store_of(place.name(), &etcd).await;
                self.second.etcd = Some(etcd);
            }
            Driver::Etcd => {}
        }
    }

    fn etcd_at(&self, place: Place) -> &TlsEtcd {
        if place.second {
            self.second.etcd.as_ref().unwrap()
        } else {
            &self.environment.etcd
        }
    }

    fn postgres_at(&self, place: Place) -> &postgres_server::Server {
        let server = if place.second {
            &self.second.postgres
        } else {
            &self.postgres
        };
        server.as_ref().unwrap()
    }

    fn mysql_at(&self, place: Place) -> &mysql_server::Server {
        let server = if place.second {
            &self.second.mysql
        } else {
            &self.mysql
        };
        server.as_ref().unwrap()
    }

    fn nats_at(&self, place: Place) -> &Nats {
        let server = if place.second {
            &self.second.nats
        } else {
            &self.nats
        };
        server.as_ref().unwrap()
    }

    /// Applies a DataStore for a database.
    pub async fn database_named(
        &self,
        name: &str,
        driver: Driver,
        connection: &kamaji_datastore::Connection,
    ) {
        let content = |bytes: &[u8]| json!({"content": STANDARD.encode(bytes)});
        let endpoints: Vec<String> = connection
            .endpoints
            .iter()
            .map(ToString::to_string)
            .collect();
        let mut spec = json!({"driver": driver.as_str(), "endpoints": endpoints});
        if let Some(auth) = &connection.basic_auth {
            spec["basicAuth"] = json!({
                "username": content(auth.user.as_bytes()),
                "password": content(auth.password.expose().as_bytes()),
            });
        }
        if let Some(tls) = &connection.tls {
            let authority = json!({"certificate": content(&tls.ca_pem)});
            spec["tlsConfig"] = json!({ "certificateAuthority": authority });
        }
        let object = json!({
            "apiVersion": "kamaji.clastix.io/v1alpha1",
            "kind": "DataStore",
            "metadata": {"name": name},
            "spec": spec,
        });
        self.environment.apply(object).await;
    }

    /// Applies a DataStore for an etcd at `endpoint` whose certificates are `ids`, and which `others` sign clients of,
    /// too.
    pub async fn etcd_named(&self, name: &str, endpoint: &str, (ids, others): (&Identities, &str)) {
        let content = |pem: &str| json!({"content": STANDARD.encode(pem)});
        let trusted = format!("{}{others}", ids.authority.cert);
        let object = json!({
            "apiVersion": "kamaji.clastix.io/v1alpha1",
            "kind": "DataStore",
            "metadata": {"name": name},
            "spec": {
                "driver": "etcd",
                "endpoints": [endpoint],
                "tlsConfig": {
                    "certificateAuthority": {
                        "certificate": content(&trusted),
                        "privateKey": content(&ids.authority.key),
                    },
                    "clientCertificate": {
                        "certificate": content(&ids.root.cert),
                        "privateKey": content(&ids.root.key),
                    },
                },
            },
        });
        self.environment.apply(object).await;
    }

    /// Creates the tenant in the DataStore of `place`, and waits until it is set up.
    pub async fn tenant(&self, place: impl Into<Place>) {
        let place = place.into();
        let spec = json!({"dataStore": place.name()});
        self.tenant_with(spec).await;
        let storage = self.storage().await.unwrap();
        assert_eq!(storage.data_store_name.as_deref(), Some(place.name()));
    }

    /// Creates the tenant with this spec, and waits until it is set up.
    pub async fn tenant_with(&self, spec: Value) {
        self.environment.tenant(TENANT, spec).await;
        self.environment.wait_for_objects(TENANT).await;
    }

    /// Changes the spec, or the metadata, of the tenant.
    pub async fn change(&self, patch: Value) {
        let tenants = self.environment.tenants();
        let (parameters, patch) = (PatchParams::default(), Patch::Merge(patch));
        let patched = tenants.patch(TENANT, &parameters, &patch);
        patched.await.unwrap();
    }

    /// Asks for the DataStore of `to`, and waits until the target is claimed and the copy has begun.
    pub async fn begin(&self, to: Driver) {
        self.ask_for(name(to)).await;
        wait_until("the target is claimed", async || {
            self.storage().await?.migration?.prepared.then_some(())
        })
        .await;
    }

    /// Asks for another DataStore.
    pub async fn ask_for(&self, store: &str) {
        self.change(json!({"spec": {"dataStore": store}})).await;
    }

    /// The tenant's `status.storage`.
    pub async fn storage(&self) -> Option<StorageStatus> {
        let found = self.environment.tenants().get_opt(TENANT).await.ok()??;
        found.status?.storage
    }

    /// Phase of the recorded migration.
    pub async fn phase(&self) -> Option<MigrationPhase> {
        Some(self.storage().await?.migration?.phase)
    }

    /// Waits until the migration is in `phase`.
    pub async fn wait_for_phase(&self, phase: MigrationPhase) {
        let started = Instant::now();
        while self.phase().await != Some(phase) {
            let storage = self.storage().await;
            assert!(started.elapsed() < MIGRATION, "not {phase:?}: {storage:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Waits until an attempt has failed; returns the message in the status.
    pub async fn wait_for_failure(&self) -> String {
        self.wait_for_phase(MigrationPhase::Failed).await;
        let record = self.storage().await.unwrap().migration.unwrap();
        record.message.unwrap()
    }

    /// Waits until the data is in the DataStore `store`, and the tenant's Secrets lead there.
    pub async fn wait_for_move(&self, place: impl Into<Place>) {
        let place = place.into();
        let started = Instant::now();
        loop {
            let storage = self.storage().await.unwrap();
            if storage.data_store_name.as_deref() == Some(place.name()) {
                break;
            }
            assert!(started.elapsed() < MIGRATION, "{:?}", storage.migration);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let connection = match place.driver {
            Driver::PostgreSql => format!("127.0.0.1:{}", self.postgres_at(place).port),
            Driver::MySql => format!("127.0.0.1:{}", self.mysql_at(place).port),
            Driver::Nats => format!("127.0.0.1:{}", self.nats_at(place).port),
            Driver::Etcd => String::new(),
        };
        let ca = match place.driver {
            Driver::Etcd => Some(self.etcd_at(place).identities.authority.cert.clone()),
            _ => None,
        };
        wait_until("the Secrets lead to the target", async || {
            let config = self.file("datastore-config", "DB_CONNECTION_STRING").await;
            let signed = self.file("datastore-certificate", "server.crt").await;
            let trusted = self.file("datastore-certificate", "ca.crt").await;
            let leads = config.as_deref() == Some(&*connection)
                && ca.as_ref().is_none_or(|ca| trusted.as_ref() == Some(ca));
            (leads && signed.is_some() == ca.is_some()).then_some(())
        })
        .await;
    }

    /// Gives up what the tenant had in the DataStore `name`, by the annotation, and waits until that is done.
    pub async fn release(&self, name: &str) {
        let release = json!({"kamaji.clastix.io/release-migration-source": name});
        self.change(json!({"metadata": {"annotations": release}}))
            .await;
        wait_until("the source is released", async || {
            self.storage().await?.former.is_none().then_some(())
        })
        .await;
    }

    /// A value of one of the tenant's Secrets.
    async fn file(&self, secret: &str, key: &str) -> Option<String> {
        let secret = self
            .environment
            .secret(&format!("{TENANT}-{secret}"))
            .await?;
        let bytes = secret.data?.remove(key)?;
        String::from_utf8(bytes.0).ok()
    }

    /// The write path that the tenant's API server has by its Secrets as they are now.
    pub async fn serve(&self, place: impl Into<Place>) -> Service {
        let place = place.into();
        let config =
            |key: &'static str| async move { self.file("datastore-config", key).await.unwrap() };
        let (user, password) = (config("DB_USER").await, config("DB_PASSWORD").await);
        let schema = config("DB_SCHEMA").await;
        let endpoint = match place.driver {
            Driver::Etcd => return self.etcd(place, &schema).await,
            Driver::MySql => {
                let port = self.mysql_at(place).port;
                format!("mysql://{user}:{password}@tcp(127.0.0.1:{port})/{schema}")
            }
            Driver::Nats => {
                let port = self.nats_at(place).port;
                format!("nats://{user}:{password}@127.0.0.1:{port}?bucket={schema}&noEmbed")
            }
            Driver::PostgreSql => {
                let port = self.postgres_at(place).port;
                format!("postgres://{user}:{password}@127.0.0.1:{port}/{schema}?sslmode=disable")
            }
        };
        kine(&endpoint).await
    }

    async fn etcd(&self, place: Place, schema: &str) -> Service {
        let endpoint = self.etcd_at(place).endpoint.clone();
        self.etcd_at_endpoint(&endpoint, schema).await
    }

    /// The write path that the tenant's API server has to another etcd, as that of an override.
    pub async fn serve_etcd(&self, endpoint: &str) -> Service {
        let schema = self.file("datastore-config", "DB_SCHEMA").await.unwrap();
        self.etcd_at_endpoint(endpoint, &schema).await
    }

    async fn etcd_at_endpoint(&self, endpoint: &str, schema: &str) -> Service {
        let file = |key: &'static str| async move {
            self.file("datastore-certificate", key).await.unwrap()
        };
        let (certificate, key) = (file("server.crt").await, file("server.key").await);
        let tls = etcd_client::TlsOptions::new()
            .ca_certificate(etcd_client::Certificate::from_pem(file("ca.crt").await))
            .identity(etcd_client::Identity::from_pem(certificate, key));
        let options = etcd_client::ConnectOptions::new().with_tls(tls);
        let url = format!("https://{endpoint}");
        Service {
            client: etcd_client::Client::connect([url], Some(options))
                .await
                .unwrap(),
            root: format!("/{schema}/"),
            kine: None,
        }
    }

    /// Sends a signal to PostgreSQL and to the processes of its sessions.
    pub fn signal_postgres(&mut self, signal: &str) {
        self.signal(Driver::PostgreSql.into(), signal);
    }

    /// Stops the server of a DataStore in the middle of what it does: a database stands still, an etcd is killed.
    pub fn halt(&mut self, place: Place) {
        match (place.driver, place.second) {
            (Driver::Etcd, false) => self.environment.etcd.stop(),
            (Driver::Etcd, true) => self.second.etcd.as_mut().unwrap().stop(),
            _ => self.signal(place, "STOP"),
        }
    }

    /// Lets the server of a DataStore go on that was halted.
    pub fn go_on(&mut self, place: Place) {
        match (place.driver, place.second) {
            (Driver::Etcd, false) => self.environment.etcd.resume().unwrap(),
            (Driver::Etcd, true) => self.second.etcd.as_mut().unwrap().resume().unwrap(),
            _ => self.signal(place, "CONT"),
        }
    }

    /// Sends a signal to the server of a database, and to the processes of its sessions.
    fn signal(&mut self, place: Place, signal: &str) {
        let process = match (place.driver, place.second) {
            (Driver::MySql, false) => self.mysql.as_mut().map(Launched::process),
            (Driver::MySql, true) => self.second.mysql.as_mut().map(Launched::process),
            (Driver::Nats, false) => self.nats.as_mut().map(Launched::process),
            (Driver::Nats, true) => self.second.nats.as_mut().map(Launched::process),
            (_, false) => self.postgres.as_mut().map(Launched::process),
            (_, true) => self.second.postgres.as_mut().map(Launched::process),
        };
        let Some(server) = process.map(|process| process.id()) else {
            return;
        };
        let mut ids = vec![server];
        ids.extend(children(server));
        let ids = ids.iter().map(u32::to_string);
        let flag = format!("-{signal}");
        let sent = std::process::Command::new("kill")
            .arg(flag)
            .args(ids)
            .stderr(std::process::Stdio::null())
            .status();
        // A session may have ended meanwhile.
        assert!(sent.is_ok(), "{sent:?}");
    }
}

/// A test that fails leaves no stopped server behind, which could not be ended.
impl Drop for World {
    fn drop(&mut self) {
        for driver in [Driver::PostgreSql, Driver::MySql, Driver::Nats] {
            self.signal(driver.into(), "CONT");
            self.signal(Place::second(driver), "CONT");
        }
    }
}

/// Processes that `parent` has started.
fn children(parent: u32) -> Vec<u32> {
    let processes = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let ids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    ids.filter(|id| {
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        let after_name = stat.rsplit(')').next().unwrap_or_default();
        after_name.split_whitespace().nth(1) == Some(&parent.to_string())
    })
    .collect()
}
