//! Part of a tenant's data: the keys of single resources, by their prefixes below the root.

use std::collections::BTreeSet;
use std::fmt;

use thiserror::Error;

/// Most prefixes of one part.
const PREFIXES: usize = 64;
/// Most bytes of a prefix.
const LENGTH: usize = 256;

/// Prefix of keys below the root of a tenant's API server, for example `events/`: one or more names, a slash behind
/// each. The slash at the end keeps neighbours out: `events/` is no prefix of `events.k8s.io/`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyPrefix(String);

/// A text that is no prefix of a resource's keys, or prefixes that are no part of a tenant's data.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PartError {
    /// A prefix has another form.
    #[error(
        "{0:?} is no prefix of a resource's keys: names of a-z, 0-9, '.' and '-' with a slash behind each, {LENGTH} \
         characters at most"
    )]
    Prefix(String),
    /// A part has no prefix, or too many.
    #[error("a part of a tenant's data has 1 to {PREFIXES} prefixes, not {0}")]
    Number(usize),
    /// Prefixes of which the second covers the first.
    #[error("the keys under {0} are among those under {1}")]
    Nested(KeyPrefix, KeyPrefix),
}

impl KeyPrefix {
    /// The prefix in `text`; an error unless it has names with a slash behind each, none of which leads out of the root.
    pub fn parse(text: &str) -> Result<Self, PartError> {
        let is_name = |name: &str| {
            let sound = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b".-".contains(&b);
            name.bytes().all(sound) && name.bytes().any(|b| b != b'.')
        };
        let names = text.strip_suffix('/').filter(|_| text.len() <= LENGTH);
        match names {
            Some(names) if names.split('/').all(is_name) => Ok(Self(text.to_owned())),
            _ => Err(PartError::Prefix(text.chars().take(LENGTH).collect())),
        }
    }

    /// The prefix as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Keys under some prefixes, of which none covers another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part(BTreeSet<KeyPrefix>);

impl Part {
    /// Parses the prefixes of a part.
    pub fn parse<'a>(prefixes: impl IntoIterator<Item = &'a str>) -> Result<Self, PartError> {
        let parsed = prefixes.into_iter().map(KeyPrefix::parse);
        Self::of(parsed.collect::<Result<_, _>>()?)
    }

    fn of(prefixes: BTreeSet<KeyPrefix>) -> Result<Self, PartError> {
        if prefixes.is_empty() || prefixes.len() > PREFIXES {
            return Err(PartError::Number(prefixes.len()));
        }
        // In the order of texts, whatever a prefix covers follows it at once.
        for (one, next) in prefixes.iter().zip(prefixes.iter().skip(1)) {
            if next.0.starts_with(&one.0) {
                return Err(PartError::Nested(next.clone(), one.clone()));
            }
        }
        Ok(Self(prefixes))
    }

    /// The prefixes, in their order.
    pub fn prefixes(&self) -> impl Iterator<Item = &KeyPrefix> {
        self.0.iter()
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts: Vec<&str> = self.0.iter().map(KeyPrefix::as_str).collect();
        f.write_str(&texts.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_that_leaves_the_root_or_covers_neighbours_is_refused() {
        for sound in ["events/", "services/specs/", "example.com/widgets/", "a-b/"] {
            assert!(KeyPrefix::parse(sound).is_ok(), "{sound}");
        }
        let long = format!("{}/", "x".repeat(LENGTH));
        for text in [
            "", "/", "events", "/events/", "events//", "../b/", "a/../b/", "./", "a/./", "Events/",
            "a b/", "a\0/", "a\n/", "a'/", "a\"/", "a`/", "ä/", "a%/", "a_/", &long,
        ] {
            assert!(KeyPrefix::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_part_has_some_prefixes_that_do_not_cover_one_another() {
        assert_eq!(Part::parse([]), Err(PartError::Number(0)));
        let many: Vec<String> = (0..=PREFIXES).map(|n| format!("r{n}/")).collect();
        let parsed = Part::parse(many.iter().map(String::as_str));
        assert_eq!(parsed, Err(PartError::Number(PREFIXES + 1)));
        let nested = Part::parse(["services/specs/", "pods/", "services/"]);
        assert!(matches!(nested, Err(PartError::Nested(..))), "{nested:?}");
        let beside = Part::parse(["events/", "events.k8s.io/", "events-x/", "events/"]).unwrap();
        assert_eq!(beside.to_string(), "events-x/, events.k8s.io/, events/");
    }
}
