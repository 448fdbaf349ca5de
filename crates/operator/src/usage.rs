//! Measurements of the tenants' data in their DataStores, each tenant on a timer of its own.
//!
//! Keys are counted every time, bytes every few times. Metrics have every measurement; a status changes only when a
//! measurement is due by `kamaji_core::data_store::usage`.

use std::{sync::Arc, time::Duration};

use kamaji_api::tenant::StorageStatus;
use kamaji_core::data_store::{
    ResolvedDataStore,
    usage::{self, Measured},
};
use kamaji_datastore::Tenancy;
use kamaji_shell::{
    ObjectKey, clock,
    queue::{Abort, Limits, Outcome},
};

use crate::{
    context::Context,
    databases::{DatabaseError, SIZE_TIME_LIMIT},
    usage_records::Share,
};

/// Tenants that are measured at the same time; at one DataStore only as many as it has [`Turns`](crate::usage_turns).
const AT_ONCE: usize = 32;
/// Earliest and latest delay of a tenant's first measurement; a shorter period bounds them.
const FIRST: (Duration, Duration) = (Duration::from_mins(1), Duration::from_mins(2));
/// Longest delay of a measurement that finds its DataStore busy.
const BUSY: Duration = Duration::from_secs(20);
/// Time limit of one measurement: a count, and a size.
const TIME_LIMIT: Duration = SIZE_TIME_LIMIT.saturating_add(Duration::from_mins(1));
/// Interval at which a long measurement looks whether the operator stops.
const STOP: Duration = Duration::from_millis(500);

/// Starts the measurements of the tenant `key` in the DataStore `store`, unless they run already. The first one comes
/// one to two minutes later: a new tenant has written its objects by then, and hundreds that are created at once are not
/// measured meanwhile.
pub fn follow(context: &Context, key: &ObjectKey, store: &str) {
    let period = context.settings.tenant_usage;
    let (earliest, latest) = (FIRST.0.min(period.mul_f64(0.5)), FIRST.1.min(period));
    start(context, (key, store), clock::jitter(earliest, latest));
}

/// Starts the measurements of a tenant that the former process left as planned, spread over a period: the first finds
/// it not bound by this process, and has it reconciled.
pub fn follow_inherited(context: &Context, key: &ObjectKey, store: &str) {
    let after = clock::jitter(Duration::ZERO, context.settings.tenant_usage);
    start(context, (key, store), after);
}

fn start(context: &Context, (key, store): (&ObjectKey, &str), after: Duration) {
    let share = Share {
        tenant: key.clone(),
        store: store.to_owned(),
    };
    if context.usage.start(&share) {
        context.usage_queue.enqueue_after(share, after);
    }
}

/// Measures tenants until the queue is closed.
pub async fn run(context: &Arc<Context>) {
    let limits = Limits {
        concurrency: AT_ONCE,
        time: TIME_LIMIT,
    };
    let work = |share| measure(context.clone(), share);
    let abort = |share: &Share, what: &Abort| {
        tracing::error!(%share, "the measurement failed: {what}");
    };
    context.usage_queue.clone().run(limits, work, abort).await;
}

/// Measures one share, and schedules its next measurement.
async fn measure(context: Arc<Context>, share: Share) -> Outcome {
    let (key, name) = (&share.tenant, &share.store);
    let Some(tenancy) = context.databases.tenancy(key, name) else {
        // The next reconcile that binds the tenant here starts the measurements again.
        context.usage.end(&share, &context.metrics.probes);
        if context.tenant_cache.forget_completed(key) {
            context.tenant_queue.enqueue(key.clone());
        }
        return Outcome::Done {
            requeue_after: None,
        };
    };
    let Some(_turn) = context.usage_turns.take(name) else {
        return Outcome::Done {
            requeue_after: Some(clock::jitter(BUSY.mul_f64(0.25), BUSY)),
        };
    };
    let storage = context
        .tenants
        .get(key)
        .and_then(|object| object.status.as_ref()?.storage.clone());
    match storage.filter(|found| holds(found, name)) {
        Some(storage) => {
            let stopped = async {
                while !context.usage_queue.is_closed() {
                    tokio::time::sleep(STOP).await;
                }
            };
            tokio::select! {
                () = stopped => {}
                () = take(&context, &share, (&storage, &tenancy)) => {}
            }
        }
        None => context.usage.clear(&share, &context.metrics.probes),
    }
    let period = context.settings.tenant_usage;
    Outcome::Done {
        requeue_after: Some(clock::jitter(period.mul_f64(0.75), period)),
    }
}

/// True if the status says that the DataStore `name` holds data of the tenant.
fn holds(storage: &StorageStatus, name: &str) -> bool {
    let mut overrides = storage.overrides.iter().flatten();
    storage.setup.is_some() && storage.data_store_name.as_deref() == Some(name)
        || overrides.any(|item| item.data_store == name)
}

/// Measures one share and records the result; nothing is asked of a DataStore that did not pass its last check.
async fn take(context: &Context, share: &Share, (storage, tenancy): (&StorageStatus, &Tenancy)) {
    let name = &share.store;
    let (Ok(store), None) = (context.stores.get(name), context.stores.fault(name)) else {
        return;
    };
    match figures(context, share, (&store, tenancy)).await {
        Ok(measured) => record(context, share, (storage, measured)),
        Err(error) => {
            tracing::debug!(%share, %error, "its data cannot be measured");
        }
    }
}

async fn figures(
    context: &Context,
    share: &Share,
    (store, tenancy): (&ResolvedDataStore, &Tenancy),
) -> Result<Measured, DatabaseError> {
    let keys = context.databases.keys(store, tenancy).await?;
    let bytes = if context.usage.is_size_due(share) {
        Some(context.databases.bytes(store, tenancy).await?)
    } else {
        None
    };
    Ok(Measured {
        keys,
        bytes,
        at: clock::now(),
    })
}

/// Records a measurement: in metrics, and if it is due for the plan of the tenant.
fn record(context: &Context, share: &Share, (storage, measured): (&StorageStatus, Measured)) {
    let of_status = storage.data_store_name.as_ref() == Some(&share.store);
    let due = of_status && usage::is_due(storage.usage.as_ref(), &measured);
    let probes = &context.metrics.probes;
    let kept = context.usage.record(share, (measured, due), probes);
    if kept && due {
        context.tenant_queue.enqueue(share.tenant.clone());
    }
}
