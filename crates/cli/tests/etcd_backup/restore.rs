//! The restore that `docs/guides/restore-etcd.md` describes, step by step.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use etcd_client::{Client, GetOptions, WatchOptions};
use k8s_openapi::api::{apps::v1::StatefulSet, core::v1::ConfigMap};
use kamaji_e2e::{
    envtest::{ApiServer, Options},
    tools::Tools,
    wait::until,
};
use kube::{
    Api,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::json;
use tokio::task::JoinHandle;

use crate::store::{Store, ok, refused};

/// Revisions per second by which the chart's Job raises the revision.
const BUMP: u64 = 10_000;

/// Writes of a tenant that go on until they are told to stop: number and revision of the last that was acknowledged.
struct Load {
    stop: Arc<AtomicBool>,
    task: JoinHandle<(u64, i64)>,
}

impl Load {
    fn start(mut client: Client) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let ends = stop.clone();
        let task = tokio::spawn(async move {
            let (mut number, mut revision) = (0, 0);
            while !ends.load(Ordering::Relaxed) {
                let key = format!("/a/load/{:08}", number + 1);
                let put = client.put(key, vec![7; 2000], None).await.unwrap();
                number += 1;
                revision = put.header().unwrap().revision();
            }
            (number, revision)
        });
        Self { stop, task }
    }

    async fn end(self) -> (u64, i64) {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await.unwrap()
    }
}

/// API server with what the chart leaves there while the store is down.
async fn management() -> ApiServer {
    let tools = Tools::api_server().await.unwrap();
    let server = ApiServer::start(&tools, Options::default()).await.unwrap();
    let client = server.client().await.unwrap();
    let record = json!({
        "metadata": {"name": "kamaji-etcd-cluster"}, "data": {"initial-members": "1"},
    });
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), "default");
    let record = serde_json::from_value(record).unwrap();
    maps.create(&PostParams::default(), &record).await.unwrap();
    let set = json!({
        "metadata": {"name": "kamaji-etcd"},
        "spec": {
            "replicas": 1, "serviceName": "kamaji-etcd", "selector": {"matchLabels": {"a": "b"}},
            "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "etcd", "image": "etcd"}]}},
        },
    });
    let sets: Api<StatefulSet> = Api::namespaced(client, "default");
    let set = serde_json::from_value(set).unwrap();
    sets.create(&PostParams::default(), &set).await.unwrap();
    server
}

/// Keys below a prefix that a client sees.
async fn count(client: &mut Client, prefix: &str) -> i64 {
    let options = GetOptions::new().with_prefix().with_count_only();
    client.get(prefix, Some(options)).await.unwrap().count()
}

#[tokio::test]
async fn a_store_saved_under_load_and_lost_is_restored_with_its_users_and_no_revision_twice() {
    let (mut store, management) = tokio::join!(Store::start(), management());
    let load = Load::start(store.root().await);
    let mut root = store.root().await;
    until(
        "the tenant has written",
        std::time::Duration::from_secs(20),
        async || {
            let written = count(&mut store.root().await, "/a/load/").await;
            anyhow::ensure!(written > 100, "{written}");
            Ok(())
        },
    )
    .await
    .unwrap();
    let acknowledged = count(&mut root, "/a/load/").await;
    ok(&store.save("backup.db.zst.age", &[]));
    let (written, reached) = load.end().await;
    assert!(
        written > acknowledged.unsigned_abs(),
        "no write came after the snapshot"
    );
    root.delete("/b/first", None).await.unwrap();

    // The store is lost; what is altered or cut is refused before anything is written.
    store.etcd.stop();
    fs::rename(store.etcd.data_dir(), store.path("lost")).unwrap();
    fs::create_dir(store.etcd.data_dir()).unwrap();
    let whole = fs::read(store.path("backup.db.zst.age")).unwrap();
    let mut altered = whole.clone();
    altered[whole.len() / 2] ^= 1;
    for (bytes, words) in [
        (&whole[..whole.len() - 20], "backup"),
        (&altered[..], "altered or damaged"),
        (b"something else".as_slice(), "not encrypted"),
    ] {
        fs::write(store.path("backup.bad"), bytes).unwrap();
        let said = refused(&store.open(&store.path("backup.bad")));
        assert!(said.contains(words), "{said}");
        assert!(!store.path("opened.db").exists());
        assert!(
            fs::read_dir(store.etcd.data_dir())
                .unwrap()
                .next()
                .is_none()
        );
    }

    // Twice: a second restore of the same snapshot does not go back either.
    let mut highest = reached;
    for round in 0..2 {
        let restore = format!("kamaji-etcd-{round}");
        restored(&store, &management, &restore).await;
        store.etcd.resume().unwrap();
        highest = Box::pin(serves(&store, (acknowledged, highest))).await;
        store.etcd.stop();
        let said = refused(&store.open(&store.path("backup.db.zst.age")));
        assert!(said.contains("a restore never replaces data"), "{said}");
        fs::remove_dir_all(store.etcd.data_dir()).unwrap();
        fs::create_dir(store.etcd.data_dir()).unwrap();
        fs::remove_file(store.path("opened.db")).unwrap();
    }
}

/// The steps of the chart's Job.
async fn restored(store: &Store, management: &ApiServer, restore: &str) {
    ok(&store.open(&store.path("backup.db.zst.age")));
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    ok(&store.etcdutl(restore, seconds.as_secs() * BUMP).await);
    let data = store.etcd.data_dir();
    let adopt = || {
        let mut command = store.command(&["adopt", "--restore", restore]);
        command.arg("--data-dir").arg(&data);
        command.env("KUBECONFIG", management.kubeconfig());
        command.output().unwrap()
    };
    let client = management.client().await.unwrap();
    let sets: Api<StatefulSet> = Api::namespaced(client.clone(), "default");
    for replicas in [1, 0] {
        let scale = json!({"spec": {"replicas": replicas}});
        let patch = Patch::Merge(&scale);
        sets.patch("kamaji-etcd", &PatchParams::default(), &patch)
            .await
            .unwrap();
        if replicas == 1 {
            let said = refused(&adopt());
            assert!(said.contains("--replicas=0"), "{said}");
            assert!(!data.join("member").exists());
        }
    }
    ok(&adopt());
    let maps: Api<ConfigMap> = Api::namespaced(client, "default");
    let record = maps.get("kamaji-etcd-cluster").await.unwrap().data.unwrap();
    assert_eq!(
        (&*record["restored"], &*record["formed"]),
        (restore, "true")
    );
    assert_eq!(record["initial-members"], "1");
}

/// The restored store has every write that was acknowledged before the snapshot, access control, and a revision above
/// all that clients have seen; returns the highest.
async fn serves(store: &Store, (acknowledged, reached): (i64, i64)) -> i64 {
    until(
        "the store answers",
        std::time::Duration::from_secs(20),
        async || Ok(store.root().await.status().await?),
    )
    .await
    .unwrap();
    let mut tenant = store.tenant("a").await.unwrap();
    assert!(count(&mut tenant, "/a/load/").await >= acknowledged);
    let denied = tenant.get("/b/first", None).await.unwrap_err();
    assert!(denied.to_string().contains("permission denied"), "{denied}");
    let mut root = store.root().await;
    // Deleted after the snapshot.
    assert_eq!(count(&mut root, "/b/first").await, 1);
    assert_eq!(root.user_list().await.unwrap().users(), ["a", "b", "root"]);
    let put = tenant.put("/a/after", "value", None).await.unwrap();
    let revision = put.header().unwrap().revision();
    assert!(revision > reached, "{revision} after {reached}");

    // A watch from a revision of before is told to begin anew.
    let options = WatchOptions::new()
        .with_prefix()
        .with_start_revision(reached);
    let mut watch = root.watch("/a/", Some(options)).await.unwrap();
    let first = watch.message().await.unwrap().unwrap();
    let answer = if first.created() && !first.canceled() {
        watch.message().await.unwrap().unwrap()
    } else {
        first
    };
    assert!(
        answer.canceled() && answer.compact_revision() > reached,
        "{answer:?}"
    );
    revision
}
