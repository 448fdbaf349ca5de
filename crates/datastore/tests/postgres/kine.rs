//! Transfers between databases at which a real kine runs.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use etcd_client::{Client as Etcd, Compare, CompareOp, GetOptions, Txn, TxnOp};
use futures::future::join_all;
use kamaji_datastore::Access;
use kamaji_datastore::transfer::{Followed, Op, Reader, Writer};

use super::*;
use crate::ports::free_ports;
use crate::transfer::pages;

/// Clients that write at once.
const WRITERS: usize = 20;

/// A kine at the database of one tenant, which ends with the value.
struct Kine {
    process: Child,
    port: u16,
}

impl Drop for Kine {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Kine {
    async fn start(server: &Server, tenancy: &Tenancy) -> Self {
        let password = tenancy.password.as_ref().unwrap().expose();
        let endpoint = format!(
            "postgres://{}:{password}@127.0.0.1:{}/{}?sslmode=disable",
            tenancy.user, server.port, tenancy.schema
        );
        let [port] = free_ports();
        let process = Command::new(find_kine())
            .args(["--endpoint", &endpoint, "--metrics-bind-address", "0"])
            .args(["--listen-address", &format!("127.0.0.1:{port}")])
            .args(["--compact-min-retain", "100"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let kine = Self { process, port };
        for _ in 0..200 {
            if let Ok(mut client) = kine.try_client().await
                && client.get("/registry/health", None).await.is_ok()
            {
                return kine;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("kine did not come up");
    }

    async fn try_client(&self) -> Result<Etcd, etcd_client::Error> {
        Etcd::connect([format!("http://127.0.0.1:{}", self.port)], None).await
    }

    async fn client(&self) -> Etcd {
        self.try_client().await.unwrap()
    }

    /// Keys with value and revision, and the revision of the list.
    async fn list(&self) -> (BTreeMap<Vec<u8>, (Vec<u8>, i64, i64)>, i64) {
        let all = Some(GetOptions::new().with_prefix());
        let answer = self.client().await.get("/registry/", all).await.unwrap();
        let revision = answer.header().unwrap().revision();
        let pairs = answer.kvs().iter().map(|pair| {
            let version = (
                pair.value().to_vec(),
                pair.create_revision(),
                pair.mod_revision(),
            );
            (pair.key().to_vec(), version)
        });
        (pairs.collect(), revision)
    }
}

fn find_kine() -> PathBuf {
    let variable = |name| std::env::var_os(name).map(PathBuf::from);
    let cache = variable("XDG_CACHE_HOME")
        .or_else(|| variable("HOME").map(|home| home.join(".cache")))
        .map(|cache| cache.join("kamaji-e2e"));
    let built = cache
        .and_then(|cache| std::fs::read_dir(cache).ok())
        .into_iter()
        .flatten()
        .filter_map(Result::ok)
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("kine-"))
        .map(|entry| entry.path().join("bin"))
        .max_by_key(|folder| folder.metadata().and_then(|about| about.modified()).ok());
    let found = variable("KAMAJI_E2E_BIN")
        .into_iter()
        .chain(built)
        .map(|folder| folder.join("kine"))
        .find(|path| path.is_file());
    found.expect("no kine in KAMAJI_E2E_BIN or the cache: `make tools` builds one")
}

/// Writes `key` at `revision`, 0 for a new one, as an API server does; the new revision, or `None` if it was refused.
async fn write(client: &mut Etcd, (key, revision): (&str, i64), value: &[u8]) -> Option<i64> {
    let put = TxnOp::put(key, value, None);
    let when = Compare::mod_revision(key, CompareOp::Equal, revision);
    let mut txn = Txn::new().when([when]).and_then([put]);
    if revision > 0 {
        txn = txn.or_else([TxnOp::get(key, None)]);
    }
    let answer = client.txn(txn).await.ok()?;
    answer
        .succeeded()
        .then(|| answer.header().unwrap().revision())
}

async fn delete(client: &mut Etcd, key: &str, revision: i64) -> bool {
    let when = Compare::mod_revision(key, CompareOp::Equal, revision);
    let txn = Txn::new()
        .when([when])
        .and_then([TxnOp::delete(key, None)])
        .or_else([TxnOp::get(key, None)]);
    client.txn(txn).await.is_ok_and(|answer| answer.succeeded())
}

/// Writes, rewrites and deletes keys until it is refused or told to stop; the keys as acknowledged, `None` for deleted
/// ones.
async fn keep_writing(
    kine: Arc<Kine>,
    (number, stop): (usize, Arc<AtomicBool>),
) -> BTreeMap<String, Option<Vec<u8>>> {
    let mut client = kine.client().await;
    let mut acknowledged = BTreeMap::new();
    for n in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let key = format!("/registry/configmaps/kube-system/{number}-{n}");
        let value: Vec<u8> = (0..=255).cycle().skip(n).take(600).collect();
        let Some(revision) = write(&mut client, (&key, 0), b"first").await else {
            break;
        };
        acknowledged.insert(key.clone(), Some(b"first".to_vec()));
        let Some(revision) = write(&mut client, (&key, revision), &value).await else {
            break;
        };
        acknowledged.insert(key.clone(), Some(value));
        if n % 3 == 0 {
            if !delete(&mut client, &key, revision).await {
                break;
            }
            acknowledged.insert(key, None);
        }
    }
    acknowledged
}

/// Applies the changes after `after`, up to now; the revision that was reached.
async fn follow(reader: &mut Box<dyn Reader>, writer: &mut Box<dyn Writer>, after: i64) -> i64 {
    let (mut reached, end) = (after, reader.revision().await.unwrap());
    while reached < end {
        let Followed::Changes(changes) = reader.changes(reached).await.unwrap() else {
            panic!("compacted");
        };
        writer.apply(&changes.ops).await.unwrap();
        assert!(changes.revision > reached, "no progress at {reached}");
        reached = changes.revision;
    }
    reached
}

/// Copies all keys as of some revision, which is returned.
async fn copy(reader: &mut Box<dyn Reader>, writer: &mut Box<dyn Writer>) -> i64 {
    writer.clear().await.unwrap();
    let start = reader.revision().await.unwrap();
    let (records, _) = pages(reader).await;
    for part in records.chunks(1000) {
        let ops: Vec<Op> = part.iter().cloned().map(Op::Put).collect();
        writer.apply(&ops).await.unwrap();
    }
    start
}

/// The names of rows of kine's own.
async fn own_rows(server: &Server, tenancy: &Tenancy) -> Vec<String> {
    let query = "SELECT name FROM kine WHERE name NOT LIKE '/registry/%'";
    server.texts(tenancy.schema.as_str(), query).await
}

/// Ten thousand writes, each of which has to succeed, at revisions above `floor`: one, after which kine has seen no gap,
/// and the others by many clients, whose inserts may be slow enough for a gap.
async fn write_ten_thousand((server, tenancy): (&Server, &Tenancy), kine: &Kine, floor: i64) {
    let first = write(&mut kine.client().await, ("/registry/first", 0), b"value").await;
    assert!(first.is_some_and(|revision| revision > floor));
    tokio::time::sleep(Duration::from_millis(2500)).await;
    assert_eq!(own_rows(server, tenancy).await, ["compact_rev_key"]);
    let writers = (0..WRITERS).map(|number| async move {
        let mut client = kine.client().await;
        for n in 0..10_000 / WRITERS {
            let key = format!("/registry/after/{number}-{n}");
            let revision = write(&mut client, (&key, 0), b"value").await;
            assert!(revision.is_some_and(|revision| revision > floor), "{key}");
        }
    });
    join_all(writers).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_write_that_a_kine_acknowledged_until_the_fence_is_served_by_the_next_one() {
    let (server, store, source) = with_tenant("cp-a").await;
    let target = tenancy("cp-b");
    store.ensure(&target).await.unwrap();
    let kine = Arc::new(Kine::start(&server, &source).await);
    let stop = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..WRITERS)
        .map(|number| {
            let state = (number, Arc::clone(&stop));
            tokio::spawn(keep_writing(Arc::clone(&kine), state))
        })
        .collect();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let mut reader = store.reader(&source).await.unwrap();
    let mut writer = store.writer(&target).await.unwrap();
    let start = copy(&mut reader, &mut writer).await;
    let reached = follow(&mut reader, &mut writer, start).await;
    let fenced = Tenancy {
        access: Access::ReadOnly,
        ..source.clone()
    };
    let floor = store.fence(&fenced).await.unwrap().unwrap();
    let reached = follow(&mut reader, &mut writer, reached).await;
    assert_eq!(reached, floor);
    stop.store(true, Ordering::Relaxed);
    let mut acknowledged = BTreeMap::new();
    for writer in writers {
        acknowledged.extend(writer.await.unwrap());
    }
    let deleted = acknowledged
        .values()
        .filter(|value| value.is_none())
        .count();
    assert!(deleted > WRITERS && acknowledged.len() > 3 * deleted / 2);
    // A kine that starts at the fenced source reads on.
    let before = Kine::start(&server, &source).await.list().await;
    assert_eq!(before.1, floor);
    writer.finish(floor).await.unwrap();
    drop((reader, writer));
    let next = Kine::start(&server, &target).await;
    let after = next.list().await;
    assert!(before.0 == after.0, "the lists differ");
    assert!(after.1 > floor);
    for (key, value) in acknowledged {
        let found = after.0.get(key.as_bytes()).map(|version| &version.0);
        assert!(found == value.as_ref(), "{key} is not as acknowledged");
    }
    write_ten_thousand((&server, &target), &next, floor).await;
    let (key, (_, _, revision)) = before.0.iter().next().unwrap();
    let key = (std::str::from_utf8(key).unwrap(), *revision);
    let mut client = kine.client().await;
    assert!(write(&mut client, key, b"late").await.is_none());
    // kine would acknowledge this without having written it.
    assert!(
        write(&mut client, ("/registry/late", 0), b"late")
            .await
            .is_none()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_of_many_revisions_that_was_compacted_arrives_and_goes_on() {
    let (server, store, source) = with_tenant("cp-a").await;
    let target = tenancy("cp-b");
    store.ensure(&target).await.unwrap();
    let kine = Kine::start(&server, &source).await;
    let mut client = kine.client().await;
    let mut reader = store.reader(&source).await.unwrap();
    let mut revisions = [0; 10];
    for n in 0..3000 {
        let key = format!("/registry/leases/{}", n % 10);
        let value = n.to_string();
        let revision = write(&mut client, (&key, revisions[n % 10]), value.as_bytes()).await;
        revisions[n % 10] = revision.unwrap();
    }
    assert!(delete(&mut client, "/registry/leases/0", revisions[0]).await);
    assert!(matches!(reader.changes(5).await, Ok(Followed::Changes(_))));
    let compacted = client.compact(2800, None).await;
    compacted.unwrap();
    assert_eq!(reader.changes(5).await, Ok(Followed::Compacted));
    let mut writer = store.writer(&target).await.unwrap();
    let start = copy(&mut reader, &mut writer).await;
    let floor = follow(&mut reader, &mut writer, start).await;
    writer.finish(floor).await.unwrap();
    let before = kine.list().await;
    let next = Kine::start(&server, &target).await;
    let after = next.list().await;
    assert!(
        before.0 == after.0 && after.0.len() == 10,
        "the lists differ"
    );
    // A watch from before is told to list again, one from the end goes on.
    let client = &mut next.client().await;
    let at = |revision| Some(GetOptions::new().with_prefix().with_revision(revision));
    assert!(client.get("/registry/", at(floor - 1)).await.is_err());
    assert!(client.get("/registry/", at(floor)).await.is_ok());
    let key = ("/registry/leases/1", revisions[1]);
    assert!(
        write(client, key, b"new")
            .await
            .is_some_and(|revision| revision > floor)
    );
    assert!(
        write(client, ("/registry/leases/0", 0), b"again")
            .await
            .is_some()
    );
    write_ten_thousand((&server, &target), &next, floor).await;
}
