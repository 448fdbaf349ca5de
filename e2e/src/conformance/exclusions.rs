//! Conformance specs that cannot run on the testbed, each with its reason.

use std::fs;

use anyhow::{Context, Result};

use crate::layout::crate_dir;

/// Spec that is left out, with the reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Exclusion {
    /// Part of the spec's name, which no other spec has.
    pub(super) name: String,
    /// Lack of the testbed, as the page states it.
    pub(super) reason: String,
}

impl Exclusion {
    /// Regular expression that matches the part of the name and nothing else.
    pub(super) fn pattern(&self) -> String {
        let mut pattern = String::new();
        for letter in self.name.chars() {
            if !letter.is_alphanumeric() && letter != ' ' {
                pattern.push('\\');
            }
            pattern.push(letter);
        }
        pattern
    }
}

/// Specs of `conformance/excluded.tsv`, in its order; a line without a reason is an error.
pub(super) fn read() -> Result<Vec<Exclusion>> {
    let path = crate_dir().join("conformance/excluded.tsv");
    let text = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
    parse(&text).with_context(|| format!("parse {}", path.display()))
}

fn parse(text: &str) -> Result<Vec<Exclusion>> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let parsed = lines.filter(|line| !line.is_empty()).map(|line| {
        let (name, reason) = line
            .split_once('\t')
            .with_context(|| format!("{line:?} has no tab between a spec and its reason"))?;
        Ok(Exclusion {
            name: name.to_owned(),
            reason: reason.to_owned(),
        })
    });
    parsed.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_matches_itself_and_no_pattern_of_it() {
        let exclusion = Exclusion {
            name: "a (b) [c]".into(),
            reason: "none".into(),
        };
        assert_eq!(exclusion.pattern(), r"a \(b\) \[c\]");
    }

    #[test]
    fn excluded_specs_have_a_reason() {
        let text = "# comment\n\na spec\ta reason\n";
        assert_eq!(parse(text).unwrap()[0].reason, "a reason");
        assert!(parse("a spec without one\n").is_err());
        assert!(read().unwrap().iter().all(|one| !one.reason.is_empty()));
    }
}
