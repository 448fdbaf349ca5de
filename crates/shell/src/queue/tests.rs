use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

const ONE: Limits = Limits {
    concurrency: 1,
    time: Duration::from_mins(1),
};

type Seen = Arc<Mutex<Vec<(String, Duration)>>>;

/// Starts a queue whose reconciles end with `outcome`. Returns it with the reconciled keys and their times, and the
/// aborts.
fn started(
    limits: Limits,
    outcome: impl Fn(&str, usize) -> Outcome + Send + Sync + 'static,
) -> (Queue<String>, Seen, Arc<Mutex<Vec<String>>>) {
    let queue = Queue::default();
    let (seen, aborts) = (Seen::default(), Arc::<Mutex<Vec<String>>>::default());
    let (log, reported) = (seen.clone(), aborts.clone());
    let begin = tokio::time::Instant::now();
    let outcome = Arc::new(outcome);
    let work = move |key: String| {
        let (log, outcome) = (log.clone(), outcome.clone());
        async move {
            let number = {
                let mut log = log.lock().unwrap();
                log.push((key.clone(), begin.elapsed()));
                log.iter().filter(|(seen, _)| *seen == key).count()
            };
            if key == "slow" {
                tokio::time::sleep(Duration::from_secs(10)).await;
            }
            outcome(&key, number)
        }
    };
    let abort = move |key: &String, what: &Abort| {
        reported.lock().unwrap().push(format!("{key}: {what}"));
    };
    tokio::spawn(queue.clone().run(limits, work, abort));
    (queue, seen, aborts)
}

fn times(seen: &Seen, key: &str) -> Vec<u64> {
    let seen = seen.lock().unwrap();
    seen.iter()
        .filter(|(name, _)| name == key)
        .map(|(_, at)| at.as_secs())
        .collect()
}

async fn pass(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

const DONE: Outcome = Outcome::Done {
    requeue_after: None,
};

#[tokio::test(start_paused = true)]
async fn a_key_enqueued_many_times_is_reconciled_once() {
    let queue = Queue::default();
    for _ in 0..10 {
        queue.enqueue("a".to_owned());
    }
    assert_eq!(queue.depth(), 1);
    let (queue, seen, _) = started(ONE, |_, _| DONE);
    queue.enqueue("a".to_owned());
    queue.enqueue("a".to_owned());
    pass(1).await;
    assert_eq!(times(&seen, "a"), [0]);
}

#[tokio::test(start_paused = true)]
async fn a_key_enqueued_while_it_runs_is_reconciled_once_more() {
    let limits = Limits {
        concurrency: 4,
        ..ONE
    };
    let (queue, seen, _) = started(limits, |_, _| DONE);
    queue.enqueue("slow".to_owned());
    pass(3).await;
    queue.enqueue("slow".to_owned());
    queue.enqueue("slow".to_owned());
    pass(60).await;
    assert_eq!(times(&seen, "slow"), [0, 10]);
}

#[tokio::test(start_paused = true)]
async fn at_most_as_many_reconciles_as_the_limit_run_at_once() {
    static NOW: AtomicUsize = AtomicUsize::new(0);
    static MOST: AtomicUsize = AtomicUsize::new(0);
    let queue = Queue::default();
    let work = |_: String| async {
        MOST.fetch_max(NOW.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        pass(1).await;
        NOW.fetch_sub(1, Ordering::SeqCst);
        DONE
    };
    let limits = Limits {
        concurrency: 3,
        ..ONE
    };
    tokio::spawn(queue.clone().run(limits, work, |_, _| {}));
    for number in 0..10 {
        queue.enqueue(number.to_string());
    }
    pass(10).await;
    assert_eq!(MOST.load(Ordering::SeqCst), 3);
    assert_eq!(queue.depth(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_earliest_of_several_timers_counts() {
    let (queue, seen, _) = started(ONE, |_, _| DONE);
    queue.enqueue_after("a".to_owned(), Duration::from_secs(50));
    queue.enqueue_after("a".to_owned(), Duration::from_secs(20));
    queue.enqueue_after("a".to_owned(), Duration::from_secs(90));
    pass(200).await;
    assert_eq!(times(&seen, "a"), [20]);
}

#[tokio::test(start_paused = true)]
async fn back_off_grows_with_each_failure_and_ends_with_a_success() {
    let (queue, seen, _) = started(
        ONE,
        |_, number| {
            if number == 5 { DONE } else { Outcome::Retry }
        },
    );
    queue.enqueue("a".to_owned());
    pass(40).await;
    let reconciles = times(&seen, "a");
    assert_eq!(reconciles.len(), 5, "{reconciles:?}");
    assert!((11..=15).contains(&reconciles[4]), "{reconciles:?}");
    queue.enqueue("a".to_owned());
    pass(2).await;
    let again = times(&seen, "a");
    assert_eq!(again.len(), 7, "back-off starts anew: {again:?}");
}

#[test]
fn back_off_is_at_most_five_minutes_and_never_zero() {
    for failures in [0, 1, 5, 9, 40, u32::MAX] {
        let after = backoff(failures, LONGEST);
        assert!(after <= LONGEST, "{after:?}");
        assert!(after >= Duration::from_millis(750), "{after:?}");
    }
}

#[test]
fn back_off_stays_within_the_limit_of_the_queue_after_many_failures() {
    let limit = Duration::from_secs(30);
    let queue: Queue<String> = Queue::default().retried_within(limit);
    let now = clock::instant();
    let mut state = queue.state();
    for _ in 0..20 {
        state.finish("a".to_owned(), Outcome::Retry, now);
        let (due, _) = state.due["a"];
        assert!(due.duration_since(now) <= limit);
        state.cancel(&"a".to_owned());
    }
    let (_, failures) = state.failures.iter().next().unwrap();
    assert_eq!(*failures, 20);
    state.finish("a".to_owned(), Outcome::Requeue(limit * 9), now);
    assert_eq!(state.failures["a"], 20, "a requeue forgets no failure");
}

#[tokio::test(start_paused = true)]
async fn a_key_enqueued_during_a_failing_reconcile_is_retried_soon() {
    let (queue, seen, _) = started(ONE, |_, _| Outcome::Retry);
    queue.enqueue("slow".to_owned());
    // By now the back-off is minutes long.
    pass(600).await;
    let before = times(&seen, "slow").len();
    queue.enqueue("slow".to_owned());
    pass(5).await;
    queue.enqueue("slow".to_owned());
    pass(7).await;
    assert_eq!(times(&seen, "slow").len(), before + 2);
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_reported_and_counts_as_a_failure_of_its_key() {
    let (queue, seen, aborts) = started(ONE, |key, _| {
        assert!(key != "bad", "no such luck");
        DONE
    });
    queue.enqueue("bad".to_owned());
    queue.enqueue("good".to_owned());
    pass(1).await;
    assert_eq!(times(&seen, "good"), [0]);
    assert_eq!(aborts.lock().unwrap()[0], "bad: no such luck");
    pass(20).await;
    assert!(times(&seen, "bad").len() >= 4, "it is retried");
}

#[tokio::test(start_paused = true)]
async fn a_reconcile_beyond_its_time_limit_is_stopped_reported_and_retried() {
    let limits = Limits {
        concurrency: 1,
        time: Duration::from_secs(4),
    };
    let (queue, seen, aborts) = started(limits, |_, _| DONE);
    queue.enqueue("slow".to_owned());
    queue.enqueue("good".to_owned());
    pass(6).await;
    assert_eq!(times(&seen, "good"), [4]);
    assert_eq!(
        aborts.lock().unwrap()[0],
        "slow: it took longer than 4s and was stopped"
    );
    assert_eq!(times(&seen, "slow").len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_failing_key_does_not_delay_other_keys() {
    let (queue, seen, _) = started(
        ONE,
        |key, _| {
            if key == "bad" { Outcome::Retry } else { DONE }
        },
    );
    for _ in 0..100 {
        queue.enqueue("bad".to_owned());
        queue.enqueue("good".to_owned());
        pass(1).await;
    }
    assert_eq!(times(&seen, "good").len(), 100);
}

#[tokio::test(start_paused = true)]
async fn a_closed_queue_completes_running_reconciles_and_starts_no_more() {
    let queue = Queue::default();
    let ended = Arc::new(AtomicUsize::new(0));
    let count = ended.clone();
    let work = move |_: String| {
        let count = count.clone();
        async move {
            pass(5).await;
            count.fetch_add(1, Ordering::SeqCst);
            Outcome::Done {
                requeue_after: Some(Duration::from_secs(1)),
            }
        }
    };
    let run = tokio::spawn(queue.clone().run(ONE, work, |_, _| {}));
    queue.enqueue("a".to_owned());
    queue.enqueue("b".to_owned());
    pass(1).await;
    queue.close();
    tokio::time::timeout(Duration::from_secs(10), run)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(ended.load(Ordering::SeqCst), 1);
}
