//! Applies a tenant's JSON patches to its kubelet configuration, at a cost that does not depend on
//! what they ask for.
//!
//! `copy` doubles a document at each use and `move` deepens it. Limits hold the number of patches, the
//! depth, and the bytes of copies, of given values and of the result. Admission, `kamaji render` and
//! the reconcile of the tenant cluster share this module.

use kamaji_api::tenant::{JsonPatch, JsonPatchOperation};
use serde_json::{Value, json};

use crate::excerpt::excerpt;

/// Patches of one tenant; the definition takes 64, objects that were stored before it may have more.
pub const MOST: usize = 256;
/// Bytes that all copies of one tenant may add up to, as kube-apiserver's own limit of that name, and all values that
/// its patches bring, too: a few bytes of JSON may take hundreds of times their size in memory.
pub const ACCUMULATED_COPY: usize = 1 << 20;
/// Bytes of what comes out, as YAML: an object of Kubernetes holds 1 MiB, and this is one key of it.
pub const LARGEST: usize = 512 << 10;
/// Objects and lists within each other.
pub const DEEPEST: usize = 64;

/// A change to the kubelet configuration that does not apply.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "spec.kubernetes.kubelet.configurationJSONPatches[{index}] ({op} {path}) does not apply to the kubelet configuration: {problem}; correct or remove it"
)]
pub struct PatchError {
    index: usize,
    op: &'static str,
    path: String,
    problem: String,
}

impl PatchError {
    fn new(index: usize, patch: &JsonPatch, problem: String) -> Self {
        Self {
            index,
            op: patch.op.as_str(),
            path: excerpt(&patch.path, 200),
            problem: excerpt(&problem, 400),
        }
    }
}

/// Applies `patches` in order. What comes out is an object within the limits.
pub(super) fn apply(value: &mut Value, patches: &[JsonPatch]) -> Result<(), PatchError> {
    let mut brought = Brought::default();
    for (index, patch) in patches.iter().enumerate() {
        let wrong = |problem| PatchError::new(index, patch, problem);
        if index >= MOST {
            return Err(wrong(format!(
                "it is one of {} patches, of which {MOST} are applied at most",
                patches.len()
            )));
        }
        bounded(value, patch, &mut brought).map_err(wrong)?;
        apply_one(value, patch).map_err(wrong)?;
    }
    let size = Extent::of(value).bytes;
    match patches.last() {
        Some(last) if size > LARGEST => Err(PatchError::new(
            patches.len() - 1,
            last,
            format!("what comes out has {size} bytes, of which there may be {LARGEST}"),
        )),
        _ => Ok(()),
    }
}

/// Bytes of the values that patches have brought so far.
#[derive(Default)]
struct Brought {
    copied: usize,
    given: usize,
}

/// Checks the value that a patch brings to its path against the limits.
fn bounded(value: &Value, patch: &JsonPatch, brought: &mut Brought) -> Result<(), String> {
    use JsonPatchOperation::{Add, Copy, Move, Replace};
    let found = match patch.op {
        Copy | Move => patch.from.as_deref().and_then(|from| value.pointer(from)),
        Add | Replace => patch.value.as_ref(),
        _ => None,
    };
    let Some(found) = found else {
        return Ok(());
    };
    let extent = Extent::of(found);
    let depth = patch.path.matches('/').count() + extent.depth;
    if depth > DEEPEST {
        return Err(format!(
            "it makes objects within objects {depth} deep, of which there may be {DEEPEST}"
        ));
    }
    let (what, sum) = match patch.op {
        Copy => ("copies", &mut brought.copied),
        Add | Replace => ("values", &mut brought.given),
        _ => return Ok(()),
    };
    *sum += extent.bytes;
    if *sum > ACCUMULATED_COPY {
        return Err(format!(
            "the {what} add up to {sum} bytes, of which there may be {ACCUMULATED_COPY}"
        ));
    }
    Ok(())
}

fn apply_one(value: &mut Value, patch: &JsonPatch) -> Result<(), String> {
    let mut operation = json!({"op": patch.op.as_str(), "path": patch.path});
    if let Some(from) = &patch.from {
        operation["from"] = json!(from);
    }
    if !matches!(patch.op.as_str(), "remove" | "move" | "copy") {
        operation["value"] = patch.value.clone().unwrap_or_default();
    }
    let operations: json_patch::Patch =
        serde_json::from_value(json!([operation])).map_err(|e| e.to_string())?;
    // Callers discard the document on an error, so no undo is recorded.
    json_patch::patch_unsafe(value, &operations).map_err(|e| e.to_string())?;
    if value.is_object() {
        Ok(())
    } else {
        Err("what is left is not an object".to_owned())
    }
}

/// Size of a value.
#[derive(Clone, Copy, Default)]
struct Extent {
    /// Bytes of it as YAML, about: a line each, indented.
    bytes: usize,
    /// Objects and lists within each other.
    depth: usize,
}

impl Extent {
    fn of(value: &Value) -> Self {
        Self::at(value, 0)
    }

    /// Not deeper than what is parsed (128) or was let through by [`bounded`] before.
    fn at(value: &Value, level: usize) -> Self {
        let line = 2 * level + 4;
        let inner = |entries: &mut dyn Iterator<Item = (usize, &Value)>| {
            let mut all = Self {
                bytes: line,
                depth: 0,
            };
            for (key, value) in entries {
                let one = Self::at(value, level + 1);
                all.bytes += key + one.bytes;
                all.depth = all.depth.max(one.depth);
            }
            all.depth += 1;
            all
        };
        match value {
            Value::Object(fields) => inner(&mut fields.iter().map(|(key, v)| (key.len(), v))),
            Value::Array(items) => inner(&mut items.iter().map(|v| (0, v))),
            Value::String(text) => Self {
                bytes: line + text.len(),
                depth: 0,
            },
            Value::Null | Value::Bool(_) | Value::Number(_) => Self {
                bytes: line + 8,
                depth: 0,
            },
        }
    }
}

#[cfg(test)]
mod tests;
