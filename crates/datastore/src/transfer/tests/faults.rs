//! Copiers that are at fault, each of which verification has to find.

use proptest::prelude::*;

use super::copies::{block_on, carry_out};
use super::memory::{Event, Fault, Store, ends, key};
use crate::transfer::{Copy, CopyError, Difference, Phase, Roots};

fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        (0..60_usize).prop_map(Fault::DropsAWrite),
        (0..60_usize).prop_map(Fault::DropsADeletion),
        (0..60_usize).prop_map(Fault::FlipsAByte),
        (0..60_usize).prop_map(Fault::RepeatsAStaleWrite),
        (0..60_usize).prop_map(Fault::ResurrectsADeletedKey),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        3 => (0..20_u8, any::<u8>()).prop_map(|(key, value)| Event::Put(key, value)),
        1 => (0..20_u8).prop_map(Event::Delete),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// A fault that a later write hides is none; any other is an error that names a key.
    #[test]
    fn a_copier_at_fault_never_ends_with_a_copy_that_differs(
        fault in fault(),
        before in prop::collection::vec(event(), 0..40),
        during in prop::collection::vec(event(), 0..100),
    ) {
        let (source, target) = (Store::after(&before), Store::default());
        source.schedule(&during);
        let mut copy = Copy::new(ends(&source, &target, Some(fault)), Roots::Equal);
        match block_on(carry_out(&source, &mut copy)) {
            Ok(_) => prop_assert_eq!(source.content(), target.content()),
            Err(error) => {
                prop_assert!(matches!(error, CopyError::Different { .. }), "{error}");
                prop_assert_eq!(target.state().finished, None);
            }
        }
    }
}

/// Outcome of a copy that is ready when `under_fence` happens, with a fault of its last operations.
fn outcome(fault: Fault, under_fence: &[Event]) -> CopyError {
    let source = Store::after(&[Event::Put(1, 1), Event::Put(2, 1)]);
    let target = Store::default();
    let mut copy = Copy::new(ends(&source, &target, Some(fault)), Roots::Equal);
    block_on(async {
        while copy.step().await.unwrap() != Phase::Ready {}
        source.schedule(under_fence);
        for _ in under_fence {
            source.happen_next();
        }
        copy.finish(source.fence()).await.unwrap_err()
    })
}

#[test]
fn each_fault_between_the_last_step_and_the_fence_is_found() {
    use Fault::{
        DropsADeletion, DropsAWrite, FlipsAByte, RepeatsAStaleWrite, ResurrectsADeletedKey,
    };
    let (put, new, delete) = (Event::Put(1, 2), Event::Put(3, 2), Event::Delete(1));
    for (fault, event, key_number, difference) in [
        (DropsAWrite(2), put, 1, Difference::Value),
        (DropsAWrite(2), new, 3, Difference::Missing),
        (FlipsAByte(2), new, 3, Difference::Value),
        (RepeatsAStaleWrite(2), put, 1, Difference::Value),
        (DropsADeletion(2), delete, 1, Difference::Surplus),
        (ResurrectsADeletedKey(2), delete, 1, Difference::Surplus),
    ] {
        let key = String::from_utf8(key(key_number)).unwrap();
        assert_eq!(
            outcome(fault, &[event]),
            CopyError::Different { key, difference },
            "{fault:?}"
        );
    }
}

#[test]
fn each_fault_of_the_scan_is_found_by_the_pages() {
    for (fault, difference) in [
        (Fault::DropsAWrite(4), Difference::Missing),
        (Fault::FlipsAByte(4), Difference::Value),
    ] {
        let source = Store::after(&(0..9).map(|n| Event::Put(n, 1)).collect::<Vec<_>>());
        let mut copy = Copy::new(ends(&source, &Store::default(), Some(fault)), Roots::Equal);
        let error = block_on(carry_out(&source, &mut copy)).unwrap_err();
        assert!(
            matches!(error, CopyError::Different { difference: found, .. } if found == difference),
            "{error}"
        );
    }
}

#[test]
fn a_key_that_somebody_writes_at_the_target_is_found() {
    let source = Store::after(&[Event::Put(1, 1)]);
    let target = Store::default();
    let mut copy = Copy::new(ends(&source, &target, None), Roots::Equal);
    let error = block_on(async {
        while copy.step().await.unwrap() != Phase::Verify {}
        target.state().put(key(7), vec![1], None);
        carry_out(&source, &mut copy).await.unwrap_err()
    });
    let difference = Difference::Surplus;
    let key = String::from_utf8(key(7)).unwrap();
    assert_eq!(error, CopyError::Different { key, difference });
}

#[test]
fn an_expiring_write_that_is_always_dropped_is_found() {
    let source = Store::after(&[Event::PutExpiring(1, 1)]);
    let target = Store::default();
    target.state().refuse_key = Some(key(1));
    let mut copy = Copy::new(ends(&source, &target, None), Roots::Equal);
    let error = block_on(carry_out(&source, &mut copy)).unwrap_err();
    let difference = Difference::Missing;
    let key = String::from_utf8(key(1)).unwrap();
    assert_eq!(error, CopyError::Different { key, difference });
}
