use std::time::Duration;

use k8s_openapi::jiff::Timestamp;

use super::*;

const PERIOD: Duration = Duration::from_mins(10);

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_second(1_700_000_000).unwrap() + Duration::from_secs(seconds)
}

fn last(seconds: u64, ready: bool, content: &str) -> Last<'_> {
    Last {
        at: at(seconds),
        ready,
        content,
    }
}

/// A tenant cluster that was reconciled at 100 and is as desired at 160.
fn quiet() -> Schedule<'static> {
    Schedule {
        uid: "11111111-2222-3333-4444-555555555555",
        period: PERIOD,
        limited: false,
        availability: Availability::Since(at(0)),
        published: true,
        last: Some(last(100, true, "a")),
        desired: Some("a"),
        now: at(160),
    }
}

#[test]
fn every_combination_is_scheduled_and_failures_on_available_ones_soon() {
    let availabilities = [
        Availability::Unavailable,
        Availability::Since(at(0)),
        Availability::Since(at(130)),
    ];
    let lasts = [
        None,
        Some(last(100, true, "a")),
        Some(last(100, true, "b")),
        Some(last(100, false, "a")),
        Some(last(100, false, "b")),
        Some(last(100, false, "")),
    ];
    for availability in availabilities {
        for last in lasts {
            for desired in [None, Some("a")] {
                for (limited, published) in
                    [(false, false), (false, true), (true, false), (true, true)]
                {
                    for now in [at(160), at(100_000)] {
                        let schedule = Schedule {
                            limited,
                            availability,
                            published,
                            last,
                            desired,
                            now,
                            ..quiet()
                        };
                        let limit = if limited { 2 * LIMITED } else { PERIOD * 3 / 2 };
                        let failed = last.is_some_and(|last| !last.ready);
                        let available = availability != Availability::Unavailable;
                        match schedule.next() {
                            Next::Never => panic!("{schedule:?}"),
                            Next::Now(_) => assert!(available, "{schedule:?}"),
                            Next::After(wait) if failed && available => {
                                assert!(wait <= RETRY, "{schedule:?}");
                            }
                            Next::After(wait) => assert!(wait <= limit, "{schedule:?}"),
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn unavailable_or_paused_control_plane_keeps_its_drift_timer() {
    for last in [None, Some(last(100, true, "a")), Some(last(100, false, ""))] {
        let down = Schedule {
            availability: Availability::Unavailable,
            last,
            ..quiet()
        };
        assert_eq!(down.next(), Next::After(down.drift()));
    }
}

#[test]
fn failed_control_plane_is_reconciled_once_it_becomes_available() {
    let back = Schedule {
        availability: Availability::Since(at(130)),
        last: Some(last(100, false, "")),
        ..quiet()
    };
    assert_eq!(back.next(), Next::Now(Cause::Available));
}

#[test]
fn failure_on_an_available_control_plane_is_retried_after_a_delay() {
    let failed = Schedule {
        last: Some(last(159, false, "a")),
        ..quiet()
    };
    assert_eq!(failed.next(), Next::After(RETRY));
}

#[test]
fn new_tenant_cluster_is_reconciled_at_once_and_a_configured_one_within_the_period() {
    let new = Schedule {
        last: None,
        published: false,
        ..quiet()
    };
    assert_eq!(new.next(), Next::Now(Cause::New));
    let restarted = Schedule {
        published: true,
        ..new
    };
    let Next::After(wait) = restarted.next() else {
        panic!("{restarted:?}")
    };
    assert!(wait < restarted.drift());
}

#[test]
fn only_changed_content_and_age_cause_a_reconcile() {
    let changed = Schedule {
        desired: Some("b"),
        ..quiet()
    };
    assert_eq!(changed.next(), Next::Now(Cause::Changed));
    let old = Schedule {
        now: at(100) + PERIOD * 2,
        ..quiet()
    };
    assert_eq!(old.next(), Next::Now(Cause::Overdue));
    let rest = quiet().drift().saturating_sub(Duration::from_mins(1));
    assert_eq!(quiet().next(), Next::After(rest));
    let unknown = Schedule {
        desired: None,
        ..quiet()
    };
    assert_eq!(unknown.next(), Next::After(rest));
}

#[test]
fn clock_set_back_delays_drift_by_at_most_one_period() {
    let back = Schedule {
        now: at(0),
        ..quiet()
    };
    assert_eq!(back.next(), Next::After(back.drift()));
}

#[test]
fn limited_writes_are_reconciled_within_a_minute() {
    let limited = Schedule {
        limited: true,
        ..quiet()
    };
    assert!((LIMITED..2 * LIMITED).contains(&limited.drift()));
    let shorter = Schedule {
        period: Duration::from_secs(1),
        ..limited
    };
    assert!(shorter.drift() < Duration::from_secs(2));
}

#[test]
fn tenant_cluster_of_a_tenant_that_is_being_deleted_is_not_scheduled() {
    let deleting = Schedule {
        availability: Availability::Deleting,
        last: None,
        ..quiet()
    };
    assert_eq!(deleting.next(), Next::Never);
}
