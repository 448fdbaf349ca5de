//! Migrations of tenants' data to other DataStores, each tenant in a queue of its own.
//!
//! Decisions are made in `kamaji_core::migration`; this module carries them out. Every transition is one status patch
//! of the version that was read ([`update`]), before what follows from it. A patch of a stopped process therefore fails
//! once another has taken over, and a fence is lifted only after the status was read anew ([`confirm`]).

mod apart;
mod attempt;
mod leftover;
mod outcome;
mod records;
mod source;
mod undo;
mod update;

use std::{sync::Arc, time::Duration};

use kamaji_api::tenant::TenantControlPlane;
use kamaji_core::migration::{self, Decision, View};
use kamaji_shell::{
    ObjectKey, clock,
    queue::{Abort, Limits, Outcome},
};

use crate::{context::Context, observe, usage_turns::Turn};

use outcome::Stop;
use records::is_tended;
pub use source::confirm;

/// Migrations at the same time; at one DataStore only as many as it has [`Turns`](crate::usage_turns).
const AT_ONCE: usize = 8;
/// Time limit of one attempt; the deadline of a migration comes before it.
const TIME_LIMIT: Duration = Duration::from_hours(24 * 31);
/// Pause of a migration that finds one of its DataStores busy.
const BUSY: Duration = Duration::from_secs(5);

/// Pause before a fence is lifted whose tenant is being reconciled, or could not be.
const LIFT: Duration = Duration::from_secs(2);

/// Enqueues a tenant that may not write, whatever becomes of its reconcile. Called before each.
pub fn schedule_lift(context: &Context, key: &ObjectKey, object: &TenantControlPlane) {
    if migration::is_fenced(object) {
        context.migration_queue.enqueue_after(key.clone(), LIFT);
    }
}

/// Enqueues a tenant whose data may have to move. Called after each complete reconcile of a tenant.
pub fn schedule(context: &Context, key: &ObjectKey, object: &TenantControlPlane) {
    if migration::concerns(object) {
        context.migration_queue.enqueue(key.clone());
    }
}

/// Migrates tenants until the queue is closed.
pub async fn run(context: &Arc<Context>) {
    let limits = Limits {
        concurrency: AT_ONCE,
        time: TIME_LIMIT,
    };
    let work = |key| reconcile(context.clone(), key);
    let abort = |key: &ObjectKey, what: &Abort| {
        tracing::error!(tenant = %key, "the migration failed: {what}");
        context.tenant_queue.enqueue(key.clone());
    };
    context
        .migration_queue
        .clone()
        .run(limits, work, abort)
        .await;
}

/// Carries out the next decision about one tenant.
async fn reconcile(context: Arc<Context>, key: ObjectKey) -> Outcome {
    let done = Outcome::Done {
        requeue_after: None,
    };
    let Some(object) = context.tenants.get(&key) else {
        return done;
    };
    if context.tenants.unreadable(&key).is_some() || !is_tended(&object) {
        return done;
    }
    let _running = context.migrating.start(&key);
    let ended = match decide(&context, &object) {
        Decision::Wait(at) => return Outcome::Requeue(clock::until(at)),
        Decision::Begin(record) => {
            let Some(_turns) = turns(&context, [&record.source, &record.target]) else {
                return Outcome::Requeue(clock::jitter(BUSY.mul_f64(0.25), BUSY));
            };
            Box::pin(attempt::run(&context, &key, &object, *record)).await
        }
        Decision::RollBack(record) => {
            let ended = Box::pin(undo::roll_back(&context, &key, &object, &record)).await;
            if let Err(Stop::Failed(why)) = &ended {
                undo::report(&context, &object, (&record.target, why)).await;
            }
            ended
        }
        Decision::Release(former) => {
            Box::pin(undo::release(&context, &key, &object, &former)).await
        }
        Decision::Lift(record) => {
            Box::pin(undo::lift_fence(&context, &key, &object, &record)).await
        }
        Decision::Discard => Box::pin(undo::discard(&context, &key, &object)).await,
        // The tenant's plan reports these, and its next reconcile enqueues the tenant here.
        Decision::Idle | Decision::Refused(_) | Decision::Blocked(_) | Decision::GivenUp => {
            return done;
        }
    };
    context.tenant_queue.enqueue(key.clone());
    match ended {
        Ok(()) | Err(Stop::Superseded) => done,
        Err(Stop::Closing) => Outcome::Retry,
        Err(Stop::Failed(why)) => {
            tracing::warn!(tenant = %key, "the migration did not go on: {why}");
            Outcome::Retry
        }
    }
}

/// Turns at both DataStores; `None` if one is as busy as it may be.
fn turns(context: &Context, names: [&String; 2]) -> Option<[Turn; 2]> {
    let [source, target] = names;
    let source = context.migration_turns.take(source)?;
    Some([source, context.migration_turns.take(target)?])
}

fn decide(context: &Context, object: &TenantControlPlane) -> Decision {
    migration::decide(&View {
        object,
        source: &observe::store(context, object),
        overrides: &observe::override_stores(context, object),
        further: &observe::further_stores(context, object),
        now: clock::now(),
    })
}
