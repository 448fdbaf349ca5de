//! [`serve`]: an HTTP listener with limits on connections, bytes and time.
//!
//! Every pod in the cluster reaches these ports. Connections are counted, and the one that has been idle the
//! longest makes room for the next; a request has seconds; the bytes of all requests that are being read
//! share one limit. Connections without a request so far are closed first, so that an API server is served
//! while a thousand others only hold their sockets.

use std::{
    collections::HashMap,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::Body,
    extract::DefaultBodyLimit,
    http::{Request, Response, StatusCode, header::CONTENT_LENGTH},
    response::IntoResponse,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::{Notify, Semaphore},
    task::JoinSet,
};
use tower::Service;

use super::clock;

/// Time limits of the parts of a connection.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// A TLS handshake; and until the first request begins.
    pub first: Duration,
    /// The head of each further request. API servers keep a connection for 90 seconds: they close it
    /// first, since a request that meets a closed connection is not sent again.
    pub idle: Duration,
    /// A request and its answer. API servers wait for ten seconds.
    pub request: Duration,
}

const TIMES: Times = Times {
    first: Duration::from_secs(10),
    idle: Duration::from_mins(2),
    request: Duration::from_secs(12),
};
/// Bytes of the head of a request.
const HEAD: usize = 64 << 10;

/// Resource limits of a listener.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at the same time.
    pub connections: usize,
    /// Bytes of one request.
    pub body: usize,
    /// Bytes of all requests that are being read or answered.
    pub in_flight: usize,
    /// Time limits of a connection and its requests.
    pub times: Times,
}

/// Metrics and health: requests have no body.
pub const SMALL: Limits = Limits {
    connections: 64,
    body: 64 << 10,
    in_flight: 1 << 20,
    times: TIMES,
};
/// Reviews: an object and the one that it replaces. Four of the largest at once.
pub const REVIEWS: Limits = Limits {
    connections: 512,
    body: 7 << 20,
    in_flight: 28 << 20,
    times: TIMES,
};
/// Conversions: a list may come as a whole.
pub const CONVERSIONS: Limits = Limits {
    connections: 256,
    body: 16 << 20,
    in_flight: 16 << 20,
    times: TIMES,
};

/// Serves `router` for ever on the streams that `open` returns, such as after a TLS handshake.
pub async fn serve<S, F>(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    open: impl Fn(TcpStream) -> F,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    F: Future<Output = Option<S>> + Send + 'static,
{
    let guests = Guests::default();
    let account = Arc::new(Semaphore::new(kib(limits.in_flight)));
    let router = router.layer(DefaultBodyLimit::max(limits.body));
    // They end with the listener.
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of file descriptors, most likely: some will be given back.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_secs(1)).await;
                continue;
            }
        };
        let Some(guest) = guests.admit(limits.connections) else {
            continue;
        };
        let service = Metered {
            inner: router.clone(),
            limits,
            account: account.clone(),
            guest: guest.clone(),
        };
        let opened = open(stream);
        let times = limits.times;
        connections.spawn(async move {
            tokio::select! {
                () = converse(opened, service, times) => {}
                () = guest.leave.notified() => {}
                () = guest.silent(times.first) => {}
            }
        });
    }
}

async fn converse<S>(opened: impl Future<Output = Option<S>>, service: Metered, times: Times)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    // Whoever breaks a handshake off hears of it; the operator need not.
    let Ok(Some(stream)) = tokio::time::timeout(times.first, opened).await else {
        return;
    };
    let mut builder = auto::Builder::new(TokioExecutor::new()).http1_only();
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(times.idle)
        .max_buf_size(HEAD);
    let _ = builder
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service))
        .await;
}

/// Open connections of a listener.
#[derive(Clone, Default)]
struct Guests {
    all: Arc<Mutex<HashMap<u64, Arc<Place>>>>,
}

/// State of one open connection.
struct Place {
    number: u64,
    requests: AtomicU32,
    has_asked: AtomicBool,
    idle_since: Mutex<Instant>,
    leave: Notify,
}

/// A connection for as long as it lasts.
#[derive(Clone)]
struct Guest {
    place: Arc<Place>,
    _entry: Arc<Entry>,
}

struct Entry {
    guests: Guests,
    number: u64,
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.guests.locked().remove(&self.number);
    }
}

impl std::ops::Deref for Guest {
    type Target = Place;

    fn deref(&self) -> &Place {
        &self.place
    }
}

impl Guests {
    fn locked(&self) -> std::sync::MutexGuard<'_, HashMap<u64, Arc<Place>>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for one more; `None` if there are `most` and all of them are being answered.
    fn admit(&self, most: usize) -> Option<Guest> {
        static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
        let mut all = self.locked();
        if all.len() >= most {
            let idle = all.values().filter(|place| place.is_idle());
            // Whoever has never asked for anything goes before all others.
            let longest = idle
                .min_by_key(|place| (place.has_asked.load(Ordering::Relaxed), place.idle_since()));
            let number = longest?.number;
            if let Some(place) = all.remove(&number) {
                place.leave.notify_one();
            }
        }
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let place = Arc::new(Place {
            number,
            requests: AtomicU32::new(0),
            has_asked: AtomicBool::new(false),
            idle_since: Mutex::new(clock::instant()),
            leave: Notify::new(),
        });
        all.insert(number, place.clone());
        let guests = self.clone();
        Some(Guest {
            place,
            _entry: Arc::new(Entry { guests, number }),
        })
    }
}

impl Place {
    fn is_idle(&self) -> bool {
        self.requests.load(Ordering::Relaxed) == 0
    }

    fn idle_since(&self) -> Instant {
        *self
            .idle_since
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Completes if nothing has been asked when the first request should have begun.
    async fn silent(&self, first: Duration) {
        tokio::time::sleep(first).await;
        if self.has_asked.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
    }
}

/// A request that is being answered.
struct Busy(Guest);

impl Busy {
    fn new(guest: &Guest) -> Self {
        guest.has_asked.store(true, Ordering::Relaxed);
        guest.requests.fetch_add(1, Ordering::Relaxed);
        Self(guest.clone())
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let now = clock::instant();
        *self
            .0
            .idle_since
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = now;
        self.0.requests.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A router behind the account of bytes and the clock.
#[derive(Clone)]
struct Metered {
    inner: Router,
    limits: Limits,
    account: Arc<Semaphore>,
    guest: Guest,
}

type Answer = Response<Body>;

impl<B> Service<Request<B>> for Metered
where
    B: http_body::Body<Data = axum::body::Bytes> + Send + 'static,
    B::Error: Into<axum::BoxError>,
{
    type Response = Answer;
    type Error = std::convert::Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Answer, Self::Error>> + Send>>;

    fn poll_ready(
        &mut self,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), Self::Error>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let busy = Busy::new(&self.guest);
        let Self {
            limits, account, ..
        } = self;
        let (limits, account) = (*limits, account.clone());
        let mut inner = self.inner.clone();
        Box::pin(async move {
            let _busy = busy;
            let Some(size) = size(&request, limits) else {
                let text = format!("the body has more than {} bytes", limits.body);
                return Ok((StatusCode::PAYLOAD_TOO_LARGE, text).into_response());
            };
            let answered = tokio::time::timeout(limits.times.request, async {
                // It is never closed.
                let _paid = account.acquire_many(size).await;
                inner.call(request.map(Body::new)).await
            });
            Ok(match answered.await {
                Ok(Ok(answer)) => answer,
                Ok(Err(never)) => match never {},
                Err(_) => {
                    let time = limits.times.request;
                    let text = format!("not done within {time:?}: send it again");
                    (StatusCode::SERVICE_UNAVAILABLE, text).into_response()
                }
            })
        })
    }
}

/// KiB that a request takes of the shared limit; `None` if its Content-Length is too large.
fn size<B: http_body::Body>(request: &Request<B>, limits: Limits) -> Option<u32> {
    let said = request.headers().get(CONTENT_LENGTH);
    let said = said.and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    // Without a length it may be anything, if there is a body at all.
    let bytes = said.unwrap_or(if request.body().is_end_stream() {
        0
    } else {
        limits.body
    });
    let small = (bytes <= limits.body).then(|| kib(bytes))?;
    u32::try_from(small).ok()
}

fn kib(bytes: usize) -> usize {
    bytes / 1024 + 1
}

#[cfg(test)]
#[path = "listen_tests.rs"]
mod tests;
