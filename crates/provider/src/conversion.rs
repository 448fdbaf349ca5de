//! What does the API server get when it asks for an object in another version? (apiextensions.k8s.io/v1
//! ConversionReview) What becomes of each field is decided by [`kamaji_core::contract::conversion`].

use std::panic::{AssertUnwindSafe, catch_unwind};

use axum::{
    Json, Router,
    body::Bytes,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::post,
};
use kamaji_core::cluster_api::conversion;
use kamaji_shell::heavy;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Where conversions are asked for.
pub const PATH: &str = "/convert";

/// A review: a question, or the answer to it.
#[derive(Deserialize)]
struct Review {
    request: Request,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    uid: String,
    #[serde(rename = "desiredAPIVersion")]
    desired: String,
    #[serde(default)]
    objects: Vec<Value>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    uid: String,
    converted_objects: Vec<Value>,
    result: Value,
}

/// Answers on the path.
pub fn router() -> Router {
    Router::new().route(PATH, post(convert))
}

async fn convert(body: Bytes) -> Response {
    heavy::run(|| converted(&body)).await
}

fn converted(body: &[u8]) -> Response {
    match serde_json::from_slice::<Review>(body) {
        Ok(review) => Json(answer(review.request)).into_response(),
        Err(error) => {
            let text = format!("the body is not a ConversionReview: {error}");
            (StatusCode::BAD_REQUEST, text).into_response()
        }
    }
}

fn answer(request: Request) -> Value {
    let desired = request.desired;
    let converted: Result<Vec<_>, String> = request
        .objects
        .into_iter()
        .map(|object| one(object, &desired))
        .collect();
    let (converted_objects, result) = match converted {
        Ok(objects) => (objects, json!({"status": "Success"})),
        Err(message) => {
            tracing::warn!(desired, message, "an object could not be converted");
            (Vec::new(), json!({"status": "Failure", "message": message}))
        }
    };
    let response = Answer {
        uid: request.uid,
        converted_objects,
        result,
    };
    json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "ConversionReview", "response": response})
}

fn one(object: Value, desired: &str) -> Result<Value, String> {
    catch_unwind(AssertUnwindSafe(|| conversion::convert(object, desired)))
        .unwrap_or_else(|_| Err(conversion_mistake()))
}

fn conversion_mistake() -> String {
    "the provider met a mistake of its own: see its log".to_owned()
}

#[cfg(test)]
#[path = "conversion_tests.rs"]
mod tests;
