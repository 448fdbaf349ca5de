//! Ends of an attempt other than success, and events about a migration.

use std::fmt::Display;

use kamaji_api::{condition::Reason, tenant::TenantControlPlane};
use kamaji_core::error_chain::chain;
use kamaji_shell::events::EventRecord;

use crate::context::Context;

/// Reason for which an attempt ends before the cut.
#[derive(Debug)]
pub(super) enum Stop {
    /// The tenant asks for something else by now, or is gone.
    Superseded,
    /// The process was asked to stop.
    Closing,
    /// A failure: cause and next action.
    Failed(String),
}

/// A failure with its causes.
pub(super) fn failed(error: impl std::error::Error) -> Stop {
    Stop::Failed(chain(&error))
}

/// Publishes an event of type Normal, and logs it.
pub(super) async fn publish(
    context: &Context,
    object: &TenantControlPlane,
    reason: Reason,
    note: impl Display,
) {
    let note = note.to_string();
    tracing::info!(%reason, "{note}");
    record(context, object, (false, reason), note).await;
}

/// Publishes an event of type Warning, and logs it.
pub(super) async fn warn(
    context: &Context,
    object: &TenantControlPlane,
    reason: Reason,
    note: String,
) {
    tracing::warn!(%reason, "{note}");
    record(context, object, (true, reason), note).await;
}

async fn record(
    context: &Context,
    object: &TenantControlPlane,
    (warning, reason): (bool, Reason),
    note: String,
) {
    let event = EventRecord {
        warning,
        reason: reason.as_str().to_owned(),
        note,
    };
    context.events.publish(object, event).await;
}
