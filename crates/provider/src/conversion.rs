//! Conversion webhook: ConversionReviews of apiextensions.k8s.io/v1. The fields are converted by
//! [`kamaji_core::cluster_api::conversion`].

use std::panic::{AssertUnwindSafe, catch_unwind};

use axum::{
    Json, Router,
    body::Bytes,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::post,
};
use kamaji_core::cluster_api::conversion;
use kamaji_shell::{
    heavy,
    json_weight::{self, Weight},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// URL path of the webhook.
pub const PATH: &str = "/convert";

/// Message of a conversion that panicked.
const INTERNAL_ERROR: &str = "the provider met a mistake of its own: see its log";

/// Body of a request: a ConversionReview.
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

/// Router that serves [`PATH`].
pub fn router() -> Router {
    Router::new().route(PATH, post(convert))
}

async fn convert(body: Bytes) -> Response {
    heavy::run(|| converted(&body)).await
}

fn converted(body: &[u8]) -> Response {
    let weight = Weight::of(body);
    if weight > json_weight::CONVERSION {
        let text = format!(
            "the objects take {weight} bytes to read, of which there may be {}: list fewer at once",
            json_weight::CONVERSION
        );
        return (StatusCode::PAYLOAD_TOO_LARGE, text).into_response();
    }
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
        .map(|object| convert_object(object, &desired))
        .collect();
    let (converted_objects, result) = match converted {
        Ok(objects) => (objects, json!({"status": "Success"})),
        Err(message) => {
            tracing::warn!(desired, message, "conversion failed");
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

/// Converts one object; a panic becomes an error.
fn convert_object(object: Value, desired: &str) -> Result<Value, String> {
    catch_unwind(AssertUnwindSafe(|| conversion::convert(object, desired)))
        .unwrap_or_else(|_| Err(INTERNAL_ERROR.to_owned()))
}

#[cfg(test)]
mod tests;
