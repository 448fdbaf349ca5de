//! Which requests has an API server seen?
//!
//! The log has one line per finished request: every write of anybody, and also every read of a
//! ServiceAccount of the operator's namespace.

use std::fs;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde::Deserialize;

/// Namespace in which the operator runs.
pub const OPERATOR_NAMESPACE: &str = "kamaji-system";

/// The audit policy of the testbed's API servers.
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

/// The audit log of one API server.
#[derive(Debug, Clone)]
pub struct Audit {
    path: PathBuf,
}

/// One request.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// What was done: `get`, `list`, `patch` and so on.
    pub verb: String,
    /// Path and query.
    #[serde(rename = "requestURI")]
    pub uri: String,
    /// When it ended.
    #[serde(rename = "stageTimestamp")]
    pub at: k8s_openapi::jiff::Timestamp,
    /// Who did it.
    pub user: User,
    /// What it was done to; absent for requests that are not about an object.
    #[serde(default)]
    pub object_ref: Object,
    /// How it ended.
    #[serde(default)]
    pub response_status: Response,
}

/// Who sent a request.
#[derive(Debug, Clone, Deserialize)]
pub struct User {
    /// Its user name.
    pub username: String,
}

/// What a request was about.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Object {
    /// Its group, empty for the core group.
    #[serde(rename = "apiGroup")]
    pub api_group: String,
    /// Kind as in the path: `deployments`.
    pub resource: String,
    /// Its namespace, empty where there is none.
    pub namespace: String,
    /// Its name, empty for a list.
    pub name: String,
    /// `status` and the like, empty for the object itself.
    pub subresource: String,
}

/// How a request ended.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Response {
    /// HTTP status.
    #[serde(default)]
    pub code: u16,
}

impl Entry {
    /// Whether the request was meant to change something.
    pub fn is_write(&self) -> bool {
        !matches!(self.verb.as_str(), "get" | "list" | "watch")
    }

    /// Whether a ServiceAccount of the operator's namespace sent it.
    pub fn is_of_the_operator(&self) -> bool {
        self.user
            .username
            .starts_with(&format!("system:serviceaccount:{OPERATOR_NAMESPACE}:"))
    }

    /// Whether it was about a lease, which is renewed at rest, too.
    pub fn is_of_a_lease(&self) -> bool {
        self.object_ref.resource == "leases"
    }
}

impl Audit {
    /// The log in this file.
    pub fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// A place in the log: everything that is already there lies before it.
    pub fn mark(&self) -> Result<u64> {
        let size =
            fs::metadata(&self.path).with_context(|| format!("read {}", self.path.display()))?;
        Ok(size.len())
    }

    /// The requests after a mark; a line that is still being written is left for later.
    pub fn since(&self, mark: u64) -> Result<Vec<Entry>> {
        let mut file =
            fs::File::open(&self.path).with_context(|| format!("read {}", self.path.display()))?;
        file.seek(SeekFrom::Start(mark))?;
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        let complete = text.rfind('\n').map_or("", |end| &text[..end]);
        complete
            .lines()
            .map(|line| serde_json::from_str(line).context("read an entry"))
            .collect()
    }
}
