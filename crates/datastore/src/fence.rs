//! Identity of a fence: the attempt at a migration that took a tenant's right to write.
//!
//! A fence is noted beside the owner record of the schema, where no tenant can write, before the right is taken. As long
//! as it is noted, nothing but the same attempt gives the right back, so that a process which knows nothing of the
//! migration, or no longer takes part in it, cannot let the tenant write what would be lost.

use std::fmt;
use std::time::Duration;

use thiserror::Error;

use crate::error::{self, Site};
use crate::tenancy::{Access, Tenancy};

/// Most bytes of an identity.
const LENGTH: usize = 128;

/// Time from the refusal of a creation until kine has searched for its key, which it does at once: such a search fails for
/// as long after a fence, or kine would report the creation as done.
pub(crate) const REFUSED: Duration = Duration::from_secs(2);

/// Identity of one attempt at a migration, at most 128 printable ASCII characters without blanks. Two attempts, or two
/// processes that may both be at work, never have the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FenceId(String);

/// A text that cannot identify a fence.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the identity of a fence has 1 to {LENGTH} printable ASCII characters without blanks")]
pub struct FenceIdError;

impl FenceId {
    /// Parses the identity of an attempt.
    pub fn parse(text: &str) -> Result<Self, FenceIdError> {
        let sound =
            (1..=LENGTH).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        sound.then(|| Self(text.to_owned())).ok_or(FenceIdError)
    }

    /// The identity as it is noted.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Fails unless the fence that is `noted` is `own`, or there is none and `own` is none.
    pub(crate) fn require(
        own: Option<&Self>,
        noted: Option<&[u8]>,
        site: impl FnOnce() -> Site,
    ) -> Result<(), error::Error> {
        if noted == own.map(|own| own.0.as_bytes()) {
            return Ok(());
        }
        // A note that is gone was deleted by a call of the same attempt in between.
        let noted = noted.unwrap_or(b"of another call");
        Err(error::Error::Fenced {
            site: site(),
            by: noted[..noted.len().min(LENGTH)].escape_ascii().to_string(),
        })
    }
}

/// Fails unless the tenancy demands read-only access, which the next pass maintains. `site` makes the site of what is done.
pub(crate) fn require_read_only(
    tenancy: &Tenancy,
    site: impl FnOnce(String) -> Site,
) -> Result<(), error::Error> {
    if tenancy.access == Access::ReadOnly {
        return Ok(());
    }
    Err(error::Error::Refused {
        site: site(format!("taking the right to write schema {}", tenancy.schema)),
        reason: "the tenant is to keep its right to write, so that the next pass would give it back; demand read-only \
                 access"
            .to_owned(),
    })
}

impl fmt::Display for FenceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_are_short_and_printable() {
        for text in ["a", "uid-7", &"x".repeat(LENGTH)] {
            assert_eq!(FenceId::parse(text).map(|id| id.0), Ok(text.to_owned()));
        }
        for text in ["", "a b", "a\n", "ä", &"x".repeat(LENGTH + 1)] {
            assert_eq!(FenceId::parse(text), Err(FenceIdError), "{text}");
        }
    }

    #[test]
    fn a_fence_is_passed_by_its_own_identity_alone() {
        let site = || Site {
            store: String::new(),
            doing: String::new(),
        };
        let own = FenceId::parse("one").unwrap();
        for (own, noted, passes) in [
            (None, None, true),
            (Some(&own), None, false),
            (Some(&own), Some(&b"one"[..]), true),
            (Some(&own), Some(b"two"), false),
            (None, Some(b"one"), false),
        ] {
            assert_eq!(FenceId::require(own, noted, site).is_ok(), passes);
        }
        let long = FenceId::require(None, Some(&[b'x'; 1000]), site).unwrap_err();
        assert!(long.to_string().len() < 600, "{long}");
    }
}
