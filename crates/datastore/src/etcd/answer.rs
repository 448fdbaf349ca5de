//! Classification of etcd's errors.
//!
//! An answer that the desired state exists already (a role exists, a user does not) is no failure:
//! [`unless`] turns it into a value, so that every write may be repeated.

use etcd_client::Error;
use kamaji_core::error_chain::chain;

pub(super) const ROLE_EXISTS: &str = "role name already exists";
pub(super) const ROLE_MISSING: &str = "role name not found";
pub(super) const USER_EXISTS: &str = "user name already exists";
pub(super) const USER_MISSING: &str = "user name not found";
pub(super) const NOT_GRANTED: &str = "is not granted to the";
const AUTH_OFF: &str = "authentication is not enabled";
const AUTH_FAILED: &str = "authentication failed";
const STALE: &str = "revision of auth store is old";
const USER_NAME_EMPTY: &str = "user name is empty";
const FULL: &str = "database space exceeded";
const BUSY: &str = "too many requests";
/// Words of the client for an answer that is larger than it takes: the member has given one, so that no other is tried.
/// The gRPC code alone is etcd's for a compacted revision, too.
pub(super) const ANSWER_TOO_LARGE: &str = "decoded message length too large";
const LEARNER: &str = "not supported for learner";

/// Instruction for an operator whose user is no administrator.
pub(super) const BECOME_ADMINISTRATOR: &str =
    "give the user of the client certificate the role root";
/// Instruction for an etcd that refuses tenants because access control is off.
pub(super) const ENABLE_AUTH: &str = "create the user and role root and run `etcdctl auth enable`";
/// Instruction for an etcd that has reached its quota: it takes no write until its alarm is disarmed.
pub(super) const FREE_SPACE: &str = "compact and defragment it, or raise its --quota-backend-bytes, and then run \
     `etcdctl alarm disarm`";

/// gRPC's numbers for the codes that matter here.
mod code {
    pub(super) const CANCELLED: i32 = 1;
    pub(super) const DEADLINE_EXCEEDED: i32 = 4;
    pub(super) const PERMISSION_DENIED: i32 = 7;
    pub(super) const UNAVAILABLE: i32 = 14;
    pub(super) const UNAUTHENTICATED: i32 = 16;
}

/// Failed request, classified by the next action of the caller.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// Users or roles changed meanwhile: repeat the request.
    Stale(String),
    /// The member cannot serve for now: try another.
    Unavailable(String),
    /// The server gave no answer at all: diagnose the endpoint.
    Transport(String),
    /// The operator is not permitted to do it.
    Denied(String),
    /// Access control of the etcd is off.
    AuthOff,
    /// The etcd has reached its quota and takes no writes.
    Full(String),
    /// Any other answer: another member would give the same.
    Unexpected(String),
}

impl Failure {
    /// Classifies an error of the client.
    pub(super) fn of(error: &Error) -> Self {
        let Error::GRpcStatus(status) = error else {
            return Self::Transport(chain(error));
        };
        let text = status.message();
        if text.contains(ANSWER_TOO_LARGE) {
            return Self::Unexpected(text.to_owned());
        }
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
            _ if words.contains(USER_NAME_EMPTY) => Self::Denied(words),
            _ if words.contains(FULL) => Self::Full(words),
            _ if words.contains(BUSY) || words.contains(LEARNER) => Self::Unavailable(words),
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

/// Succeeds if access control is on, by the answer to a log-in that cannot succeed.
pub(super) fn auth_is_on<T>(result: Result<T, Error>) -> Result<(), Error> {
    unless(AUTH_FAILED, result).map(drop)
}
