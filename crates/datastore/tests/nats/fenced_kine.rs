//! A real kine at a bucket that is fenced: what it acknowledges, what it reads, and when it starts.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use etcd_client::{Client, Event, EventType, WatchOptions};
use futures::future::join_all;
use kamaji_datastore::{DataStore, Tenancy};

use crate::attempt::attempt;
use crate::fence::fenced;
use crate::held_back::HeldBack;
use crate::kit_kine::{CONFLICT, Kine, Version, delete, listing, write};
use crate::kit_records::content;
use crate::ports::free_ports;
use crate::server::Server;
use crate::tenancy;
use crate::tools::find;

/// Clients that write at once.
const WRITERS: usize = 20;
/// Times that the tenant is fenced.
const FENCES: usize = 6;
/// Time with a fence, and time without.
const WHILE: Duration = Duration::from_millis(300);

fn endpoint(port: u16) -> String {
    format!("nats://kamaji:secret@127.0.0.1:{port}?bucket=cp-a&noEmbed")
}

async fn with_kine() -> (Server, Box<dyn DataStore>, Tenancy, Kine) {
    let server = Server::start().await;
    let (store, tenancy) = (server.store().await, tenancy("cp-a"));
    store.ensure(&tenancy).await.unwrap();
    let kine = Kine::start(&endpoint(server.port), &[]).await;
    (server, store, tenancy, kine)
}

async fn fence(store: &dyn DataStore, tenancy: &Tenancy) -> i64 {
    let revision = store.fence(&fenced(tenancy), &attempt()).await;
    revision.unwrap()
}

/// Versions that a kine lists once it has read its bucket up to `revision`, beyond which there is nothing.
async fn shown_at(kine: &Kine, revision: i64) -> Vec<Version> {
    loop {
        let (shown, at) = listing(&kine.client()).await;
        assert!(at <= revision, "{at} is after {revision}");
        if at == revision {
            return shown;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Value of a key as acknowledged, `None` for one that was deleted, with the revision of that.
type Acknowledged = BTreeMap<String, (Option<Vec<u8>>, i64)>;

/// Creates, rewrites and deletes keys, refused or not, until `stop` is set. A key that was refused once is not written
/// again.
async fn keep_writing(client: Client, number: usize, stop: Arc<AtomicBool>) -> Acknowledged {
    let mut acknowledged = Acknowledged::new();
    for n in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let key = format!("/registry/configmaps/default/{number}-{n}");
        let value: Vec<u8> = (0..=255).cycle().skip(n).take(300).collect();
        let Ok(first) = write(&client, &key, 0, b"first").await else {
            continue;
        };
        acknowledged.insert(key.clone(), (Some(b"first".to_vec()), first));
        let Ok(second) = write(&client, &key, first, &value).await else {
            continue;
        };
        acknowledged.insert(key.clone(), (Some(value), second));
        if n % 3 != 0 {
            continue;
        }
        if let Ok(third) = delete(&client, &key, second).await {
            acknowledged.insert(key, (None, third));
        } else {
            // Deleted or not: a deletion is two messages, of which the first is as good as both.
            acknowledged.remove(&key);
        }
    }
    acknowledged
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_kine_acknowledges_is_written_and_nothing_comes_after_the_revision_of_a_fence() {
    let (server, store, tenancy, kine) = with_kine().await;
    let stop = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..WRITERS)
        .map(|number| tokio::spawn(keep_writing(kine.client(), number, Arc::clone(&stop))))
        .collect();
    let stream = server.admin().await.get_stream("KV_cp-a").await.unwrap();
    let mut last = 0;
    for _ in 0..FENCES {
        tokio::time::sleep(WHILE).await;
        let revision = fence(&*store, &tenancy).await;
        assert!(revision > last, "nothing was written since {last}");
        tokio::time::sleep(WHILE).await;
        let now = stream.get_info().await.unwrap().state.last_sequence;
        assert_eq!(i64::try_from(now).unwrap(), revision);
        shown_at(&kine, revision).await;
        store.lift(&tenancy, &attempt()).await.unwrap();
        last = revision;
    }
    let revision = fence(&*store, &tenancy).await;
    stop.store(true, Ordering::Relaxed);
    let acknowledged = join_all(writers).await.into_iter().map(Result::unwrap);
    let acknowledged: Acknowledged = acknowledged.flatten().collect();
    let read: BTreeMap<_, _> = content(&*store, &tenancy).await.into_iter().collect();
    let shown: BTreeMap<_, _> = shown_at(&kine, revision)
        .await
        .into_iter()
        .map(|(key, value, ..)| (key, value))
        .collect();
    for (key, (value, written)) in &acknowledged {
        assert!(*written <= revision, "{key} at {written}, after {revision}");
        let below = key.strip_prefix("/registry/").unwrap().as_bytes();
        assert_eq!(read.get(below), value.as_ref(), "{key}");
        assert_eq!(shown.get(key.as_bytes()), value.as_ref(), "{key}");
    }
    let deleted = acknowledged.values().filter(|(value, _)| value.is_none());
    assert!(deleted.count() > WRITERS && acknowledged.len() > 10 * WRITERS);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fenced_kine_reads_and_watches_on_and_deletes_and_compacts_nothing() {
    let (_server, store, tenancy, kine) = with_kine().await;
    let mut client = kine.client();
    let kept = write(&client, "/registry/kept", 0, b"1").await.unwrap();
    let all = Some(WatchOptions::new().with_prefix().with_start_revision(kept));
    let mut watch = client.watch("/registry/", all).await.unwrap();
    let revision = fence(&*store, &tenancy).await;
    let before = content(&*store, &tenancy).await;
    for _ in 0..2 {
        let created = write(&client, "/registry/new", 0, b"2").await.unwrap_err();
        let changed = write(&client, "/registry/kept", kept, b"2").await;
        for error in [created, changed.unwrap_err()] {
            assert!(error.contains("message size exceeds maximum"), "{error}");
        }
        // As a conflict with the value that is there: an API server tries again until its time limit.
        let deleted = delete(&client, "/registry/kept", kept).await.unwrap_err();
        assert_eq!(deleted, format!("{CONFLICT}, found: true"));
        let _ = client.compact(kept, None).await;
        assert_eq!(fence(&*store, &tenancy).await, revision);
        assert_eq!(content(&*store, &tenancy).await, before);
    }
    store.lift(&tenancy, &attempt()).await.unwrap();
    delete(&client, "/registry/kept", kept).await.unwrap();
    let mut seen = Vec::new();
    while seen.len() < 2 {
        let answer = watch.message().await.unwrap().unwrap();
        seen.extend(answer.events().iter().map(Event::event_type));
    }
    assert_eq!(seen, [EventType::Put, EventType::Delete]);
}

/// kine deletes by an entry that says so, and the mark of NATS behind it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deletion_whose_second_message_a_fence_refuses_is_one() {
    let server = Server::start().await;
    let (store, tenancy) = (server.store().await, tenancy("cp-a"));
    store.ensure(&tenancy).await.unwrap();
    let held = HeldBack::start(server.port, "KV-Operation: DEL").await;
    let kine = Kine::start(&endpoint(held.port), &[]).await;
    let client = kine.client();
    let revision = write(&client, "/registry/half", 0, b"1").await.unwrap();
    let by = client.clone();
    let deletion = tokio::spawn(async move { delete(&by, "/registry/half", revision).await });
    held.wait().await;
    let last = fence(&*store, &tenancy).await;
    assert_eq!(last, revision + 1, "the entry of the deletion");
    held.release();
    let answer = deletion.await.unwrap();
    assert!(answer.is_err(), "{answer:?}");
    let read = content(&*store, &tenancy).await;
    assert!(!read.iter().any(|(key, _)| key == b"half"), "{read:?}");
    let shown = client.clone().get("/registry/half", None).await.unwrap();
    assert_eq!(shown.count(), 0);
    store.lift(&tenancy, &attempt()).await.unwrap();
    write(&client, "/registry/half", 0, b"again").await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kine_that_starts_at_a_fenced_bucket_ends_and_starts_once_the_fence_is_lifted() {
    let (server, store, tenancy, kine) = with_kine().await;
    let kept = write(&kine.client(), "/registry/kept", 0, b"1")
        .await
        .unwrap();
    drop(kine);
    let revision = fence(&*store, &tenancy).await;
    let address = format!("127.0.0.1:{}", free_ports::<1>()[0]);
    let ended = Command::new(find("kine", "kine-"))
        .args(["--listen-address", &address, "--metrics-bind-address", "0"])
        .args(["--endpoint", &endpoint(server.port)])
        .stdout(Stdio::null())
        .output()
        .unwrap();
    let log = String::from_utf8_lossy(&ended.stderr);
    assert!(!ended.status.success() && log.contains("bucket"), "{log}");
    assert_eq!(fence(&*store, &tenancy).await, revision);
    store.lift(&tenancy, &attempt()).await.unwrap();
    let kine = Kine::start(&endpoint(server.port), &[]).await;
    write(&kine.client(), "/registry/kept", kept, b"2")
        .await
        .unwrap();
}
