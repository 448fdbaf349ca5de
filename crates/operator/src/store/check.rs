//! Probes of DataStores, each on a timer of its own.

use std::{sync::Arc, time::Duration};

use kamaji_core::data_store::{
    ResolvedDataStore,
    probe::{Probe, published},
    status::Health,
};
use kamaji_datastore::{self as datastore, AccessControl};
use kamaji_shell::{
    clock,
    queue::{Abort, Limits, Outcome},
};

use super::{enqueue_users, forget};
use crate::context::Context;

/// DataStores that are probed at the same time.
const AT_ONCE: usize = 32;
/// Time limit of one probe: two checks and the request for the version, of 20 s each.
const TIME_LIMIT: Duration = Duration::from_mins(2);
/// Delay before a failed check of a healthy DataStore is repeated; only the second failure counts.
const RECHECK_DELAY: Duration = Duration::from_secs(2);
/// Delay after the first failed check; it doubles with every further one, up to the period of checks.
const FIRST_RETRY: Duration = Duration::from_secs(5);

/// Probes DataStores until the queue is closed.
pub async fn run(context: &Arc<Context>) {
    let limits = Limits {
        concurrency: AT_ONCE,
        time: TIME_LIMIT,
    };
    let work = |name| check(context.clone(), name);
    let abort = |name: &String, what: &Abort| {
        tracing::error!(store = %name, "the check failed: {what}");
    };
    context.check_queue.clone().run(limits, work, abort).await;
}

/// Checks that the DataStore `name` answers and enforces access control, and schedules the next check.
async fn check(context: Arc<Context>, name: String) -> Outcome {
    let Ok(store) = context.stores.get(&name) else {
        // It is probed again once its references resolve.
        context.metrics.probes.probed(&name, false, None);
        return done(&context, &name, None).await;
    };
    let mut health = probe(&context, &store).await;
    // A single lost answer does not change the health.
    if matches!(health, Health::Failed(_)) && context.stores.health(&name) == Health::Sound {
        tokio::time::sleep(RECHECK_DELAY).await;
        health = probe(&context, &store).await;
    }
    let healthy = matches!(health, Health::Sound | Health::Open { .. });
    let answer = if healthy {
        describe(&context, &store).await
    } else {
        None
    };
    let latency = answer.as_ref().map(|answer| answer.latency);
    context.metrics.probes.probed(&name, healthy, latency);
    let news = answer.is_some_and(|answer| is_news(&context, &store, answer));
    let changed = context.stores.checked(&name, health);
    if changed || news {
        context.store_queue.enqueue(name.clone());
    }
    if changed {
        enqueue_users(&context, &name);
    }
    let failures = context.stores.count_failures(&name, !healthy);
    let next = pause(failures, context.settings.data_store_check);
    done(&context, &name, Some(next)).await
}

/// Outcome of a check that is repeated after `next`. Of a DataStore that was deleted meanwhile nothing is kept.
async fn done(context: &Context, name: &str, next: Option<Duration>) -> Outcome {
    let known = &context.data_stores;
    let key = name.to_owned();
    let exists = known.get(&key).is_some() || known.unreadable(&key).is_some();
    if !exists {
        forget(context, name).await;
    }
    let next = next.filter(|_| exists);
    Outcome::Done {
        requeue_after: next.map(|next| clock::jitter(next.mul_f64(0.75), next)),
    }
}

/// Time until the next check after `failures` in a row.
fn pause(failures: u32, period: Duration) -> Duration {
    let Some(doubled) = failures.checked_sub(1) else {
        return period;
    };
    let factor = 2_u32.saturating_pow(doubled);
    FIRST_RETRY.saturating_mul(factor).min(period)
}

/// Records an answer. True if the status of the DataStore has to change for it.
fn is_news(context: &Context, store: &ResolvedDataStore, answer: Probe) -> bool {
    let object = context.data_stores.get(&store.name);
    let status = object.as_ref().and_then(|object| object.status.as_ref());
    let old = status.and_then(|status| status.probe.as_ref());
    let news = old != Some(&published(old, &answer));
    context.stores.probed(&store.name, answer);
    news
}

/// Asks a server that passed its check for its version, and measures the time of the answer.
async fn describe(context: &Context, store: &ResolvedDataStore) -> Option<Probe> {
    let since = clock::instant();
    match context.databases.version(store).await {
        Ok(version) => Some(Probe {
            version,
            latency: clock::instant().duration_since(since),
            at: clock::now(),
        }),
        Err(error) => {
            tracing::debug!(store = %store.name, %error, "the version cannot be read");
            None
        }
    }
}

async fn probe(context: &Context, store: &ResolvedDataStore) -> Health {
    match context.databases.check(store).await {
        Ok(AccessControl::On) => Health::Sound,
        Ok(AccessControl::Off { exposure, remedy }) => Health::Open { exposure, remedy },
        Err(error) => match error.driver() {
            Some(off @ datastore::Error::AccessControlOff { .. }) => {
                Health::AccessControlOff(off.to_string())
            }
            Some(other) => Health::Failed(other.to_string()),
            None => Health::Failed(error.to_string()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failed_checks_are_repeated_with_growing_pauses_up_to_the_period() {
        let minute = Duration::from_mins(1);
        let pauses: Vec<u64> = (0..7).map(|n| pause(n, minute).as_secs()).collect();
        assert_eq!(pauses, [60, 5, 10, 20, 40, 60, 60]);
        assert_eq!(pause(u32::MAX, minute), minute);
        assert_eq!(pause(1, Duration::from_secs(4)), Duration::from_secs(4));
    }
}
