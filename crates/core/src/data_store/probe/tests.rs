use super::*;

fn probe(version: &str, milliseconds: u64, minute: i64) -> Probe {
    Probe {
        version: version.to_owned(),
        latency: Duration::from_millis(milliseconds),
        at: Timestamp::from_second(1_700_000_000 + 60 * minute).unwrap(),
    }
}

#[test]
fn latencies_are_published_in_steps() {
    for (milliseconds, name) in [
        (0, "5ms"),
        (5, "5ms"),
        (6, "20ms"),
        (99, "100ms"),
        (501, "2s"),
        (10_001, "over 10s"),
    ] {
        assert_eq!(step(Duration::from_millis(milliseconds)), name);
    }
}

#[test]
fn another_version_is_published_at_once_and_another_latency_after_an_hour() {
    let first = published(None, &probe("etcd 3.6.4", 1, 0));
    assert_eq!(first.latency, "5ms");
    assert_eq!(published(Some(&first), &probe("etcd 3.6.4", 90, 59)), first);
    let slower = published(Some(&first), &probe("etcd 3.6.4", 90, 61));
    assert_eq!(slower.latency, "100ms");
    let upgraded = published(Some(&first), &probe("etcd 3.7.0", 1, 1));
    assert_eq!(upgraded.version, "etcd 3.7.0");
    assert_ne!(upgraded.probed_at, first.probed_at);
}

#[test]
fn a_probe_that_finds_the_same_changes_nothing_for_days() {
    let first = published(None, &probe("etcd 3.6.4", 1, 0));
    let later = published(Some(&first), &probe("etcd 3.6.4", 4, 60 * 48));
    assert_eq!(later, first);
}

#[test]
fn a_version_of_any_length_is_cut() {
    let long = "x".repeat(10_000);
    let status = published(None, &probe(&long, 1, 0));
    assert_eq!(status.version.len(), LONGEST_VERSION);
}
