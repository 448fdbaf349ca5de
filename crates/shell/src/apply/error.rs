//! Why was something not written, and is that to be told?

use kamaji_core::object::ObjectRef;

/// Why something was not written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// It was to be created and is there.
    #[error("{0} exists already: it is looked at anew before anything is written")]
    AlreadyExists(ObjectRef),
    /// Somebody was faster.
    #[error("{object} changed while it was written: it is tried again ({message})")]
    Conflict {
        /// What.
        object: String,
        /// What the API server said.
        message: String,
    },
    /// RBAC.
    #[error("the operator may not write {object}: {message}; grant it what config/rbac lists")]
    Forbidden {
        /// What.
        object: String,
        /// What the API server said.
        message: String,
    },
    /// The object cannot be.
    #[error(
        "the API server refuses {object}: {message}; correct what the message names in the spec"
    )]
    Invalid {
        /// What.
        object: String,
        /// What the API server said.
        message: String,
    },
    /// It is not there any more.
    #[error("{0} is gone: there is nothing to write")]
    Gone(String),
    /// A standby must not write.
    #[error("{0} is not written, since this replica does not lead")]
    NotLeading(String),
    /// Two managers fight.
    #[error(
        "{object} is written over and over and does not stay as it is written{detail}; it is left alone for some minutes"
    )]
    Storm {
        /// What.
        object: String,
        /// Where it differs, who else writes it, and what to do.
        detail: String,
    },
    /// Anything else.
    #[error("{object} could not be read or written: {problem}; it is tried again by itself")]
    Api {
        /// What.
        object: String,
        /// What the API server or the way to it said.
        problem: String,
    },
}

impl WriteError {
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
            // Webhooks and policies say no with the code of missing rights.
            403 if message.contains(" denied ") => Self::Invalid { object, message },
            403 => Self::Forbidden { object, message },
            400 | 422 => Self::Invalid { object, message },
            _ => Self::Api {
                object,
                problem: message,
            },
        }
    }

    /// Reason for a condition.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::AlreadyExists(_) | Self::Conflict { .. } | Self::Gone(_) => "WriteConflict",
            Self::Forbidden { .. } => "WriteForbidden",
            Self::Invalid { .. } => "WriteRefused",
            Self::NotLeading(_) => "NotLeading",
            Self::Storm { .. } => "WriteStorm",
            Self::Api { .. } => "WriteFailed",
        }
    }
}

/// Another object of that name is there by now: its uid is not the one that we meant. The API
/// server says so by a field, or, where a `test` of a JSON patch fails, by naming none.
fn is_another(status: &kube::core::Status) -> bool {
    let mut causes = status.details.iter().flat_map(|details| &details.causes);
    causes.any(|cause| cause.field == "metadata.uid")
        || status
            .message
            .starts_with("the server rejected our request")
}

/// An error and what caused it, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let more = cause.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_webhook_that_says_no_is_not_a_missing_right() {
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
