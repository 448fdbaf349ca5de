//! Memory that the driver keeps of large rows, measured in a process of its own.

use std::process::Command;

use kamaji_datastore::ENVIRONMENT;

use super::super::with_tenant;
use super::*;
use crate::memory::resident;

const ALONE: &str = "KAMAJI_TEST_ALONE";
const TEST: &str = "transfer::memory::rows_of_two_megabytes_leave_no_large_buffers";
const ROUNDS: i64 = 100;
const SMALL: i64 = 200;
/// Most MiB that may be in use after [`ROUNDS`] beyond those of the first one.
const GROWTH: u64 = 64;

#[tokio::test]
async fn rows_of_two_megabytes_leave_no_large_buffers() {
    if std::env::var_os(ALONE).is_none() {
        let mut alone = Command::new(std::env::current_exe().unwrap());
        alone.args([TEST, "--exact", "--nocapture"]).env(ALONE, "1");
        let ended = tokio::process::Command::from(alone)
            .envs(ENVIRONMENT)
            .status();
        assert!(ended.await.unwrap().success());
        return;
    }
    let (_server, store, tenancy) = with_tenant("cp-a").await;
    let mut writer = store.writer(&tenancy).await.unwrap();
    let mut reader = store.reader(&tenancy).await.unwrap();
    let mut keys = vec![b"large".to_vec()];
    let mut small = Vec::new();
    // Rows of one answer take a buffer each, of which the driver keeps 128.
    for number in 1..=SMALL {
        let key = format!("small/{number}");
        small.push(Op::Put(record(&key, number, b"small")));
        keys.push(key.into_bytes());
    }
    writer.apply(&small).await.unwrap();
    let mut first = 0;
    for revision in SMALL + 1..=SMALL + ROUNDS {
        let put = Op::Put(record("large", revision, &vec![7; 2 << 20]));
        writer.apply(&[put]).await.unwrap();
        let found = reader.get(&keys).await.unwrap();
        assert_eq!(found[0].as_ref().unwrap().modified, revision);
        if revision == SMALL + 1 {
            first = resident();
        }
    }
    let last = resident();
    assert!(
        last.saturating_sub(first) < GROWTH,
        "{first} MiB after the first of {ROUNDS} rows, {last} after the last"
    );
}
