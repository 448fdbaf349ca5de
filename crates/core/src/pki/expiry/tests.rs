use super::*;
use crate::pki::fixture::{DAY, Foreign, authority, now};

#[test]
fn the_notice_is_ninety_days_before_the_end() {
    let expiry = Expiry::of(Purpose::Ca, authority().certificate());
    assert_eq!(expiry.notice + 90 * DAY, expiry.ends);
    assert!(!expiry.is_near(expiry.notice - Duration::from_secs(1)));
    assert!(expiry.is_near(expiry.notice));
}

#[test]
fn a_short_life_has_the_notice_in_its_last_third() {
    let foreign = Foreign {
        not_before: now(),
        not_after: now() + 30 * DAY,
        ..Foreign::new()
    };
    let expiry = Expiry::of(Purpose::DataStoreCa, foreign.load().certificate());
    assert_eq!(expiry.notice, now() + 20 * DAY);
}
