//! [`Drain`]: graceful end of the webhooks' listener, without refused requests.
//!
//! A pod that ends stays in the tables of every node's kube-proxy for a moment, and API servers keep
//! connections to it. The listener therefore answers for [`LONGEST`] after the signal to stop, and closes each
//! connection after its next answer.

use std::{
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderValue, header::CONNECTION},
    middleware::{self, Next},
    response::Response,
};

use super::clock;

/// Time for which requests are answered after the signal to stop. Shorter than the pod's grace period.
pub const LONGEST: Duration = Duration::from_secs(5);

/// State of the drain. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Drain {
    since: Arc<OnceLock<Instant>>,
}

impl Drain {
    /// Begins the drain; later calls change nothing.
    pub fn begin(&self) {
        self.since.get_or_init(clock::instant);
    }

    /// Waits until the drain is complete; returns at once if it has not begun.
    pub async fn completed(&self) {
        if let Some(since) = self.since.get() {
            clock::sleep_until(*since + LONGEST).await;
        }
    }

    /// Makes `router` close connections after their next answer once the drain has begun.
    pub fn wrap(&self, router: Router) -> Router {
        router.layer(middleware::from_fn_with_state(
            self.clone(),
            close_when_draining,
        ))
    }
}

async fn close_when_draining(State(drain): State<Drain>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    if drain.since.get().is_some() {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(CONNECTION, close);
    }
    response
}

#[cfg(test)]
mod tests;
