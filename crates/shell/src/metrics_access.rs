//! [`Access`]: authorization of scrapes. A request needs a bearer token that the API server knows and whose user may
//! `get` the URL `/metrics` there, as the ClusterRole `kamaji-metrics-reader` grants it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header::AUTHORIZATION},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use k8s_openapi::api::{
    authentication::v1::{TokenReview, TokenReviewSpec, UserInfo},
    authorization::v1::{NonResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec},
};
use kube::{Api, Client, api::PostParams};
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;

use super::{clock, lock::lock, telemetry::Counters};

/// URL that the user must be allowed to `get`.
const PATH: &str = "/metrics";
/// Time for which a positive answer about a token is cached.
const CACHE_TIME: Duration = Duration::from_mins(1);
/// Tokens in the cache.
const CACHE_SIZE: usize = 256;
/// Longest token in bytes.
const LONGEST: usize = 16 << 10;
/// Tokens that are reviewed at the same time.
const CONCURRENT_REVIEWS: usize = 4;
/// Longest time for both reviews, with the wait for a turn.
const TIME_LIMIT: Duration = Duration::from_secs(5);

/// Authorization by TokenReview and SubjectAccessReview, with a cache. Clones share it.
#[derive(Clone)]
pub struct Access {
    client: Client,
    counters: Counters,
    cache: Arc<Mutex<TokenCache>>,
    reviews: Arc<Semaphore>,
}

/// Reason for which a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    Unknown,
    Forbidden,
    Unanswered,
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, text) = match self {
            Self::Unknown => (
                StatusCode::UNAUTHORIZED,
                "send a bearer token that this cluster's API server knows\n",
            ),
            Self::Forbidden => (
                StatusCode::FORBIDDEN,
                "bind your user to the ClusterRole kamaji-metrics-reader\n",
            ),
            Self::Unanswered => (
                StatusCode::SERVICE_UNAVAILABLE,
                "the API server did not say who may read; try again\n",
            ),
        };
        (status, text).into_response()
    }
}

impl Access {
    /// Authorization by the management cluster of `client`.
    pub fn new(client: Client, counters: Counters) -> Self {
        Self {
            client,
            counters,
            cache: Arc::default(),
            reviews: Arc::new(Semaphore::new(CONCURRENT_REVIEWS)),
        }
    }

    /// Makes `router` refuse requests without authorization.
    pub fn wrap(self, router: Router) -> Router {
        router.layer(middleware::from_fn_with_state(self, authorize))
    }

    async fn check(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let token = bearer(headers).ok_or(Refusal::Unknown)?;
        let digest: [u8; 32] = Sha256::digest(token).into();
        if self.locked().contains(&digest, clock::instant()) {
            return Ok(());
        }
        let answer = tokio::time::timeout(TIME_LIMIT, self.review(token)).await;
        answer.unwrap_or(Err(Refusal::Unanswered))?;
        self.locked().insert(digest, clock::instant());
        Ok(())
    }

    async fn review(&self, token: &str) -> Result<(), Refusal> {
        let permit = self.reviews.acquire().await;
        let _permit = permit.map_err(|_| Refusal::Unanswered)?;
        let user = self.user(token).await?.ok_or(Refusal::Unknown)?;
        if self.may_read(user).await? {
            Ok(())
        } else {
            Err(Refusal::Forbidden)
        }
    }

    /// The user of a token; `None` if the API server does not know it.
    async fn user(&self, token: &str) -> Result<Option<UserInfo>, Refusal> {
        self.counters.request("create", "tokenreviews");
        let review = TokenReview {
            spec: TokenReviewSpec {
                token: Some(token.to_owned()),
                ..TokenReviewSpec::default()
            },
            ..TokenReview::default()
        };
        let api: Api<TokenReview> = Api::all(self.client.clone());
        let answer = api.create(&PostParams::default(), &review).await;
        let status = answer.map_err(|error| unanswered(&error))?.status;
        let status = status.filter(|status| status.authenticated == Some(true));
        Ok(status.and_then(|status| status.user))
    }

    async fn may_read(&self, user: UserInfo) -> Result<bool, Refusal> {
        self.counters.request("create", "subjectaccessreviews");
        let review = SubjectAccessReview {
            spec: SubjectAccessReviewSpec {
                user: user.username,
                uid: user.uid,
                groups: user.groups,
                extra: user.extra,
                non_resource_attributes: Some(NonResourceAttributes {
                    path: Some(PATH.to_owned()),
                    verb: Some("get".to_owned()),
                }),
                ..SubjectAccessReviewSpec::default()
            },
            ..SubjectAccessReview::default()
        };
        let api: Api<SubjectAccessReview> = Api::all(self.client.clone());
        let answer = api.create(&PostParams::default(), &review).await;
        let status = answer.map_err(|error| unanswered(&error))?.status;
        Ok(status.is_some_and(|status| status.allowed && status.denied != Some(true)))
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, TokenCache> {
        lock(&self.cache)
    }
}

async fn authorize(State(access): State<Access>, request: Request, next: Next) -> Response {
    match access.check(request.headers()).await {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    }
}

fn unanswered(error: &kube::Error) -> Refusal {
    tracing::warn!(%error, "the API server did not answer a review of a metrics token");
    Refusal::Unanswered
}

/// Bearer token of the request; `None` if it is missing, empty or too long.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let text = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = text.split_once(' ')?;
    let token = token.trim();
    let possible = !token.is_empty() && token.len() <= LONGEST;
    (scheme.eq_ignore_ascii_case("bearer") && possible).then_some(token)
}

/// Authorized tokens by their SHA-256 digest, with the time of the review.
#[derive(Default)]
struct TokenCache(HashMap<[u8; 32], Instant>);

impl TokenCache {
    fn contains(&self, digest: &[u8; 32], now: Instant) -> bool {
        let since = self.0.get(digest);
        since.is_some_and(|since| now.duration_since(*since) < CACHE_TIME)
    }

    fn insert(&mut self, digest: [u8; 32], now: Instant) {
        self.0
            .retain(|_, since| now.duration_since(*since) < CACHE_TIME);
        if self.0.len() >= CACHE_SIZE {
            let oldest = self.0.iter().min_by_key(|(_, since)| **since);
            if let Some(oldest) = oldest.map(|(digest, _)| *digest) {
                self.0.remove(&oldest);
            }
        }
        self.0.insert(digest, now);
    }
}

#[cfg(test)]
mod tests;
