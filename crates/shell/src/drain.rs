//! How does a replica leave without a request being refused?
//!
//! A pod that ends stays in the tables of every node's kube-proxy for a moment, and API servers keep
//! connections to it. So it goes on answering for [`LONGEST`] after it was told to stop, and closes each
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

/// How long a replica that was told to stop answers still. Less than the pod's grace period.
pub const LONGEST: Duration = Duration::from_secs(5);

/// Whether and since when a replica leaves.
#[derive(Clone, Debug, Default)]
pub struct Drain {
    since: Arc<OnceLock<Instant>>,
}

impl Drain {
    /// It leaves from now on.
    pub fn begin(&self) {
        self.since.get_or_init(clock::instant);
    }

    /// Waits until nobody can count on it any more; at once if it does not leave.
    pub async fn over(&self) {
        if let Some(since) = self.since.get() {
            clock::sleep_until(*since + LONGEST).await;
        }
    }

    /// `router`, which closes connections after their next answer once the replica leaves.
    pub fn wrap(&self, router: Router) -> Router {
        router.layer(middleware::from_fn_with_state(self.clone(), shed))
    }
}

async fn shed(State(drain): State<Drain>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    if drain.since.get().is_some() {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(CONNECTION, close);
    }
    response
}

#[cfg(test)]
#[path = "drain_tests.rs"]
mod tests;
