//! Stages of a plan: groups of steps in the order in which they are carried out.

use super::types::Content;
use crate::object::{Kind, Object, ObjectRef};

/// Writes to one tenant at the same time.
const WRITES: usize = 4;

/// Steps that do not depend on each other. A stage begins once the one before has succeeded.
#[derive(Clone, Debug, PartialEq)]
pub struct Stage {
    /// Steps, begun in this order; never empty.
    pub steps: Vec<Step>,
    /// Steps that are carried out at the same time, at least 1.
    pub concurrency: usize,
}

/// Step of a plan. What it takes beside the first read or write is decided by [`super::write`].
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Creates an object of a tenant cluster that was never configured, without a read before. Only if it
    /// exists already, it is read and treated as by [`Step::Ensure`].
    Create(Object),
    /// Reads an object, and writes it unless it is as planned.
    Ensure(Object),
    /// Deletes an object, if [`super::write::removal`] says so of the live one.
    Remove(ObjectRef),
}

impl Step {
    /// The object that this step writes; `None` if it deletes one.
    pub fn object(&self) -> Option<&Object> {
        match self {
            Self::Create(object) | Self::Ensure(object) => Some(object),
            Self::Remove(_) => None,
        }
    }
}

/// The stages that make `content` so. In order:
///
/// 1. Webhooks that no longer limit writes, and those of upstream's migrations, are removed: while they exist, they
///    refuse the operator's own writes.
/// 2. All other objects are written, as far as they differ.
/// 3. Webhooks that limit writes come last of what is written, since they refuse the operator's own writes.
/// 4. Other objects that are no longer wanted are removed.
///
/// In a tenant cluster that was never configured, objects are created without a read before.
pub(super) fn of(content: Content, was_configured: bool) -> Vec<Stage> {
    let put = |objects: Vec<Object>| {
        let step = if was_configured {
            Step::Ensure
        } else {
            Step::Create
        };
        objects.into_iter().map(step).collect()
    };
    let remove = |prunes: Vec<ObjectRef>| prunes.into_iter().map(Step::Remove).collect();
    let (limits, others) = content
        .objects
        .into_iter()
        .partition(|object| is_limit(object.key.kind));
    let (former_limits, former_others) = content
        .prunes
        .into_iter()
        .partition(|prune| is_limit(prune.kind));
    let stage = |steps: Vec<Step>, concurrency| Stage { steps, concurrency };
    let mut stages = vec![
        stage(remove(former_limits), 1),
        stage(put(others), WRITES),
        stage(put(limits), WRITES),
        stage(remove(former_others), 1),
    ];
    stages.retain(|stage| !stage.steps.is_empty());
    stages
}

/// True for the kind of the webhooks that limit writes.
fn is_limit(kind: Kind) -> bool {
    kind == Kind::ValidatingWebhookConfiguration
}

#[cfg(test)]
mod tests;
