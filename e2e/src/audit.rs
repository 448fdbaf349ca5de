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

    /// End of the log at this moment; [`Audit::since`] reads from there.
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
