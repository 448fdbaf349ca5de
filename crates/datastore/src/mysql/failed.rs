//! Requests that failed: the server's error number, of which a caller may take some for an answer.

use std::time::Duration;

use kamaji_core::endpoint::HostPort;
use mysql_async::Error as ClientError;
use tokio::time::error::Elapsed;

use super::answer::Failure;
use crate::error::{Error, Site};

/// Numbers of errors after which the connection is gone: it was ended, or the server is about to stop.
const ENDED: [u16; 3] = [1053, 1317, 1927];

/// A request that failed.
pub(super) struct Failed {
    failure: Failure,
    /// Number of the server's error, or 0.
    number: u16,
    /// True if the connection is gone and the request was not what ended it.
    pub(super) broken: bool,
}

impl Failed {
    /// Failure of a connection that was not opened or was not answered, with the number of the server's error, or 0.
    pub(super) fn new(failure: Failure, number: u16) -> Self {
        Self {
            failure,
            number,
            broken: false,
        }
    }

    /// Value of a request to `endpoint`, or its failure; it had `limit` for its answer.
    pub(super) fn of_request<T>(
        endpoint: &HostPort,
        request: Result<Result<T, ClientError>, Elapsed>,
        limit: Duration,
    ) -> Result<T, Self> {
        let error = match request {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error)) => error,
            Err(_) => {
                let words = format!("{endpoint} gave no answer within {} s", limit.as_secs());
                return Err(Self::new(Failure::Unreachable(words), 0));
            }
        };
        let (number, broken) = match &error {
            ClientError::Server(answer) => (answer.code, ENDED.contains(&answer.code)),
            ClientError::Io(_) => (0, true),
            _ => (0, false),
        };
        Err(Self {
            failure: Failure::of(endpoint, &error),
            number,
            broken,
        })
    }

    /// True if the server answered, and goes on serving the connection.
    pub(super) fn is_answer(&self) -> bool {
        self.number != 0 && !self.broken
    }
}

/// Value of an answer, or nothing where it is one of the errors `harmless`.
pub(super) fn unless<T>(
    harmless: &[u16],
    answer: Result<T, Failed>,
    site: impl FnOnce() -> Site,
) -> Result<Option<T>, Error> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(failed) if harmless.contains(&failed.number) => Ok(None),
        Err(failed) => Err(failed.failure.into_error(site())),
    }
}
