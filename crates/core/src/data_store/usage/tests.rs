use super::*;

fn measured(keys: u64, bytes: Option<u64>, minute: i64) -> Measured {
    Measured {
        keys,
        bytes,
        at: Timestamp::from_second(1_700_000_000 + 60 * minute).unwrap(),
    }
}

fn first(keys: u64, bytes: Option<u64>) -> StorageUsageStatus {
    published(None, Some(&measured(keys, bytes, 0))).unwrap()
}

#[test]
fn the_first_measurement_and_the_first_size_are_published() {
    let counted = first(300, None);
    assert_eq!((counted.keys, counted.bytes), (300, None));
    let sized = published(Some(&counted), Some(&measured(301, Some(5), 1))).unwrap();
    assert_eq!((sized.keys, sized.bytes), (301, Some(5)));
}

#[test]
fn small_changes_are_published_after_an_hour_and_noise_never() {
    let old = first(1000, Some(10 << 20));
    for (keys, bytes, minute, due) in [
        (1000, 10 << 20, 6000, false),
        (1080, 10 << 20, 6000, false),
        (1200, 10 << 20, 59, false),
        (1200, 10 << 20, 60, true),
        (1000, 12 << 20, 59, false),
        (1000, 12 << 20, 60, true),
    ] {
        let new = measured(keys, Some(bytes), minute);
        assert_eq!(is_due(Some(&old), &new), due, "{new:?}");
    }
}

#[test]
fn large_changes_and_those_by_half_are_published_at_once() {
    let old = first(1000, Some(10 << 20));
    for (keys, bytes) in [
        (1600, 10),
        (2001, 10),
        (499, 10),
        (1000, 15),
        (1000, 21),
        (1000, 4),
    ] {
        assert!(is_due(Some(&old), &measured(keys, Some(bytes << 20), 1)));
    }
    let empty = first(0, Some(0));
    assert!(is_due(Some(&empty), &measured(1, Some(0), 1)));
    assert!(!is_due(Some(&empty), &measured(0, Some(0), 6000)));
}

#[test]
fn a_size_that_is_not_measured_again_is_kept() {
    let old = first(1000, Some(7));
    let next = published(Some(&old), Some(&measured(9000, None, 1))).unwrap();
    assert_eq!((next.keys, next.bytes), (9000, Some(7)));
    assert_eq!(published(Some(&old), None), Some(old));
}

#[test]
fn numbers_beyond_those_of_a_status_are_cut() {
    let status = first(u64::MAX, Some(u64::MAX));
    assert_eq!((status.keys, status.bytes), (i64::MAX, Some(i64::MAX)));
    assert!(!is_due(
        Some(&status),
        &measured(u64::MAX / 2, Some(u64::MAX / 2), 1)
    ));
}

#[test]
fn a_tenant_beyond_a_soft_limit_is_warned_with_the_next_step() {
    let limit = |keys, bytes| Some(TenantSoftLimit { bytes, keys });
    let usage = first(1000, Some(5000));
    let warns = |limit: Option<TenantSoftLimit>| warning("s", Some(&usage), limit.as_ref());
    for within in [None, limit(None, None), limit(Some(1000), Some(5000))] {
        assert_eq!(warns(within), None);
    }
    let both = warns(limit(Some(999), Some(4999))).unwrap();
    for words in [
        "1000 keys, more than the soft limit of 999",
        "5000 bytes, more than the soft limit of 4999",
        "the DataStore s",
        "raise spec.tenantSoftLimit",
    ] {
        assert!(both.contains(words), "{both}");
    }
    assert_eq!(warning("s", None, limit(Some(1), None).as_ref()), None);
}
