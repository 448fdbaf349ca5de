//! Decides what a step does to one object, once the live object in the tenant cluster was read.

use kamaji_api::labels;
use serde_json::Value;

use super::{freeze, recreate::must_be_recreated};
use crate::{
    adoption::MANAGER,
    managed_fields::written_by_update,
    object::{CONTENT_HASH, Intent, Object, ObjectRef, Version, holds},
};

/// A live object of a tenant cluster.
#[derive(Clone, Copy, Debug)]
pub struct Observed<'a> {
    /// The whole object as JSON, with its managed fields.
    pub body: &'a Value,
    /// Uid and resource version.
    pub version: &'a Version,
}

/// The change that makes one object as planned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// No change: the object is as planned.
    None,
    /// Write with this precondition.
    Write(Intent),
    /// The deletion of this version, and then a create: the objects differ in a field that never changes.
    Recreate(Version),
}

/// The change that makes `planned` so; `live` is `None` if there is no such object. Only an object with the
/// operator's project label is created again.
pub fn change(planned: &Object, live: Option<Observed>) -> Change {
    let Some(live) = live else {
        return Change::Write(Intent::Create);
    };
    if is_ours(live.body) && must_be_recreated(planned, live.body) {
        return Change::Recreate(live.version.clone());
    }
    let stamped = live.body["metadata"]["annotations"][CONTENT_HASH] == planned.hash.as_str();
    if stamped && holds(&planned.body, live.body) {
        return Change::None;
    }
    Change::Write(if written_by_update(live.body, MANAGER) {
        Intent::Adopt(live.version.clone())
    } else {
        Intent::Update(live.version.clone())
    })
}

/// The version to delete of `object`, which is no longer wanted; `None` if it is gone or somebody else's. It is the
/// operator's by the project label. What upstream's migrations leave has no label, and is told by its content.
pub fn removal(object: &ObjectRef, live: Option<Observed>) -> Option<Version> {
    let removable = if *object == freeze::name() {
        freeze::is_upstreams
    } else {
        is_ours
    };
    live.filter(|live| removable(live.body))
        .map(|live| live.version.clone())
}

/// True if the object carries the operator's project label.
fn is_ours(body: &Value) -> bool {
    body["metadata"]["labels"][labels::PROJECT] == *"kamaji"
}

#[cfg(test)]
mod tests;
