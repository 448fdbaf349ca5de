//! [`WriteError`]: failed reads and writes by cause, with the reason for a condition.

use kamaji_api::condition::Reason;
use kamaji_core::{error_chain::chain, object::ObjectRef};

/// Error of a read or write of one object; the text names the object, the cause and the remedy.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// A create met an object of that name.
    #[error("{0} exists already: it is looked at anew before anything is written")]
    AlreadyExists(ObjectRef),
    /// The object changed, or was replaced, since it was read.
    #[error("{object} changed while it was written: it is tried again ({message})")]
    Conflict {
        /// Kind, namespace and name.
        object: String,
        /// Message of the API server.
        message: String,
    },
    /// RBAC does not grant the request.
    #[error("the operator may not write {object}: {message}; grant it what config/rbac lists")]
    Forbidden {
        /// Kind, namespace and name.
        object: String,
        /// Message of the API server.
        message: String,
    },
    /// Validation, an admission webhook or an admission policy refused the object.
    #[error(
        "the API server refuses {object}: {message}; correct what the message names in the spec"
    )]
    Invalid {
        /// Kind, namespace and name.
        object: String,
        /// Message of the API server.
        message: String,
    },
    /// The object to change does not exist.
    #[error("{0} is gone: there is nothing to write")]
    Gone(String),
    /// The replica does not lead, or stopped leading before the answer.
    #[error("{0} is not written, since this replica does not lead")]
    NotLeading(String),
    /// The object was written too often within a minute and is left alone.
    #[error(
        "{object} is written over and over and does not stay as it is written{detail}; it is left alone for some minutes"
    )]
    Storm {
        /// Kind, namespace and name.
        object: String,
        /// Field that differs, the manager that changes it, and the remedy.
        detail: String,
    },
    /// Every other failure: connection, time-out, 5xx, unreadable answer.
    #[error("{object} could not be read or written: {problem}; it is tried again by itself")]
    Api {
        /// Kind, namespace and name.
        object: String,
        /// Message of the API server or of the connection.
        problem: String,
    },
}

impl WriteError {
    /// Classifies an error of the client by its HTTP status.
    pub(super) fn of(object: String, error: &kube::Error) -> Self {
        let kube::Error::Api(status) = error else {
            return Self::Api {
                object,
                problem: chain(error),
            };
        };
        let message = status.message.clone();
        match status.code {
            404 => Self::Gone(object),
            409 => Self::Conflict { object, message },
            422 if is_another(status) => Self::Conflict { object, message },
            // Webhooks and policies refuse with the code of missing rights.
            403 if message.contains(" denied ") => Self::Invalid { object, message },
            403 => Self::Forbidden { object, message },
            400 | 422 => Self::Invalid { object, message },
            _ => Self::Api {
                object,
                problem: message,
            },
        }
    }

    /// Reason of the condition that reports the error.
    pub fn reason(&self) -> Reason {
        match self {
            Self::AlreadyExists(_) | Self::Conflict { .. } | Self::Gone(_) => Reason::WriteConflict,
            Self::Forbidden { .. } => Reason::WriteForbidden,
            Self::Invalid { .. } => Reason::WriteRefused,
            Self::NotLeading(_) => Reason::NotLeading,
            Self::Storm { .. } => Reason::WriteStorm,
            Self::Api { .. } => Reason::WriteFailed,
        }
    }
}

/// True if an object of another uid has the name by now. The API server reports the field `metadata.uid`, or
/// no field where a `test` of a JSON patch fails.
fn is_another(status: &kube::core::Status) -> bool {
    let mut causes = status.details.iter().flat_map(|details| &details.causes);
    causes.any(|cause| cause.field == "metadata.uid")
        || status
            .message
            .starts_with("the server rejected our request")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_by_a_webhook_is_not_reported_as_a_missing_right() {
        let refused = |message: &str| {
            let status = kube::core::Status::failure(message, "Forbidden").with_code(403);
            WriteError::of("it".to_owned(), &kube::Error::Api(Box::new(status))).reason()
        };
        let webhook = "admission webhook \"v.kamaji.clastix.io\" denied the request: too new";
        assert_eq!(refused(webhook), "WriteRefused");
        assert_eq!(
            refused("User \"u\" cannot patch resource \"secrets\""),
            "WriteForbidden"
        );
    }
}
