//! Copies by the engine from one driver to another while twenty clients write at the source as an API server does,
//! compared with what the clients were acknowledged.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use etcd_client::{Client, PutOptions, Txn, TxnOp};
use kamaji_datastore::transfer::{Copy, Ends, Phase, Record, Report, Roots};
use kamaji_datastore::{Access, DataStore, Driver, Secret, Tenancy};
use tokio::task::JoinSet;

use crate::attempt::attempt;
use crate::kit_kine::{Kine, write};
use crate::owner::owner;
use crate::writers::{Acknowledged, WRITERS, keep_writing};

/// Keys that stand at the source before the clients write.
const STANDING: usize = 1500;
/// Seconds until the key that expires does.
pub const TTL: i64 = 600;

/// A server of one driver.
enum Server {
    Etcd(crate::server::Server),
    MySql(crate::mysql_server::Server),
    Postgres(crate::postgres_server::Server),
    Nats(crate::nats_server::Server),
}

impl Server {
    async fn start(driver: Driver) -> Self {
        match driver {
            Driver::Etcd => Self::Etcd(crate::server::Server::start().await),
            Driver::MySql => Self::MySql(crate::mysql_server::Server::start().await),
            Driver::PostgreSql => Self::Postgres(crate::postgres_server::Server::start().await),
            Driver::Nats => Self::Nats(crate::nats_server::Server::start().await),
        }
    }

    async fn store(&self) -> Box<dyn DataStore> {
        match self {
            Self::Etcd(server) => server.store().await,
            Self::MySql(server) => server.store().await,
            Self::Postgres(server) => server.store().await,
            Self::Nats(server) => server.store().await,
        }
    }
}

/// A datastore with one tenant.
pub struct End {
    server: Server,
    pub store: Box<dyn DataStore>,
    pub tenancy: Tenancy,
}

/// Write path of a tenant's API server: etcd itself, or a kine before the database.
pub struct Service {
    pub client: Client,
    pub root: String,
    _kine: Option<Kine>,
}

impl End {
    pub async fn start(driver: Driver) -> Self {
        let server = Server::start(driver).await;
        let store = server.store().await;
        let tenancy = Tenancy::parse(driver, "cp-a", "cp-a", owner("cp-a"))
            .unwrap()
            .with_password(Secret::new("password-of-cp-a"));
        store.ensure(&tenancy).await.unwrap();
        Self {
            server,
            store,
            tenancy,
        }
    }

    pub async fn serve(&self) -> Service {
        let login = "cp-a:password-of-cp-a";
        let endpoint = match &self.server {
            Server::Etcd(server) => {
                return Service {
                    client: server.client("cp-a").await,
                    root: "/cp-a/".to_owned(),
                    _kine: None,
                };
            }
            Server::MySql(server) => format!("mysql://{login}@tcp(127.0.0.1:{})/cp-a", server.port),
            Server::Postgres(server) => {
                let port = server.port;
                format!("postgres://{login}@127.0.0.1:{port}/cp-a?sslmode=disable")
            }
            Server::Nats(server) => {
                let port = server.port;
                format!("nats://kamaji:secret@127.0.0.1:{port}?bucket=cp-a&noEmbed")
            }
        };
        let kine = Kine::start(&endpoint, &[]).await;
        Service {
            client: kine.client(),
            root: "/registry/".to_owned(),
            _kine: Some(kine),
        }
    }

    /// Takes the tenant's right to write; returns the revision of its last write.
    pub async fn fence(&self) -> i64 {
        let fenced = self.tenancy.with_access(Access::ReadOnly);
        let fence = self.store.fence(&fenced, &attempt()).await;
        fence.unwrap()
    }

    /// Every record of the tenant by its key.
    pub async fn content(&self) -> BTreeMap<String, Record> {
        let mut reader = self.store.reader(&self.tenancy).await.unwrap();
        let mut content = BTreeMap::new();
        let mut after: Option<Vec<u8>> = None;
        loop {
            let page = reader.page(after.as_deref()).await.unwrap();
            for record in page.records {
                after = Some(record.key.clone());
                content.insert(String::from_utf8(record.key.clone()).unwrap(), record);
            }
            if !page.more {
                return content;
            }
        }
    }
}

/// Writes the keys that stand, one of which expires.
pub async fn fill(service: &Service) {
    let (client, root) = (&service.client, &service.root);
    for n in 0..STANDING {
        let key = format!("{root}secrets/default/{n:04}");
        write(client, &key, 0, b"\0k8s\xff").await.unwrap();
    }
    leased(client, &format!("{root}events/default/expiring"), TTL).await;
}

/// Writes a key that expires after `ttl` seconds.
pub async fn leased(client: &Client, key: &str, ttl: i64) {
    let mut client = client.clone();
    let lease = client.lease_grant(ttl, None).await.unwrap().id();
    let options = PutOptions::new().with_lease(lease);
    let absent = etcd_client::Compare::mod_revision(key, etcd_client::CompareOp::Equal, 0);
    let put = TxnOp::put(key, "event", Some(options));
    let put = client.txn(Txn::new().when([absent]).and_then([put])).await;
    assert!(put.unwrap().succeeded());
}

/// Copies until the source may be fenced, and once more after a while.
pub async fn copy_until_ready(source: &End, target: &End) -> Copy {
    let ends = Ends {
        source: source.store.reader(&source.tenancy).await.unwrap(),
        target: target.store.writer(&target.tenancy).await.unwrap(),
        copied: target.store.reader(&target.tenancy).await.unwrap(),
    };
    let (mut copy, begun) = (Copy::new(ends, Roots::Different), Instant::now());
    while copy.step().await.unwrap() != Phase::Ready {}
    let ready = begun.elapsed();
    tokio::time::sleep(Duration::from_millis(500)).await;
    while copy.step().await.unwrap() != Phase::Ready {}
    eprintln!("ready after {ready:?} and {:?}", begun.elapsed());
    copy
}

/// Copies what the source has until its fence, and prints how long writes were refused until the copy was whole.
async fn copy_until_fence(source: &End, target: &End) -> Report {
    let mut copy = copy_until_ready(source, target).await;
    let since = Instant::now();
    let floor = source.fence().await;
    let report = copy.finish(floor).await.unwrap();
    let settled = report.settled_under_fence;
    let refused = since.elapsed();
    eprintln!(
        "writes refused for {refused:?}, {settled} keys compared, {:?}",
        report.progress
    );
    report
}

/// Asserts that writes at a copy succeed and have rising revisions above that of the copy.
pub async fn goes_on(target: &End, copied: &BTreeMap<String, Record>, floor: i64) {
    let service = target.serve().await;
    let (client, root) = (&service.client, &service.root);
    let (key, record) = copied.iter().next_back().unwrap();
    let mut last = floor;
    let path = format!("{root}{key}");
    let updated = write(client, &path, record.modified, b"new").await;
    for n in 0..1000 {
        let created = write(client, &format!("{root}after/{n}"), 0, b"x").await;
        let created = created.unwrap();
        assert!(created > last, "{created} after {last}");
        last = created;
    }
    assert!(updated.unwrap() > floor);
}

pub async fn everything_acknowledged_is_copied(from: Driver, to: Driver) {
    let (source, target) = (End::start(from).await, End::start(to).await);
    let service = source.serve().await;
    fill(&service).await;
    let stop = Arc::new(AtomicBool::new(false));
    let mut writers = JoinSet::new();
    for number in 0..WRITERS {
        let service = (service.client.clone(), service.root.clone());
        writers.spawn(keep_writing(service, number, Arc::clone(&stop)));
    }
    let report = copy_until_fence(&source, &target).await;
    // Nothing is acknowledged under the fence: creations neither, which kine does not see refused.
    for n in 0..WRITERS {
        let key = format!("{}late/{n}", service.root);
        assert!(write(&service.client, &key, 0, b"late").await.is_err());
    }
    stop.store(true, Ordering::Relaxed);
    let acknowledged: Acknowledged = writers.join_all().await.into_iter().flatten().collect();

    let copied = target.content().await;
    for (key, value) in &acknowledged {
        let found = copied.get(key).map(|record| &record.value);
        assert!(found == value.as_ref(), "{key} is not as acknowledged");
    }
    let kept = source.content().await;
    let differing = kept
        .iter()
        .find(|(key, kept)| copied.get(*key).is_none_or(|copy| copy.value != kept.value));
    assert!(
        differing.is_none() && copied.len() == kept.len(),
        "{differing:?}"
    );
    let deleted = acknowledged
        .values()
        .filter(|value| value.is_none())
        .count();
    assert!(deleted > WRITERS, "{deleted} of {}", acknowledged.len());
    assert!(copied.len() > STANDING + WRITERS, "{}", copied.len());
    let ttl = copied["events/default/expiring"].ttl.map(i64::from);
    assert!(
        ttl.is_some_and(|ttl| (TTL / 2..=TTL + 60).contains(&ttl)),
        "{ttl:?}"
    );
    Box::pin(goes_on(&target, &copied, report.revision)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_etcd_acknowledged_is_in_postgres_and_kine_goes_on_there() {
    Box::pin(everything_acknowledged_is_copied(
        Driver::Etcd,
        Driver::PostgreSql,
    ))
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_etcd_acknowledged_is_in_another_etcd_which_goes_on() {
    Box::pin(everything_acknowledged_is_copied(
        Driver::Etcd,
        Driver::Etcd,
    ))
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_kine_acknowledged_on_mysql_is_in_etcd_which_goes_on() {
    Box::pin(everything_acknowledged_is_copied(
        Driver::MySql,
        Driver::Etcd,
    ))
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_kine_acknowledged_on_postgres_is_in_etcd_which_goes_on() {
    Box::pin(everything_acknowledged_is_copied(
        Driver::PostgreSql,
        Driver::Etcd,
    ))
    .await;
}
