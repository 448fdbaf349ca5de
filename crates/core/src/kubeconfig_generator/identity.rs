//! User and groups of a generated kubeconfig: given in the generator, or taken from the TenantControlPlane.
//!
//! Text from a TenantControlPlane is the choice of whoever may write it. It must not name what a tenant cluster
//! trusts from its beginning: everything that begins with `system:` or `kubeadm:`, and the API server's own user.

use std::collections::BTreeSet;

use kamaji_api::{
    kubeconfig::{CompoundValue, KubeconfigGeneratorSpec},
    tenant::TenantControlPlane,
};
use serde_json::Value;

use crate::excerpt::excerpt;

/// Most bytes of a user's or group's name.
pub const LONGEST: usize = 256;
/// Most bytes of all groups of one user: a client certificate travels in every handshake.
pub const LONGEST_GROUPS: usize = 8192;
/// Beginnings of names that a tenant cluster grants rights to by itself.
const RESERVED: [&str; 2] = ["system:", "kubeadm:"];
/// User that may do everything on kubelets of a tenant cluster.
const KUBELET_CLIENT: &str = "kube-apiserver-kubelet-client";
/// Bytes of a text of another origin that a message quotes.
const QUOTED: usize = 64;

/// User and groups of a kubeconfig.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    /// Name of the user.
    pub user: String,
    /// Groups of the user, sorted, each once.
    pub groups: Vec<String>,
}

/// Reason for which user and groups cannot be resolved. The text names field, cause and next action.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// Neither source of the text is set, or both are.
    #[error(
        "spec.{0} of the KubeconfigGenerator needs exactly one of stringValue and fromDefinition"
    )]
    Ambiguous(String),
    /// The path leads to nothing.
    #[error(
        "spec.{field}.fromDefinition: the TenantControlPlane has no {path}; set it there, or correct the path"
    )]
    Unresolved {
        /// Field of the spec.
        field: String,
        /// Path within the TenantControlPlane.
        path: String,
    },
    /// The path leads to a number, a list or an object.
    #[error(
        "spec.{field}.fromDefinition: {path} of the TenantControlPlane is no text; name a field that is"
    )]
    NotText {
        /// Field of the spec.
        field: String,
        /// Path within the TenantControlPlane.
        path: String,
    },
    /// The text cannot be a name in a certificate.
    #[error("spec.{field}: {problem}; use 1 to {LONGEST} bytes without control characters")]
    Malformed {
        /// Field of the spec.
        field: String,
        /// Limit that the text exceeds.
        problem: &'static str,
    },
    /// The tenant's owner chose a name that tenant clusters trust.
    #[error(
        "spec.{field}.fromDefinition: {path} of the TenantControlPlane is {text:?}, which the tenant cluster grants rights to by itself; only stringValue may name it"
    )]
    Reserved {
        /// Field of the spec.
        field: String,
        /// Path within the TenantControlPlane.
        path: String,
        /// Beginning of the text.
        text: String,
    },
    /// All groups together are too long.
    #[error(
        "spec.groups have {0} bytes together, at most {LONGEST_GROUPS} fit into a certificate; name fewer"
    )]
    TooMany(usize),
}

/// Resolves user and groups of `spec` for one tenant.
///
/// # Panics
///
/// Never: a TenantControlPlane has string keys only, as JSON needs.
pub fn resolve(
    spec: &KubeconfigGeneratorSpec,
    tenant: &TenantControlPlane,
) -> Result<Identity, IdentityError> {
    let values = || std::iter::once(&spec.user).chain(&spec.groups);
    let definition = if values().any(|value| value.from_definition.is_some()) {
        serde_json::to_value(tenant).expect("a TenantControlPlane has string keys only")
    } else {
        Value::Null
    };
    let user = text(&spec.user, "user".to_owned(), &definition)?;
    let groups = spec.groups.iter().enumerate();
    let groups = groups.map(|(index, value)| text(value, format!("groups[{index}]"), &definition));
    let groups: BTreeSet<String> = groups.collect::<Result<_, _>>()?;
    let bytes = groups.iter().map(String::len).sum();
    if bytes > LONGEST_GROUPS {
        return Err(IdentityError::TooMany(bytes));
    }
    Ok(Identity {
        user,
        groups: groups.into_iter().collect(),
    })
}

/// Resolves one text and checks it; `field` names it in errors.
fn text(value: &CompoundValue, field: String, definition: &Value) -> Result<String, IdentityError> {
    let text = match (&value.string_value, &value.from_definition) {
        (Some(text), None) => text.clone(),
        (None, Some(path)) => from_definition(path, &field, definition)?,
        _ => return Err(IdentityError::Ambiguous(field)),
    };
    let problem = match text.as_str() {
        "" => "it is empty",
        long if long.len() > LONGEST => "it is too long",
        odd if odd.chars().any(char::is_control) => "it has a control character in it",
        _ => return Ok(text),
    };
    Err(IdentityError::Malformed { field, problem })
}

fn from_definition(path: &str, field: &str, definition: &Value) -> Result<String, IdentityError> {
    let mut steps = path.split('.');
    let found = steps.try_fold(definition, |value, step| value.as_object()?.get(step));
    let (field, path) = (field.to_owned(), excerpt(path, LONGEST));
    match found {
        Some(Value::String(text)) if is_reserved(text) => Err(IdentityError::Reserved {
            field,
            path,
            text: excerpt(text, QUOTED),
        }),
        Some(Value::String(text)) => Ok(text.clone()),
        Some(Value::Null) | None => Err(IdentityError::Unresolved { field, path }),
        Some(_) => Err(IdentityError::NotText { field, path }),
    }
}

/// True for a name that a tenant cluster grants rights to without anybody's doing.
fn is_reserved(text: &str) -> bool {
    text == KUBELET_CLIENT || RESERVED.iter().any(|start| text.starts_with(start))
}

#[cfg(test)]
mod tests;
