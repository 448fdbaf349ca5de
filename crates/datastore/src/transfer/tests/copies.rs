//! Copies of a tenant that writes at any moment.

use proptest::prelude::*;

use super::memory::{Event, Store, ends, key};
use crate::transfer::{Copy, CopyError, Digests, Phase, Reader as _, Report, Roots, copy_all};

/// Drives an asynchronous test, with time that does not pass.
pub(super) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap()
        .block_on(future)
}

/// Steps a copy until it is ready, fences the source and finishes.
pub(super) async fn carry_out(source: &Store, copy: &mut Copy) -> Result<Report, CopyError> {
    while copy.step().await? != Phase::Ready {}
    copy.finish(source.fence()).await
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => (0..40_u8, any::<u8>()).prop_map(|(key, value)| Event::Put(key, value)),
        2 => (0..40_u8, any::<u8>()).prop_map(|(key, value)| Event::PutExpiring(key, value)),
        4 => (0..40_u8).prop_map(Event::Delete),
        4 => Just(Event::Nothing),
    ]
}

/// Digests of everything that a store holds.
fn digests(store: &Store) -> Digests {
    let mut digests = Digests::default();
    store
        .state()
        .live
        .values()
        .for_each(|record| digests.add(record));
    digests
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_copy_equals_its_source_whatever_the_tenant_writes_meanwhile(
        before in prop::collection::vec(event(), 0..60),
        left_over in prop::collection::vec(event(), 0..10),
        during in prop::collection::vec(event(), 0..200),
        compactions in prop::collection::vec(0..200_usize, 0..4),
    ) {
        let (source, target) = (Store::after(&before), Store::after(&left_over));
        let mut during = during;
        for at in compactions {
            during.insert(at.min(during.len()), Event::Compact);
        }
        source.schedule(&during);
        let mut copy = Copy::new(ends(&source, &target, None), Roots::Different);
        let report = block_on(carry_out(&source, &mut copy)).unwrap();
        prop_assert_eq!(source.content(), target.content());
        prop_assert_eq!(&report.ranges, &digests(&source));
        let revision = source.state().revision;
        prop_assert_eq!((report.revision, target.state().finished), (revision, Some(revision)));
        prop_assert!(source.state().largest <= 3);
    }

    #[test]
    fn a_copy_whose_steps_fail_half_way_equals_its_source(
        before in prop::collection::vec(event(), 0..40),
        during in prop::collection::vec(event(), 0..100),
        drops in prop::collection::vec(0..3_usize, 0..40),
    ) {
        let (source, target) = (Store::after(&before), Store::default());
        source.schedule(&during);
        let mut copy = Copy::new(ends(&source, &target, None), Roots::Different);
        for request in drops {
            source.state().fail_at = Some(request);
            drop(block_on(copy.step()));
        }
        source.state().fail_at = None;
        let report = block_on(carry_out(&source, &mut copy)).unwrap();
        prop_assert_eq!(source.content(), target.content());
        prop_assert_eq!(&report.ranges, &digests(&source));
    }
}

#[test]
fn a_source_that_compacts_all_the_time_ends_the_copy_with_an_error() {
    let source = Store::after(&(0..30).map(|n| Event::Put(n, 1)).collect::<Vec<_>>());
    let writing = [Event::Put(0, 2), Event::Compact];
    source.schedule(&writing.repeat(1000));
    let mut copy = Copy::new(ends(&source, &Store::default(), None), Roots::Equal);
    let error = block_on(carry_out(&source, &mut copy)).unwrap_err();
    assert_eq!(error, CopyError::Compacted { times: 6 });
}

#[test]
fn a_tenant_that_changes_too_many_keys_ends_the_copy_with_an_error() {
    let source = Store::after(&(0..120).map(|n| Event::Put(n, 1)).collect::<Vec<_>>());
    let keys = (0..120).cycle().take(20_000);
    let writing: Vec<Event> = keys.map(|key| Event::Put(key, 2)).collect();
    source.schedule(&writing);
    let mut copy = Copy::new(ends(&source, &Store::default(), None), Roots::Equal);
    copy.bounds.changed = 1;
    let error = block_on(carry_out(&source, &mut copy)).unwrap_err();
    assert_eq!(error, CopyError::Busy { most: 1, times: 6 });
}

#[test]
fn a_value_that_is_bound_to_its_key_is_refused_where_the_root_differs() {
    for provider in ["k8s:enc:aesgcm:", "k8s:enc:kms:"] {
        let source = Store::default();
        let value = format!("{provider}v1:x").into_bytes();
        source.state().put(b"secrets/a/b".to_vec(), value, None);
        let copied = |roots| block_on(copy_all(ends(&source, &Store::default(), None), roots));
        let error = copied(Roots::Different).unwrap_err();
        assert_eq!(
            error,
            CopyError::Bound {
                key: "secrets/a/b".to_owned(),
                provider
            }
        );
        assert_eq!(copied(Roots::Equal).unwrap().progress.keys, 1);
    }
    let source = Store::default();
    source.state().put(
        b"secrets/a/b".to_vec(),
        b"k8s:enc:secretbox:v1:x".to_vec(),
        None,
    );
    block_on(copy_all(
        ends(&source, &Store::default(), None),
        Roots::Different,
    ))
    .unwrap();
}

#[test]
fn a_write_after_the_fence_is_an_error() {
    let source = Store::after(&[Event::Put(1, 1)]);
    let target = Store::default();
    let mut copy = Copy::new(ends(&source, &target, None), Roots::Equal);
    let error = block_on(async {
        while copy.step().await.unwrap() != Phase::Ready {}
        source.state().put(key(2), vec![1], None);
        let fenced = source.fence();
        source.schedule(&[Event::Put(1, 2)]);
        copy.finish(fenced).await.unwrap_err()
    });
    let key = String::from_utf8(key(1)).unwrap();
    assert_eq!(
        error,
        CopyError::Unfenced {
            key,
            revision: 3,
            fenced: 2
        }
    );
    assert_eq!(target.state().finished, None);
}

#[test]
fn a_key_that_expires_under_the_fence_expires_in_the_copy() {
    let source = Store::after(&[Event::PutExpiring(1, 1), Event::Put(2, 1)]);
    let target = Store::default();
    let mut copy = Copy::new(ends(&source, &target, None), Roots::Equal);
    block_on(async {
        while copy.step().await.unwrap() != Phase::Ready {}
        source.state().put(key(3), vec![1], None);
        let fenced = source.fence();
        source.schedule(&[Event::Nothing, Event::Nothing, Event::Delete(1)]);
        copy.finish(fenced).await.unwrap();
    });
    assert_eq!(source.content(), target.content());
}

#[test]
fn a_key_that_expired_too_early_at_the_target_is_written_again() {
    let source = Store::after(&[Event::PutExpiring(1, 1), Event::Put(2, 1)]);
    let target = Store::default();
    let mut copy = Copy::new(ends(&source, &target, None), Roots::Equal);
    block_on(async {
        while copy.step().await.unwrap() != Phase::Verify {}
        target.state().delete(key(1));
        carry_out(&source, &mut copy).await.unwrap();
    });
    assert_eq!(source.content(), target.content());
}

#[test]
fn a_copy_that_was_not_verified_cannot_be_finished() {
    let source = Store::after(&[Event::Put(1, 1)]);
    let mut copy = Copy::new(ends(&source, &Store::default(), None), Roots::Equal);
    let error = block_on(copy.finish(1)).unwrap_err();
    assert_eq!(error, CopyError::NotReady { phase: Phase::Scan });
}

#[test]
fn a_source_that_stays_is_read_by_pages_alone() {
    let source = Store::after(&(0..30).map(|n| Event::Put(n, n)).collect::<Vec<_>>());
    let target = Store::default();
    let report = block_on(copy_all(ends(&source, &target, None), Roots::Different)).unwrap();
    assert_eq!(source.content(), target.content());
    assert_eq!((report.progress.keys, report.progress.verified), (30, 30));
    assert_eq!(
        (report.progress.changes, report.settled_under_fence),
        (0, 0)
    );
    assert_eq!(source.state().others, 0);
    assert_eq!(block_on(source.reader(3).revision()), Ok(30));
}
