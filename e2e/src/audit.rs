//! Requests that an API server has served, read from its audit log.
//!
//! The log has one line per finished request: every write, and every read of a
//! ServiceAccount of the operator's namespace.

use std::fs;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde::Deserialize;

/// Namespace in which the operator runs.
pub const OPERATOR_NAMESPACE: &str = "kamaji-system";

/// Bytes in which [`Audit::mark`] reads the log from its end.
const MARK_PART: usize = 64 << 10;

/// Audit policy of the testbed's API servers, as YAML.
pub fn policy() -> String {
    format!(
        "apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived, ResponseStarted]
rules:
- {{level: None, resources: [{{group: coordination.k8s.io}}, {{group: '', resources: [events]}}, {{group: events.k8s.io}}], userGroups: ['system:nodes', 'system:masters']}}
- {{level: Metadata, verbs: [create, update, patch, delete, deletecollection]}}
- {{level: Metadata, userGroups: ['system:serviceaccounts:{OPERATOR_NAMESPACE}']}}
- {{level: None}}
"
    )
}

/// Audit log of one API server.
#[derive(Debug, Clone)]
pub struct Audit {
    path: PathBuf,
}

/// One request that has ended.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// Verb of the request: `get`, `list`, `patch` and so on.
    pub verb: String,
    /// Path and query of the request.
    #[serde(rename = "requestURI")]
    pub uri: String,
    /// Time at which the request ended.
    #[serde(rename = "stageTimestamp")]
    pub at: k8s_openapi::jiff::Timestamp,
    /// User that sent the request.
    pub user: User,
    /// Object of the request; absent for requests that are not about an object.
    #[serde(default)]
    pub object_ref: Object,
    /// Status of the response.
    #[serde(default)]
    pub response_status: Response,
}

/// User that sent a request.
#[derive(Debug, Clone, Deserialize)]
pub struct User {
    /// Name of the user, for example `system:serviceaccount:NAMESPACE:NAME`.
    pub username: String,
}

/// Object that a request was about.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Object {
    /// API group of the object, empty for the core group.
    #[serde(rename = "apiGroup")]
    pub api_group: String,
    /// Resource as in the path: `deployments`.
    pub resource: String,
    /// Namespace of the object, empty for cluster-wide ones.
    pub namespace: String,
    /// Name of the object, empty for a list.
    pub name: String,
    /// `status` and the like, empty for the object itself.
    pub subresource: String,
}

/// Status of the response to a request.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Response {
    /// HTTP status code of the response.
    #[serde(default)]
    pub code: u16,
}

impl Entry {
    /// True if the verb of the request changes something.
    pub fn is_write(&self) -> bool {
        !matches!(self.verb.as_str(), "get" | "list" | "watch")
    }

    /// True if a ServiceAccount of the operator's namespace sent the request.
    pub fn is_of_the_operator(&self) -> bool {
        self.user
            .username
            .starts_with(&format!("system:serviceaccount:{OPERATOR_NAMESPACE}:"))
    }

    /// True if the request was about a Lease, which is renewed at rest, too.
    pub fn is_of_a_lease(&self) -> bool {
        self.object_ref.resource == "leases"
    }
}

impl Audit {
    /// Audit log in the file `path`.
    pub fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// End of the last whole line at this moment; [`Audit::since`] reads from there.
    pub fn mark(&self) -> Result<u64> {
        let mut file = self.open()?;
        let mut end = file.metadata()?.len();
        // The API server may be in the middle of a line.
        let mut part = vec![0; MARK_PART];
        while end > 0 {
            let start = end.saturating_sub(MARK_PART as u64);
            let part = &mut part[..usize::try_from(end - start)?];
            file.seek(SeekFrom::Start(start))?;
            file.read_exact(part)?;
            if let Some(newline) = part.iter().rposition(|byte| *byte == b'\n') {
                return Ok(start + newline as u64 + 1);
            }
            end = start;
        }
        Ok(0)
    }

    /// The requests after a mark; a line that is still being written is left for later.
    pub fn since(&self, mark: u64) -> Result<Vec<Entry>> {
        let mut file = self.open()?;
        file.seek(SeekFrom::Start(mark))?;
        let mut text = Vec::new();
        file.read_to_end(&mut text)?;
        // The end may be in the middle of a character, too.
        let complete = text.iter().rposition(|byte| *byte == b'\n').unwrap_or(0);
        text[..complete]
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| {
                let entry = serde_json::from_slice(line);
                entry.with_context(|| format!("read the entry {}", String::from_utf8_lossy(line)))
            })
            .collect()
    }

    fn open(&self) -> Result<fs::File> {
        fs::File::open(&self.path).with_context(|| format!("read {}", self.path.display()))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn line(verb: &str) -> String {
        let padding = "x".repeat(MARK_PART);
        format!(
            "{{\"verb\":\"{verb}\",\"requestURI\":\"/{padding}\",\"stageTimestamp\":\"2026-01-01T00:00:00Z\",\"user\":{{\"username\":\"ü\"}}}}\n"
        )
    }

    #[test]
    fn a_mark_in_the_middle_of_a_line_is_the_start_of_the_line() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let audit = Audit::at(file.path().to_path_buf());
        let verbs = |mark| -> Vec<String> {
            let entries = audit.since(mark).unwrap();
            entries.into_iter().map(|entry| entry.verb).collect()
        };
        assert_eq!(audit.mark().unwrap(), 0);
        let (first, second) = (line("get"), line("patch"));
        file.write_all(first.as_bytes()).unwrap();
        // In the middle of the character "ü".
        let (head, tail) = second.as_bytes().split_at(second.len() - 6);
        file.write_all(head).unwrap();
        let mark = audit.mark().unwrap();
        assert_eq!(mark, first.len() as u64);
        assert_eq!(verbs(0), ["get"]);
        assert_eq!(verbs(mark), Vec::<String>::new());
        file.write_all(tail).unwrap();
        assert_eq!(verbs(mark), ["patch"]);
        assert_eq!(audit.mark().unwrap(), (first.len() + second.len()) as u64);
    }
}
