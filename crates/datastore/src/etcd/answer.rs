//! What does etcd's refusal mean?
//!
//! Everything that is already as wanted (a role that exists, a user that is gone) is no failure:
//! the wrappers here turn it into a value, so that every write may be repeated.

use etcd_client::Error;

pub(super) const ROLE_EXISTS: &str = "role name already exists";
pub(super) const ROLE_MISSING: &str = "role name not found";
pub(super) const USER_EXISTS: &str = "user name already exists";
pub(super) const USER_MISSING: &str = "user name not found";
pub(super) const NOT_GRANTED: &str = "is not granted to the";
const AUTH_OFF: &str = "authentication is not enabled";
const AUTH_FAILED: &str = "authentication failed";
const STALE: &str = "revision of auth store is old";
const NOBODY: &str = "user name is empty";

/// gRPC's numbers for the codes that matter here.
mod code {
    pub(super) const CANCELLED: i32 = 1;
    pub(super) const DEADLINE_EXCEEDED: i32 = 4;
    pub(super) const PERMISSION_DENIED: i32 = 7;
    pub(super) const UNAVAILABLE: i32 = 14;
    pub(super) const UNAUTHENTICATED: i32 = 16;
}

/// A failure, by what has to happen next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// Somebody changed users or roles meanwhile: ask again.
    Stale(String),
    /// This member can't serve for now: ask another.
    Unavailable(String),
    /// No answer from a server at all: find out why.
    Transport(String),
    /// We may not.
    Denied(String),
    /// Access control is off.
    AuthOff,
    /// Anything else: asking another member won't help.
    Unexpected(String),
}

impl Failure {
    /// Reads a failure of the client.
    pub(super) fn of(error: &Error) -> Self {
        let Error::GRpcStatus(status) = error else {
            return Self::Transport(chain(error));
        };
        let text = status.message();
        let Some(words) = text
            .strip_prefix("etcdserver: ")
            .or(text.strip_prefix("auth: "))
        else {
            return Self::Transport(chain(status));
        };
        let words = words.to_owned();
        match i32::from(status.code()) {
            _ if words.contains(AUTH_OFF) => Self::AuthOff,
            _ if words.contains(STALE) => Self::Stale(words),
            _ if words.contains(NOBODY) => Self::Denied(words),
            code::PERMISSION_DENIED | code::UNAUTHENTICATED => Self::Denied(words),
            code::UNAVAILABLE | code::DEADLINE_EXCEEDED | code::CANCELLED => {
                Self::Unavailable(words)
            }
            _ => Self::Unexpected(words),
        }
    }
}

/// The value, or nothing where etcd answers with `harmless`.
pub(super) fn unless<T>(harmless: &str, result: Result<T, Error>) -> Result<Option<T>, Error> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(Error::GRpcStatus(status)) if status.message().contains(harmless) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether access control is on, from the answer to a log-in that can't succeed.
pub(super) fn auth_is_on<T>(result: Result<T, Error>) -> Result<(), Error> {
    unless(AUTH_FAILED, result).map(drop)
}

/// An error with its sources, without what a source repeats.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(next) = source {
        let words = next.to_string();
        if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
        source = next.source();
    }
    text
}
