//! Snapshot of a tenant whose kine stores in NATS: saved while it writes, checked, and restored into another NATS.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests, their helpers included"
)]

#[path = "kit/header.rs"]
mod header;
#[path = "../../datastore/tests/kit/kine.rs"]
#[expect(dead_code, reason = "the drivers' tests need more of it")]
mod kit_kine;
#[path = "../../datastore/tests/kit/nats.rs"]
#[expect(dead_code, reason = "migrations search its files")]
mod kit_nats;
#[path = "../../datastore/tests/kit/owner.rs"]
mod owner;
#[path = "../../datastore/tests/kit/ports.rs"]
mod ports;
#[path = "../../datastore/tests/kit/process.rs"]
mod process;
#[path = "../../datastore/tests/kit/tools.rs"]
mod tools;
#[path = "../../datastore/tests/kit/writers.rs"]
mod writers;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use kamaji_datastore::{DataStore, Driver, Tenancy, connect};
use kamaji_snapshot::{
    Header, Keys, Plan, Seal, SnapshotFile,
    restore::{Source, Target, restore},
    save,
};
use tokio::task::JoinSet;

use kit_kine::{Kine, delete, listing, write};
use kit_nats::Nats;
use owner::owner;
use writers::{Acknowledged, WRITERS, keep_writing};

/// Keys that stand before the clients write.
const STANDING: usize = 300;

/// The DataStore with one tenant, which is set up.
async fn tenant(server: &Nats) -> (Box<dyn DataStore>, Tenancy) {
    let store = connect(&server.connection()).await.unwrap();
    let tenancy = Tenancy::parse(Driver::Nats, "cp-a", "kamaji", owner("cp-a")).unwrap();
    store.ensure(&tenancy).await.unwrap();
    (store, tenancy)
}

async fn serve(server: &Nats) -> Kine {
    let port = server.port;
    let endpoint = format!("nats://kamaji:secret@127.0.0.1:{port}?bucket=cp-a&noEmbed");
    Kine::start(&endpoint, &[]).await
}

fn plan() -> Plan {
    Plan {
        header: Header {
            tenant: owner("cp-a"),
            driver: Driver::Nats,
            data_store: "nats".to_owned(),
            schema: "cp-a".to_owned(),
            root: "/registry/".to_owned(),
            ..header::header()
        },
        objects: Vec::new(),
        seal: Seal::Plain,
        folder: std::env::temp_dir(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_in_nats_is_saved_while_it_writes_and_restored_into_another_nats() {
    let (from, to) = (Nats::start().await, Nats::start().await);
    let ((source, read), (target, written)) = (tenant(&from).await, tenant(&to).await);
    let kine = serve(&from).await;
    let client = kine.client();
    for n in 0..STANDING {
        let key = format!("/registry/secrets/default/{n:04}");
        let revision = write(&client, &key, 0, b"\0k8s\xff").await.unwrap();
        if n % 10 == 0 {
            delete(&client, &key, revision).await.unwrap();
        }
    }
    let stop = Arc::new(AtomicBool::new(false));
    let mut clients = JoinSet::new();
    for number in 0..WRITERS {
        let service = (client.clone(), "/registry/".to_owned());
        clients.spawn(keep_writing(service, number, Arc::clone(&stop)));
    }
    let mut reader = source.reader(&read).await.unwrap();
    let (file, footer) = save(reader.as_mut(), &plan()).await.unwrap();
    // What was acknowledged before the save, and after its revision, tells whether the file is of one revision.
    stop.store(true, Ordering::Relaxed);
    let acknowledged: Acknowledged = clients.join_all().await.into_iter().flatten().collect();
    let (at_source, revision) = listing(&client).await;
    assert!(footer.revision > i64::try_from(STANDING).unwrap() && footer.revision <= revision);

    let keys = Keys::default();
    let snapshot = SnapshotFile::open(file.path()).unwrap();
    let keep = |_: &[u8]| true;
    let checked = snapshot.check(&keys, 1 << 30, &keep).unwrap();
    assert_eq!(checked.footer, footer);
    let floor = footer.revision;
    let ends = Target {
        writer: target.writer(&written).await.unwrap(),
        reader: target.reader(&written).await.unwrap(),
        floor,
    };
    let file = Source {
        file: &snapshot,
        keys: &keys,
        data: 1 << 30,
        checked,
        keep: &keep,
    };
    let state = restore(file, ends).await.unwrap();
    assert!(state.keys() > u64::try_from(STANDING).unwrap() / 2);

    let restored = serve(&to).await;
    let (found, _) = listing(&restored.client()).await;
    // A key whose last change came before the revision is there as it is at the source, and no other is.
    let settled = at_source
        .iter()
        .filter(|(.., modified)| *modified <= footer.revision);
    let mut settled: Vec<_> = settled.map(|(key, value, ..)| (key, value)).collect();
    let mut same: Vec<_> = found.iter().map(|(key, value, ..)| (key, value)).collect();
    let health = b"/registry/health".to_vec();
    settled.retain(|(key, _)| **key != health);
    for (key, value) in &settled {
        assert!(
            same.contains(&(*key, *value)),
            "{}",
            String::from_utf8_lossy(key)
        );
    }
    same.retain(|(key, _)| at_source.iter().any(|(other, ..)| other == *key));
    let changed = acknowledged.len() + STANDING;
    assert!(settled.len() > STANDING / 2 && same.len() <= changed);
    for (key, _, _, modified) in &found {
        assert!(
            *modified > floor,
            "{} goes back",
            String::from_utf8_lossy(key)
        );
    }
    let next = write(&restored.client(), "/registry/after", 0, b"x").await;
    assert!(next.is_ok_and(|next| next > floor));
    // The original is as it was.
    assert_eq!(listing(&client).await, (at_source, revision));
}
