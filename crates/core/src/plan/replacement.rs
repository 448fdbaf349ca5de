//! Requests to replace lost authorities: an annotation of the TenantControlPlane that names each authority with
//! an identifier of its loss, so that one request is never carried out twice.

use std::collections::BTreeMap;

use kamaji_api::labels::REPLACE_AUTHORITY;

use crate::secret_role::SecretRole;

/// Maximum length of the annotation, in bytes.
const LONGEST: usize = 512;
/// Maximum length of an identifier, in bytes: a uid has 36 characters, a checksum 32.
const LONGEST_ID: usize = 64;

/// An authority that every worker, user or pod of a tenant trusts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Trusted {
    /// The CA of the tenant cluster.
    Ca,
    /// The CA of the aggregation layer.
    FrontProxy,
    /// The keys that sign tokens of ServiceAccounts.
    ServiceAccount,
}

impl Trusted {
    /// Name of the authority in the annotation.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Ca => "ca",
            Self::FrontProxy => "front-proxy-ca",
            Self::ServiceAccount => "sa",
        }
    }

    /// Role of the Secret that holds the authority.
    pub(super) fn role(self) -> SecretRole {
        match self {
            Self::Ca => SecretRole::Ca,
            Self::FrontProxy => SecretRole::FrontProxyCa,
            Self::ServiceAccount => SecretRole::ServiceAccount,
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let all = [Self::Ca, Self::FrontProxy, Self::ServiceAccount];
        all.into_iter().find(|trusted| trusted.as_str() == text)
    }
}

/// Requested replacements: each authority with the identifier of its loss.
pub(super) type Replacements = BTreeMap<Trusted, String>;

/// Reason for which the annotation is ignored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ReplacementError {
    /// The annotation is longer than three authorities can need.
    #[error("the annotation {REPLACE_AUTHORITY} has {0} bytes, more than {LONGEST}")]
    TooLong(usize),
    /// An item that is not NAME:ID.
    #[error(
        "the annotation {REPLACE_AUTHORITY} has {0:?}, which is not NAME:ID with ca, front-proxy-ca or sa as NAME and letters, digits and - as ID"
    )]
    Item(String),
    /// One authority is named twice.
    #[error("the annotation {REPLACE_AUTHORITY} names {0} twice")]
    Twice(&'static str),
}

/// Parses the annotation into replacements.
pub(super) fn parse(text: &str) -> Result<Replacements, ReplacementError> {
    if text.len() > LONGEST {
        return Err(ReplacementError::TooLong(text.len()));
    }
    let mut requested = Replacements::new();
    for item in text.split(',') {
        let parts = item.trim().split_once(':');
        let pair = parts.and_then(|(name, id)| Some((Trusted::parse(name)?, id)));
        let Some((trusted, id)) = pair.filter(|(_, id)| is_id(id)) else {
            return Err(ReplacementError::Item(item.trim().to_owned()));
        };
        if requested.insert(trusted, id.to_owned()).is_some() {
            return Err(ReplacementError::Twice(trusted.as_str()));
        }
    }
    Ok(requested)
}

/// Value of the annotation that requests the replacement of `lost`.
pub(super) fn text(lost: &Replacements) -> String {
    let items = lost
        .iter()
        .map(|(trusted, id)| format!("{}:{id}", trusted.as_str()));
    items.collect::<Vec<_>>().join(",")
}

fn is_id(text: &str) -> bool {
    (1..=LONGEST_ID).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

#[cfg(test)]
mod tests;
