use super::{record::DURATION, *};

#[test]
fn a_lease_is_taken_only_if_it_is_free_the_own_or_expired() {
    let seconds = Duration::from_secs;
    for (holder, unchanged, expected) in [
        (None, 3, None),
        (Some(""), 3, None),
        (Some("us"), 3, None),
        (Some("us"), 60, None),
        (Some("them"), 0, Some(seconds(15))),
        (Some("them"), 3, Some(seconds(12))),
        (Some("them"), 14, Some(seconds(1))),
        (Some("them"), 15, None),
        (Some("them"), 60, None),
    ] {
        let left = rest(holder, "us", seconds(unchanged));
        assert_eq!(left, expected, "{holder:?} after {unchanged} s");
    }
}

#[test]
fn a_holder_stops_leading_before_another_may_take_over() {
    assert!(RENEW_DEADLINE + RETRY < DURATION);
}

#[test]
fn renewing_keeps_the_time_of_acquisition_and_taking_over_counts_a_transition() {
    let ours = held_by("us", NAME, None);
    let spec = |lease: &Lease| lease.spec.clone().unwrap();
    assert_eq!(spec(&ours).lease_transitions, Some(0));
    let renewed = held_by("us", NAME, Some(&ours));
    assert_eq!(spec(&renewed).acquire_time, spec(&ours).acquire_time);
    assert_eq!(spec(&renewed).lease_transitions, Some(0));
    let taken = held_by("them", NAME, Some(&renewed));
    assert_eq!(spec(&taken).lease_transitions, Some(1));
    assert_eq!(spec(&taken).holder_identity.as_deref(), Some("them"));
}

#[tokio::test]
async fn a_replica_without_the_lease_does_not_lead() {
    assert!(!Leadership::none().is_leading());
    assert!(Leadership::always().is_leading());
    Leadership::none().lost().await;
    Leadership::always().acquired().await;
}

#[tokio::test(start_paused = true)]
async fn a_leadership_ends_without_a_renewal() {
    let leadership = Leadership::none();
    leadership.set(Held::Until(Moment::now().after(RENEW_DEADLINE)));
    assert!(leadership.is_leading());
    let begin = clock::instant();
    leadership.lost().await;
    assert_eq!(clock::instant().duration_since(begin).as_secs(), 10);
    assert!(!leadership.is_leading());
}

#[tokio::test(start_paused = true)]
async fn a_renewal_extends_the_leadership() {
    let leadership = Leadership::none();
    let begin = clock::instant();
    leadership.set(Held::Until(Moment::now().after(RENEW_DEADLINE)));
    let waiting = tokio::spawn({
        let leadership = leadership.clone();
        async move { leadership.lost().await }
    });
    tokio::time::sleep(Duration::from_secs(9)).await;
    leadership.set(Held::Until(Moment::now().after(RENEW_DEADLINE)));
    waiting.await.unwrap();
    assert_eq!(clock::instant().duration_since(begin).as_secs(), 19);
}

#[tokio::test(start_paused = true)]
async fn every_waiter_resumes_when_leadership_is_acquired() {
    let leadership = Leadership::none();
    let waiting: Vec<_> = (0..3)
        .map(|_| {
            let leadership = leadership.clone();
            tokio::spawn(async move { leadership.acquired().await })
        })
        .collect();
    tokio::time::sleep(Duration::from_secs(1)).await;
    leadership.set(Held::Until(Moment::now().after(RENEW_DEADLINE)));
    for task in waiting {
        task.await.unwrap();
    }
}

#[test]
fn a_leadership_ends_by_the_clock_that_is_ahead() {
    let begin = Moment::now();
    let held = Held::Until(begin.after(RENEW_DEADLINE));
    let second = Duration::from_secs(1);
    let at = |monotonic: Duration, wall: Duration| Moment {
        monotonic: begin.monotonic + monotonic,
        wall: begin.wall + wall,
    };
    assert!(held.at(at(second, second)));
    let late = RENEW_DEADLINE;
    assert!(!held.at(at(second, late)), "it was suspended meanwhile");
    assert!(!held.at(at(late, second)), "the time of day was set back");
}
