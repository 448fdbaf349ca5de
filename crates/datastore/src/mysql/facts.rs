//! State of a server that matters to every session: its version, and whether it takes writes.

use std::time::Duration;

use kamaji_core::endpoint::HostPort;
use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use tokio::time::timeout;

use super::answer::{Failure, NAME_PRIMARY, UPGRADE};
use super::version::Version;

/// The variables that matter; a server that does not know one leaves it out.
const VARIABLES: &str = "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('version', 'read_only', \
     'super_read_only', 'innodb_read_only', 'lower_case_table_names', 'partial_revokes')";

/// State of one server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Facts {
    /// Version of the server.
    pub(super) version: Version,
    /// True if names of databases differ by more than case.
    pub(super) folds_names: bool,
    /// True if the server takes database names in grants literally.
    pub(super) literal_patterns: bool,
    /// The variable that forbids writes, if one does.
    read_only: Option<String>,
}

impl Facts {
    /// Reads the facts, and fails if the server is too old or takes no writes.
    pub(super) async fn read(
        conn: &mut Conn,
        endpoint: &HostPort,
        limit: Duration,
    ) -> Result<Self, Failure> {
        let late = |_| {
            let words = format!("{endpoint} gave no answer within {} s", limit.as_secs());
            Failure::Unreachable(words)
        };
        let answer = timeout(limit, conn.query::<(String, String), _>(VARIABLES)).await;
        let rows = answer.map_err(late)?;
        let rows = rows.map_err(|error| Failure::of(endpoint, &error))?;
        let facts = Self::parse(&rows);
        match facts.flaw() {
            Some((what, remedy)) => Err(Failure::Unsuitable {
                cause: format!("{endpoint} {what}"),
                remedy,
            }),
            None => Ok(facts),
        }
    }

    fn parse(rows: &[(String, String)]) -> Self {
        let value = |name: &str| {
            let found = rows
                .iter()
                .find(|(variable, _)| variable.eq_ignore_ascii_case(name));
            found.map_or("", |(_, value)| value.as_str())
        };
        let off = |value: &str| matches!(value, "" | "OFF" | "0" | "NO");
        let read_only = ["read_only", "super_read_only", "innodb_read_only"]
            .into_iter()
            .find(|name| !off(value(name)));
        Self {
            version: Version::parse(value("version")),
            folds_names: !off(value("lower_case_table_names")),
            literal_patterns: !off(value("partial_revokes")),
            read_only: read_only.map(str::to_owned),
        }
    }

    fn flaw(&self) -> Option<(String, &'static str)> {
        if let Some(least) = self.version.too_old() {
            let words = format!(
                "has the version {}, and {least} is the oldest that will do",
                self.version
            );
            return Some((words, UPGRADE));
        }
        let variable = self.read_only.as_ref()?;
        Some((format!("takes no writes: {variable} is on"), NAME_PRIMARY))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(changes: &[(&str, &str)]) -> Facts {
        let text = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let mut rows: Vec<_> = changes.iter().map(text).collect();
        let usual = [
            ("version", "10.11.2-MariaDB"),
            ("read_only", "OFF"),
            ("lower_case_table_names", "0"),
        ];
        rows.extend(usual.iter().map(text));
        Facts::parse(&rows)
    }

    #[test]
    fn a_server_that_takes_writes_and_is_new_enough_has_no_flaw() {
        let usual = facts(&[]);
        assert_eq!(usual.flaw(), None);
        assert!(!usual.folds_names && !usual.literal_patterns);
        let other = facts(&[("lower_case_table_names", "1"), ("partial_revokes", "ON")]);
        assert!(other.folds_names && other.literal_patterns);
    }

    #[test]
    fn a_read_only_or_old_server_is_named_by_what_makes_it_so() {
        for (changes, words) in [
            (("read_only", "ON"), "read_only is on"),
            (("read_only", "NO_LOCK_NO_ADMIN"), "read_only is on"),
            (("super_read_only", "ON"), "super_read_only is on"),
            (("innodb_read_only", "1"), "innodb_read_only is on"),
            (("version", "5.7.44"), "MySQL 8.0 is the oldest"),
        ] {
            let flaw = facts(&[changes]).flaw().unwrap();
            assert!(flaw.0.contains(words), "{flaw:?}");
        }
    }
}
