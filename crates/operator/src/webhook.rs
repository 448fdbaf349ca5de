//! Admission webhooks of TenantControlPlanes, DataStores, and writes in tenant clusters.
//!
//! Every replica answers, whether it leads or not. [`kamaji_core::admission`] decides; this module parses
//! reviews and writes answers. Any pod can send a review: an answer tells nothing beyond the review but
//! whether a name is free, and its cost is limited ([`kamaji_shell::listen`]).

pub mod certificate;
pub mod directory;
pub mod facts;
pub mod review;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
};

use axum::{
    Json, Router,
    body::Bytes,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::post,
};
use kamaji_api::{datastore::DataStore, tenant::TenantControlPlane};
use kamaji_core::{
    admission::{
        self, Facts, Request,
        writes::{Gate, Operation, denial},
    },
    excerpt::excerpt,
    settings::Settings,
};
use serde::de::DeserializeOwned;
use serde_json::Value;

use kamaji_shell::{
    heavy,
    json_weight::{self, Weight},
    telemetry::ReviewFailed,
};
use review::{Answer, Question, Review, Write};

/// Path of the defaults of a TenantControlPlane.
pub const MUTATE_TENANT: &str = "/mutate-kamaji-clastix-io-v1alpha1-tenantcontrolplane";
/// Path of the validation of a TenantControlPlane.
pub const VALIDATE_TENANT: &str = "/validate-kamaji-clastix-io-v1alpha1-tenantcontrolplane";
/// Path of the validation of a DataStore.
pub const VALIDATE_DATA_STORE: &str = "/validate-kamaji-clastix-io-v1alpha1-datastore";
/// Path for API servers of tenants whose writes are limited.
pub const WRITE_PERMISSION: &str = "/write-permission";
/// Path for API servers of tenants whose data is moved.
pub const MIGRATE: &str = "/migrate";

/// Knowledge that the answers depend on.
pub trait Knowledge: Send + Sync + 'static {
    /// Facts that rules depend on, or the reason for which they are not known yet.
    fn facts(&self) -> Result<Facts, String>;

    /// Settings of the operator that rules depend on.
    fn settings(&self) -> &Settings;
}

/// Answers on all paths.
pub fn router(knowledge: Arc<dyn Knowledge>) -> Router {
    Router::new()
        .route(MUTATE_TENANT, post(respond(mutate_tenant)))
        .route(VALIDATE_TENANT, post(respond(validate_tenant)))
        .route(VALIDATE_DATA_STORE, post(respond(validate_data_store)))
        .route(
            WRITE_PERMISSION,
            post(async |body: Bytes| gate(Gate::WritePermissions, &body)),
        )
        .route(
            MIGRATE,
            post(async |body: Bytes| gate(Gate::Migration, &body)),
        )
        .with_state(knowledge)
}

type Evaluate = fn(&dyn Knowledge, &Question) -> Answer;
type SharedKnowledge = State<Arc<dyn Knowledge>>;
type Responding = Pin<Box<dyn Future<Output = Response> + Send>>;

fn respond(
    evaluate: Evaluate,
) -> impl Fn(SharedKnowledge, Bytes) -> Responding + Clone + Send + Sync + 'static {
    move |State(knowledge), body| {
        Box::pin(async move { heavy::run(|| response(evaluate, knowledge.as_ref(), &body)).await })
    }
}

fn parsed<Q: DeserializeOwned>(body: &[u8]) -> Result<Q, Box<Response>> {
    let review: Result<Review<Q>, _> = serde_json::from_slice(body);
    review.map(|review| review.request).map_err(|error| {
        let text = format!("the body is not an AdmissionReview of admission.k8s.io/v1: {error}");
        let text = excerpt(&text, 1000);
        Box::new((StatusCode::BAD_REQUEST, text).into_response())
    })
}

fn response(evaluate: Evaluate, knowledge: &dyn Knowledge, body: &[u8]) -> Response {
    let weight = Weight::of(body);
    if weight > json_weight::REVIEW {
        let text = format!(
            "the object has so many lists and objects that it takes {weight} bytes to read, of which there may be {}: make it smaller",
            json_weight::REVIEW
        );
        return (StatusCode::PAYLOAD_TOO_LARGE, text).into_response();
    }
    let question: Question = match parsed(body) {
        Ok(question) => question,
        Err(refused) => return *refused,
    };
    let evaluated = catch_unwind(AssertUnwindSafe(|| evaluate(knowledge, &question)));
    let answer = evaluated.unwrap_or_else(|_| {
        tracing::error!(object = %question.described(), "the review panicked");
        Answer::deny(500, "the operator met a mistake of its own: see its log")
    });
    if let Some(reason) = answer.refusal() {
        tracing::info!(object = %question.described(), reason, "refused");
    }
    let mut response = Json(answer.to_review(&question.uid)).into_response();
    if let Some(code) = answer.failure() {
        response.extensions_mut().insert(ReviewFailed(code));
    }
    response
}

fn mutate_tenant(knowledge: &dyn Knowledge, question: &Question) -> Answer {
    if question.operation != Operation::Create {
        return Answer::allow(Vec::new());
    }
    match read::<TenantControlPlane>(&question.object) {
        Ok(object) => {
            let whole = admission::default(&object, knowledge.settings());
            Answer::patch(&admission::patch(&question.object, &whole))
        }
        // The schema validation that follows names the invalid field.
        Err(_) => Answer::allow(Vec::new()),
    }
}

fn validate_tenant(knowledge: &dyn Knowledge, question: &Question) -> Answer {
    if question.keeps_the_spec() {
        return Answer::allow(Vec::new());
    }
    let mut new = match read::<TenantControlPlane>(&question.object) {
        Ok(object) => object,
        Err(answer) => return *answer,
    };
    new.metadata.namespace = new
        .metadata
        .namespace
        .or_else(|| question.namespace.clone());
    let facts = match knowledge.facts() {
        Ok(facts) => facts,
        Err(why) => return Answer::deny(503, &format!("{why}: try again in a few seconds")),
    };
    // An old object that cannot be read any more must not keep anybody from mending it.
    let old: Option<TenantControlPlane> = serde_json::from_value(question.old_object.clone()).ok();
    let request = Request {
        new: &new,
        old: old.as_ref(),
        facts: &facts,
    };
    Answer::of(admission::validate(&request))
}

fn validate_data_store(_: &dyn Knowledge, question: &Question) -> Answer {
    if question.keeps_the_spec() {
        return Answer::allow(Vec::new());
    }
    match read::<DataStore>(&question.object) {
        Ok(new) => {
            let old: Option<DataStore> = serde_json::from_value(question.old_object.clone()).ok();
            Answer::of(admission::validate_data_store(&new, old.as_ref()))
        }
        Err(answer) => *answer,
    }
}

/// Answers a review of a tenant's API server. The object of the write is not parsed.
fn gate(gate: Gate, body: &[u8]) -> Response {
    let write: Write = match parsed(body) {
        Ok(write) => write,
        Err(refused) => return *refused,
    };
    let answer = match denial(gate, write.operation) {
        Some(text) => Answer::deny(code(gate), &text),
        None => Answer::allow(Vec::new()),
    };
    Json(answer.to_review(&write.uid)).into_response()
}

/// HTTP code of a denial: that of a migration ends by itself within seconds, and clients try again.
fn code(gate: Gate) -> u16 {
    match gate {
        Gate::WritePermissions => 403,
        Gate::Migration => 429,
    }
}

fn read<K: DeserializeOwned>(object: &Value) -> Result<K, Box<Answer>> {
    K::deserialize(object).map_err(|error| {
        let text = format!("the object cannot be read: {error}; compare it with the definition");
        Box::new(Answer::deny(400, &text))
    })
}

#[cfg(test)]
mod tests;
