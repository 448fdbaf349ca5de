//! Saves under writes, and restores, with datastores in memory.
#![expect(clippy::unwrap_used, reason = "tests, their helpers included")]

#[path = "kit/header.rs"]
mod header;
#[path = "kit/memory.rs"]
mod memory;

use std::sync::{Arc, Mutex};

use kamaji_snapshot::{
    Footer, Header, Keys, NewFile, Plan, SaveError, Seal, SnapshotFile, State,
    restore::{RestoreError, Source, Target, require_readable, restore},
    save,
};
use proptest::prelude::*;
use serde_json::json;

use header::header;
use memory::{End, Memory, Shared};

fn plan() -> Plan {
    Plan {
        header: header(),
        objects: vec![json!({"kind": "TenantControlPlane"})],
        seal: Seal::Plain,
        folder: std::env::temp_dir(),
    }
}

fn store(written: &[(u8, Option<u8>)], pending: Vec<(u8, Option<u8>)>) -> Shared {
    let mut memory = Memory::default();
    for (key, value) in written {
        memory.write(*key, *value);
    }
    memory.pending = pending;
    Arc::new(Mutex::new(memory))
}

async fn saved(source: &Shared) -> (NewFile, Footer) {
    save(&mut End(source.clone()), &plan()).await.unwrap()
}

async fn restored(
    file: &NewFile,
    target: &Shared,
    keep: &dyn Fn(&[u8]) -> bool,
) -> Result<State, RestoreError> {
    let keys = Keys::default();
    let file = SnapshotFile::open(file.path()).unwrap();
    let checked = file.check(&keys, 1 << 20, keep)?;
    let floor = checked.footer.revision;
    let source = Source {
        file: &file,
        keys: &keys,
        data: 1 << 20,
        checked,
        keep,
    };
    let target = Target {
        writer: Box::new(End(target.clone())),
        reader: Box::new(End(target.clone())),
        floor,
    };
    restore(source, target).await
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build();
    runtime.unwrap().block_on(work)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn what_is_restored_is_the_state_at_the_revision_of_the_snapshot_whatever_was_written_meanwhile(
        written in prop::collection::vec((0u8..30, any::<Option<u8>>()), 0..60),
        pending in prop::collection::vec((0u8..30, any::<Option<u8>>()), 0..60),
        compactions in 0u32..3,
    ) {
        let source = store(&written, pending);
        source.lock().unwrap().compactions = compactions;
        let target = store(&[(1, Some(1)), (200, Some(2))], Vec::new());
        let (footer, state) = block_on(async {
            let (file, footer) = saved(&source).await;
            (footer, restored(&file, &target, &|_| true).await.unwrap())
        });
        let then = source.lock().unwrap().state_at(footer.revision);
        prop_assert_eq!(then.difference(&state), None);
        let target = target.lock().unwrap();
        prop_assert_eq!(then.difference(&target.state()), None);
        prop_assert_eq!(target.finished, Some(footer.revision));
    }
}

#[tokio::test]
async fn keys_that_are_not_kept_are_neither_written_nor_counted() {
    let source = store(&[(1, Some(1)), (2, Some(2)), (1, Some(3))], Vec::new());
    let target = store(&[], Vec::new());
    let (file, _) = saved(&source).await;
    let state = restored(&file, &target, &|key| !key.ends_with(b"001"))
        .await
        .unwrap();
    assert_eq!(
        (state.keys(), target.lock().unwrap().state().keys()),
        (1, 1)
    );
}

#[tokio::test]
async fn a_target_that_loses_a_key_is_found_out() {
    let source = store(&[(1, Some(1)), (2, Some(2))], Vec::new());
    let target = store(&[], Vec::new());
    target.lock().unwrap().loses = Some(b"configmaps/a/002".to_vec());
    let (file, _) = saved(&source).await;
    let refused = restored(&file, &target, &|_| true).await;
    assert!(
        matches!(refused, Err(RestoreError::Different(_))),
        "{refused:?}"
    );
}

#[tokio::test]
async fn an_altered_file_is_refused_before_anything_is_written() {
    let source = store(&[(1, Some(1)), (2, Some(2))], Vec::new());
    let target = store(&[(9, Some(9))], Vec::new());
    let before = target.lock().unwrap().state();
    let (file, _) = saved(&source).await;
    let mut bytes = std::fs::read(file.path()).unwrap();
    let middle = bytes.len() - 60;
    bytes[middle] ^= 1;
    std::fs::write(file.path(), bytes).unwrap();
    let refused = restored(&file, &target, &|_| true).await;
    assert!(matches!(refused, Err(RestoreError::File(_))), "{refused:?}");
    assert_eq!(target.lock().unwrap().state(), before);
}

#[tokio::test]
async fn values_bound_to_their_key_are_refused_below_another_root() {
    let source = store(&[(1, Some(1))], Vec::new());
    let (file, _) = saved(&source).await;
    let file = SnapshotFile::open(file.path()).unwrap();
    let mut checked = file.check(&Keys::default(), 1 << 20, &|_| true).unwrap();
    assert!(require_readable(&checked, "/registry/").is_ok());
    checked
        .footer
        .encryption
        .add(b"secrets/a/b", b"k8s:enc:secretbox:v1:key1:x");
    assert!(require_readable(&checked, "/registry/").is_ok());
    checked
        .footer
        .encryption
        .add(b"secrets/a/b", b"k8s:enc:aesgcm:v1:key1:x");
    assert!(require_readable(&checked, "/demo/").is_ok());
    let refused = require_readable(&checked, "/registry/")
        .unwrap_err()
        .to_string();
    assert!(
        refused.contains("aesgcm") && refused.contains("secrets/a/b"),
        "{refused}"
    );
}

#[tokio::test]
async fn a_store_that_compacts_again_and_again_ends_the_save() {
    let source = store(&[(1, Some(1))], vec![(2, Some(2)); 100]);
    source.lock().unwrap().compactions = 1000;
    let refused = save(&mut End(source), &plan()).await;
    assert!(matches!(refused.err(), Some(SaveError::Compacted)));
}
