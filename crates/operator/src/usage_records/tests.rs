use kamaji_core::data_store::usage::Measured;
use kamaji_shell::telemetry::Metrics;

use super::*;

fn share(store: &str) -> Share {
    Share {
        tenant: ObjectKey::new("ns", "t"),
        store: store.to_owned(),
    }
}

fn measured(keys: u64, bytes: Option<u64>) -> Measured {
    Measured {
        keys,
        bytes,
        at: "2026-01-01T00:00:00Z".parse().unwrap(),
    }
}

#[test]
fn a_size_is_read_first_and_then_every_sixth_time() {
    let (records, metrics, share) = (UsageRecords::default(), Metrics::default(), share("s"));
    assert!(records.start(&share) && !records.start(&share));
    let mut sizes = Vec::new();
    for _ in 0..14 {
        let with_size = records.is_size_due(&share);
        sizes.push(with_size);
        let bytes = with_size.then_some(7);
        assert!(records.record(&share, (measured(1, bytes), false), &metrics.probes));
    }
    let at: Vec<_> = (0..14).filter(|n| sizes[*n]).collect();
    assert_eq!(at, [0, 6, 12]);
}

#[test]
fn only_a_measurement_that_is_due_changes_the_digest() {
    let (records, metrics, share) = (UsageRecords::default(), Metrics::default(), share("s"));
    records.start(&share);
    let before = records.digest(&share.tenant);
    let record = |figures, due| records.record(&share, (figures, due), &metrics.probes);
    record(measured(1, Some(1)), false);
    assert_eq!(records.digest(&share.tenant), before);
    assert_eq!(records.due(&share), None);
    record(measured(2, Some(1)), true);
    record(measured(3, None), false);
    assert_ne!(records.digest(&share.tenant), before);
    assert_eq!(records.due(&share).unwrap().keys, 2);
    // The tenant was moved to another DataStore.
    records.clear(&share, &metrics.probes);
    assert_eq!(records.due(&share), None);
    assert!(records.is_size_due(&share));
}

#[test]
fn a_measurement_of_a_deleted_tenant_is_not_recorded_and_leaves_no_metric() {
    let (records, metrics, ended) = (UsageRecords::default(), Metrics::default(), share("a"));
    let kept = share("b");
    records.start(&ended);
    records.start(&kept);
    let record = |share| records.record(share, (measured(1, Some(1)), true), &metrics.probes);
    assert!(record(&ended) && record(&kept));
    assert_eq!(metrics.text().matches("tcp_name=\"t\"").count(), 4);
    records.end(&ended, &metrics.probes);
    assert!(!record(&ended));
    assert_eq!(metrics.text().matches("tcp_name=\"t\"").count(), 2);
    records.forget(&kept.tenant, &metrics.probes);
    assert!(!record(&kept));
    assert!(!metrics.text().contains("tcp_name"));
}
