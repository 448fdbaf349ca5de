//! Copies of a tenant that writes faster than single keys are compared or revisions are made.

use std::time::Duration;

use super::memory::{Load, Store, ends_of_full_size};
use crate::transfer::{Copy, CopyError, Phase, Roots};

/// More steps than any of these copies takes to be ready.
const STEPS: usize = 1000;

/// A tenant with 5,000 keys, 400 of which are written again before each request.
fn busy_tenant() -> Store {
    let store = Store::default();
    let mut state = store.state();
    state.load = Load {
        hot: 5000,
        writes: 400,
        revisions: 0,
    };
    state.write_hot(5000);
    drop(state);
    store
}

/// A copy whose single keys take so long to be read at the target.
fn copy(source: &Store, target: &Store, time_per_key: Duration) -> Copy {
    target.state().time_per_key = time_per_key;
    Copy::new(ends_of_full_size(source, target), Roots::Equal)
}

/// Steps until the copy is ready; panics after [`STEPS`].
async fn ready(copy: &mut Copy) -> Result<(), CopyError> {
    for _ in 0..STEPS {
        if copy.step().await? == Phase::Ready {
            return Ok(());
        }
    }
    panic!("not ready after {STEPS} steps: {:?}", copy.progress());
}

#[tokio::test(start_paused = true)]
async fn a_copy_of_hot_keys_is_ready_when_they_can_be_compared_under_the_fence() {
    let (source, target) = (busy_tenant(), Store::default());
    let mut copy = copy(&source, &target, Duration::from_micros(100));
    ready(&mut copy).await.unwrap();
    let report = copy.finish(source.fence()).await.unwrap();
    assert!(report.settled_under_fence > 256, "{report:?}");
    assert_eq!(source.content(), target.content());
    assert_eq!(report.ranges.total().keys, 5000);
}

#[tokio::test(start_paused = true)]
async fn a_copy_of_hot_keys_that_are_compared_too_slowly_ends_with_an_error() {
    let (source, target) = (busy_tenant(), Store::default());
    let mut copy = copy(&source, &target, Duration::from_millis(2));
    let error = ready(&mut copy).await.unwrap_err();
    let CopyError::Hot {
        keys, per_second, ..
    } = error
    else {
        panic!("{error}");
    };
    assert!(keys > 500 && (400..=500).contains(&per_second), "{error}");
    assert_eq!(target.state().finished, None);
}

#[tokio::test(start_paused = true)]
async fn more_hot_keys_than_half_of_those_remembered_do_not_hold_up_the_verification() {
    let (source, target) = (busy_tenant(), Store::default());
    let mut copy = copy(&source, &target, Duration::from_micros(100));
    copy.bounds.changed = 6000;
    ready(&mut copy).await.unwrap();
    copy.finish(source.fence()).await.unwrap();
    assert_eq!(source.content(), target.content());
}

#[tokio::test(start_paused = true)]
async fn a_copy_whose_changes_are_applied_too_slowly_for_the_fence_ends_with_an_error() {
    let (source, target) = (busy_tenant(), Store::default());
    target.state().time_per_write = Duration::from_millis(2);
    let mut copy = copy(&source, &target, Duration::ZERO);
    let error = ready(&mut copy).await.unwrap_err();
    let CopyError::Behind { per_second, .. } = error else {
        panic!("{error}");
    };
    assert!((400..=500).contains(&per_second), "{error}");
    assert_eq!(target.state().finished, None);
}

#[tokio::test(start_paused = true)]
async fn a_source_that_advances_faster_than_the_target_is_raised_ends_the_copy_with_an_error() {
    let (source, target) = (Store::default(), Store::default());
    source.state().put(b"a".to_vec(), vec![1], None);
    source.state().load.revisions = 5000;
    target.state().raised_at_once = Some(2000);
    let mut copy = copy(&source, &target, Duration::ZERO);
    let error = ready(&mut copy).await.unwrap_err();
    assert!(
        matches!(
            error,
            CopyError::Outrun {
                missing: 1001..,
                ..
            }
        ),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_target_that_is_raised_faster_than_the_source_advances_reaches_it() {
    let (source, target) = (Store::default(), Store::default());
    source.state().put(b"a".to_vec(), vec![1], None);
    source.state().revision = 100_000;
    source.state().load.revisions = 500;
    target.state().raised_at_once = Some(2000);
    let mut copy = copy(&source, &target, Duration::ZERO);
    ready(&mut copy).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_copy_is_not_ready_while_many_revisions_are_missing() {
    let (source, target) = (Store::default(), Store::default());
    source.state().put(b"a".to_vec(), vec![1], None);
    target.state().raised_at_once = Some(2000);
    let mut copy = copy(&source, &target, Duration::ZERO);
    while copy.step().await.unwrap() != Phase::Verify {}
    source.state().revision += 50_000;
    ready(&mut copy).await.unwrap();
    let missing = copy.progress().revisions_missing;
    assert!(missing <= 5000, "{missing}");
}
