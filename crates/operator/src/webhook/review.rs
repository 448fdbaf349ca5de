//! Reviews of API servers and the answers to them: AdmissionReview of admission.k8s.io/v1.

use base64::{Engine, engine::general_purpose::STANDARD};
use json_patch::Patch;
use kamaji_core::{
    admission::{Warning, writes::Operation},
    excerpt::excerpt,
};
use serde::{Deserialize, Deserializer, de::Error};
use serde_json::{Value, json};

/// An AdmissionReview, as the API server sends it.
#[derive(Debug, Deserialize)]
pub struct Review<Q> {
    /// Request of the AdmissionReview.
    pub request: Q,
}

/// The part of a review that identifies the kind of write.
#[derive(Debug, Deserialize)]
pub struct Write {
    /// Names the question; the answer repeats it.
    pub uid: String,
    /// Operation of the write: CREATE, UPDATE, DELETE or CONNECT.
    #[serde(deserialize_with = "operation")]
    pub operation: Operation,
}

/// Admission request for an object of the operator's kinds.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Question {
    /// Names the question; the answer repeats it.
    pub uid: String,
    /// Operation of the write: CREATE, UPDATE, DELETE or CONNECT.
    #[serde(deserialize_with = "operation")]
    pub operation: Operation,
    /// Namespace of the object; `None` for cluster-scoped kinds.
    pub namespace: Option<String>,
    /// Name of the object; empty while the API server generates one.
    #[serde(default)]
    pub name: String,
    /// The object as it shall be; null on deletion.
    #[serde(default)]
    pub object: Value,
    /// The object as it is; null on creation.
    #[serde(default)]
    pub old_object: Value,
}

fn operation<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Operation, D::Error> {
    match String::deserialize(deserializer)?.as_str() {
        "CREATE" => Ok(Operation::Create),
        "UPDATE" => Ok(Operation::Update),
        "DELETE" => Ok(Operation::Delete),
        "CONNECT" => Ok(Operation::Connect),
        other => Err(D::Error::custom(format!(
            "the operation {other:?} is not known"
        ))),
    }
}

impl Question {
    /// True for writes that are never refused: deletions, and updates that leave the spec unchanged. Checked
    /// before the object is parsed, so that an unreadable object can be deleted.
    pub fn keeps_the_spec(&self) -> bool {
        match self.operation {
            Operation::Create => false,
            Operation::Update => {
                !self.object["metadata"]["deletionTimestamp"].is_null()
                    || self.object["spec"] == self.old_object["spec"]
            }
            Operation::Delete | Operation::Connect => true,
        }
    }

    /// The object, for the log.
    pub fn described(&self) -> String {
        let kind = self.object["kind"].as_str().unwrap_or("object");
        let namespace = self.namespace.as_deref().unwrap_or_default();
        excerpt(&format!("{kind} {namespace}/{}", self.name), 400)
    }
}

/// The answer to an admission request.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// The request is allowed.
    Allow {
        /// Changes to make before; empty for none.
        patch: Patch,
        /// Warnings to the author of the request.
        warnings: Vec<Warning>,
    },
    /// The request is denied.
    Deny {
        /// HTTP code of what the client gets.
        code: u16,
        /// Cause of the denial and the next action.
        message: String,
    },
}

/// Reasons and warnings in one answer.
const MAX_REASONS: usize = 32;
/// Bytes of one of them.
const MAX_REASON_LENGTH: usize = 1000;
/// Seconds after which a client that was answered 429 may try again.
const RETRY_AFTER: u32 = 2;

impl Answer {
    /// The request is allowed.
    pub fn allow(warnings: Vec<Warning>) -> Self {
        Self::Allow {
            patch: Patch::default(),
            warnings,
        }
    }

    /// The request is allowed with these changes.
    pub fn patch(patch: &Patch) -> Self {
        Self::Allow {
            patch: patch.clone(),
            warnings: Vec::new(),
        }
    }

    /// The request is denied.
    pub fn deny(code: u16, message: &str) -> Self {
        Self::Deny {
            code,
            message: excerpt(message, MAX_REASON_LENGTH * MAX_REASONS),
        }
    }

    /// Answer of a verdict: its warnings, or its reasons for a refusal, at most `MAX_REASONS` of each.
    pub fn of<R: std::fmt::Display>(verdict: Result<Vec<Warning>, Vec<R>>) -> Self {
        match verdict {
            Ok(warnings) => {
                let some = warnings.iter().take(MAX_REASONS);
                Self::allow(some.map(|text| excerpt(text, MAX_REASON_LENGTH)).collect())
            }
            Err(refusals) => match refusals.as_slice() {
                [one] => Self::deny(403, &excerpt(&one.to_string(), MAX_REASON_LENGTH)),
                many => {
                    let listed = many.iter().take(MAX_REASONS);
                    let mut text = format!("{} reasons:", many.len());
                    for refusal in listed {
                        text.push_str("\n- ");
                        text.push_str(&excerpt(&refusal.to_string(), MAX_REASON_LENGTH));
                    }
                    let more = many.len().saturating_sub(MAX_REASONS);
                    if more > 0 {
                        text.push_str("\n- and ");
                        text.push_str(&more.to_string());
                        text.push_str(" more");
                    }
                    // The text is bounded already, and ends with the number of omitted reasons.
                    Self::Deny {
                        code: 403,
                        message: text,
                    }
                }
            },
        }
    }

    /// Message of a refusal; `None` if the write is allowed.
    pub fn refusal(&self) -> Option<&str> {
        match self {
            Self::Allow { .. } => None,
            Self::Deny { message, .. } => Some(message),
        }
    }

    /// Code of a refusal for a failure of the operator, which is no fault of the object.
    pub fn failure(&self) -> Option<u16> {
        match self {
            Self::Deny { code, .. } if *code >= 500 => Some(*code),
            _ => None,
        }
    }

    /// The answer to the question of this uid, as the API server reads it.
    pub fn to_review(&self, uid: &str) -> Value {
        let mut response = json!({"uid": uid, "allowed": self.refusal().is_none()});
        match self {
            Self::Allow { patch, warnings } => {
                if !patch.0.is_empty() {
                    let text = json!(patch).to_string();
                    response["patchType"] = json!("JSONPatch");
                    response["patch"] = json!(STANDARD.encode(text));
                }
                if !warnings.is_empty() {
                    response["warnings"] = json!(warnings);
                }
            }
            Self::Deny { code, message } => {
                let reason = match code {
                    400 => "BadRequest",
                    403 => "Forbidden",
                    429 => "TooManyRequests",
                    503 => "ServiceUnavailable",
                    _ => "InternalError",
                };
                response["status"] = json!({
                    "status": "Failure", "code": code, "reason": reason, "message": message,
                });
                if *code == 429 {
                    // The API server makes the header Retry-After of it.
                    response["status"]["details"] = json!({"retryAfterSeconds": RETRY_AFTER});
                }
            }
        }
        json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response})
    }
}
