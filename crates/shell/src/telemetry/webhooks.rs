//! Metrics of requests to webhooks, named as controller-runtime names them.

use std::{sync::atomic::AtomicI64, time::Instant};

use axum::{
    Router,
    extract::{Request, State},
    http::StatusCode,
    middleware::{self, Next},
    response::Response,
};
use prometheus_client::{
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

use super::{
    histogram::seconds,
    labels::{WebhookAnswerLabels, WebhookLabels},
};
use crate::clock;

/// Label of requests whose path no webhook has, so that clients cannot make series.
const UNKNOWN: &str = "unknown";

/// Extension of an answer that reports a failure of the webhook within a review, whose status of HTTP is 200: the code that
/// the answer is counted under.
#[derive(Clone, Copy, Debug)]
pub struct ReviewFailed(pub u16);

/// Counters and durations of requests by webhook. Clones share them.
#[derive(Clone)]
pub struct Webhooks {
    requests: Family<WebhookAnswerLabels, Counter>,
    seconds: Family<WebhookLabels, Histogram>,
    running: Gauge<i64, AtomicI64>,
}

impl Default for Webhooks {
    fn default() -> Self {
        Self {
            requests: Family::default(),
            seconds: Family::new_with_constructor(seconds),
            running: Gauge::default(),
        }
    }
}

impl Webhooks {
    /// Makes `router` record each request under its path, status or [`ReviewFailed`], and duration.
    pub fn wrap(&self, router: Router) -> Router {
        router.layer(middleware::from_fn_with_state(self.clone(), record))
    }

    pub(super) fn register(&self, all: &mut Registry) {
        all.register(
            "controller_runtime_webhook_requests",
            "Requests to webhooks by path and status of the answer",
            self.requests.clone(),
        );
        all.register(
            "controller_runtime_webhook_latency_seconds",
            "Seconds until a webhook answered, by path",
            self.seconds.clone(),
        );
        all.register(
            "controller_runtime_webhook_requests_in_flight",
            "Requests to webhooks that are being answered",
            self.running.clone(),
        );
    }
}

/// A running request, counted until the value is dropped: clients that give up end it, too.
struct Running(Gauge<i64, AtomicI64>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.dec();
    }
}

async fn record(State(webhooks): State<Webhooks>, request: Request, next: Next) -> Response {
    let begin: Instant = clock::instant();
    let path = request.uri().path().to_owned();
    webhooks.running.inc();
    let running = Running(webhooks.running.clone());
    let response = next.run(request).await;
    drop(running);
    let webhook = match response.status() {
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => UNKNOWN.to_owned(),
        _ => path,
    };
    let took = clock::instant().duration_since(begin).as_secs_f64();
    let labels = WebhookLabels {
        webhook: webhook.clone(),
    };
    webhooks.seconds.get_or_create(&labels).observe(took);
    let failed = response.extensions().get::<ReviewFailed>();
    let labels = WebhookAnswerLabels {
        webhook,
        code: failed.map_or(response.status().as_u16(), |ReviewFailed(code)| *code),
    };
    webhooks.requests.get_or_create(&labels).inc();
    response
}
