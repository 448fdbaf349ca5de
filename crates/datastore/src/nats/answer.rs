//! Classification of the answers of JetStream.

use async_nats::jetstream::{ErrorCode, response::Response};
use serde::de::DeserializeOwned;

use crate::error::{Error, Site};

/// Instruction for an operator that the server does not let log in, or do its work.
pub(super) const GIVE_RIGHTS: &str = "check the user, the password and the client certificate of the DataStore, and \
     let that user publish to $JS.API.> and $KV.> and subscribe to _INBOX.>";
/// Instruction for a NATS without JetStream.
pub(super) const ENABLE_JETSTREAM: &str =
    "enable JetStream in the server and for the account of the DataStore's user";
const MAKE_ROOM: &str =
    "free space on its disk, or raise the limits of JetStream in the server and in the account";

const NOT_ENABLED: [ErrorCode; 2] = [
    ErrorCode::JETSTREAM_NOT_ENABLED,
    ErrorCode::JETSTREAM_NOT_ENABLED_FOR_ACCOUNT,
];
const FULL: [ErrorCode; 9] = [
    ErrorCode::ACCOUNT_RESOURCES_EXCEEDED,
    ErrorCode::CLUSTER_NO_PEERS,
    ErrorCode::INSUFFICIENT_RESOURCES,
    ErrorCode::MAXIMUM_STREAMS_LIMIT,
    ErrorCode::MEMORY_RESOURCES_EXCEEDED,
    ErrorCode::STORAGE_RESOURCES_EXCEEDED,
    ErrorCode::STREAM_MAX_BYTES_REQUIRED,
    ErrorCode::STREAM_MAX_STREAM_BYTES_EXCEEDED,
    ErrorCode::STREAM_STORE_FAILED,
];
const NO_QUORUM: [ErrorCode; 4] = [
    ErrorCode::CLUSTER_NOT_ACTIVE,
    ErrorCode::CLUSTER_NOT_AVAILABLE,
    ErrorCode::CLUSTER_NOT_LEADER,
    ErrorCode::STREAM_OFFLINE,
];

/// Parses the answer of a request; an error that is among `harmless` is `None`.
pub(super) fn parse<T: DeserializeOwned>(
    site: Site,
    answer: &[u8],
    harmless: &[ErrorCode],
) -> Result<Option<T>, Error> {
    match serde_json::from_slice(answer) {
        Ok(Response::Ok(value)) => Ok(Some(value)),
        Ok(Response::Err { error }) if harmless.contains(&error.error_code()) => Ok(None),
        Ok(Response::Err { error }) => Err(classify(site, error.error_code(), error.to_string())),
        Err(error) => Err(Error::Protocol {
            site,
            cause: format!("its answer cannot be read: {error}"),
        }),
    }
}

/// Error of a request that JetStream refused with this code.
pub(super) fn classify(site: Site, code: ErrorCode, cause: String) -> Error {
    if NOT_ENABLED.contains(&code) {
        Error::Unsuitable {
            site,
            cause,
            remedy: ENABLE_JETSTREAM,
        }
    } else if FULL.contains(&code) {
        Error::Unsuitable {
            site,
            cause,
            remedy: MAKE_ROOM,
        }
    } else if NO_QUORUM.contains(&code) {
        Error::Unreachable { site, cause }
    } else {
        Error::Protocol { site, cause }
    }
}
