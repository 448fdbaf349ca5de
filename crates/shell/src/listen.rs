//! [`serve`]: an HTTP listener with limits on connections, bytes and time.
//!
//! Every pod in the cluster reaches these ports. Connections are counted, and the one that has been idle the
//! longest makes room for the next; a request has seconds; the bytes of all large requests that are being read
//! share one limit. Connections without a request so far are closed first, so that an API server is served
//! while a thousand others only hold their sockets.

use std::{
    collections::HashMap,
    pin::Pin,
    sync::{
        Arc, Mutex,
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

use super::{clock, lock::lock};

/// Time limits of the parts of a connection.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// Time for a TLS handshake, and until the first request begins.
    pub first: Duration,
    /// Time for the head of each further request. API servers keep a connection for 90 seconds: they close it
    /// first, since a request that meets a closed connection is not sent again.
    pub idle: Duration,
    /// Time for a request and its answer. API servers wait for ten seconds.
    pub request: Duration,
}

const TIMES: Times = Times {
    first: Duration::from_secs(10),
    idle: Duration::from_mins(2),
    request: Duration::from_secs(12),
};
/// Bytes of the head of a request.
const HEAD: usize = 64 << 10;
/// Bytes of a body that take nothing of the shared limit, so that few senders of large bodies, however slow, do not hold
/// up the usual ones. The number of connections limits how many of them there are.
const UNSHARED: usize = 64 << 10;

/// Resource limits of a listener.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at the same time.
    pub connections: usize,
    /// Bytes of one request.
    pub body: usize,
    /// Bytes of all requests that are being read or answered, without those of [`UNSHARED`] or fewer.
    pub in_flight: usize,
    /// Time limits of a connection and its requests.
    pub times: Times,
}

/// Limits for metrics and health, whose requests have no body.
pub const SMALL: Limits = Limits {
    connections: 64,
    body: 64 << 10,
    in_flight: 1 << 20,
    times: TIMES,
};
/// Limits for admission reviews, which carry an object and the one that it replaces: four of the largest at the same
/// time.
pub const REVIEWS: Limits = Limits {
    connections: 512,
    body: 7 << 20,
    in_flight: 28 << 20,
    times: TIMES,
};
/// Limits for conversions, which may carry a whole list.
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
    let table = ConnectionTable::default();
    let budget = Arc::new(Semaphore::new(kib(limits.in_flight)));
    let router = router.layer(DefaultBodyLimit::max(limits.body));
    // Connections end with the listener.
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                // The process is probably out of file descriptors, and some connection will close.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_secs(1)).await;
                continue;
            }
        };
        let Some(connection) = table.admit(limits.connections) else {
            continue;
        };
        let service = Metered {
            inner: router.clone(),
            limits,
            budget: budget.clone(),
            connection: connection.clone(),
        };
        let opened = open(stream);
        let times = limits.times;
        connections.spawn(async move {
            tokio::select! {
                () = serve_stream(opened, service, times) => {}
                () = connection.close.notified() => {}
                () = connection.no_request_within(times.first) => {}
            }
        });
    }
}

async fn serve_stream<S>(opened: impl Future<Output = Option<S>>, service: Metered, times: Times)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    // A failed handshake is the client's error and is not logged.
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
struct ConnectionTable {
    all: Arc<Mutex<HashMap<u64, Arc<ConnectionState>>>>,
}

/// State of one open connection.
struct ConnectionState {
    number: u64,
    requests: AtomicU32,
    has_requested: AtomicBool,
    idle_since: Mutex<Instant>,
    close: Notify,
}

/// An open connection; its last clone removes it from the table.
#[derive(Clone)]
struct Connection {
    state: Arc<ConnectionState>,
    _registration: Arc<Registration>,
}

struct Registration {
    table: ConnectionTable,
    number: u64,
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.table.locked().remove(&self.number);
    }
}

impl std::ops::Deref for Connection {
    type Target = ConnectionState;

    fn deref(&self) -> &ConnectionState {
        &self.state
    }
}

impl ConnectionTable {
    fn locked(&self) -> std::sync::MutexGuard<'_, HashMap<u64, Arc<ConnectionState>>> {
        lock(&self.all)
    }

    /// Adds a connection; `None` if there are `most` already and each of them has a request in flight.
    fn admit(&self, most: usize) -> Option<Connection> {
        static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
        let mut all = self.locked();
        if all.len() >= most {
            let idle = all.values().filter(|state| state.is_idle());
            // Connections without a request so far are closed first.
            let longest = idle.min_by_key(|state| {
                (
                    state.has_requested.load(Ordering::Relaxed),
                    state.idle_since(),
                )
            });
            let number = longest?.number;
            if let Some(state) = all.remove(&number) {
                state.close.notify_one();
            }
        }
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let state = Arc::new(ConnectionState {
            number,
            requests: AtomicU32::new(0),
            has_requested: AtomicBool::new(false),
            idle_since: Mutex::new(clock::instant()),
            close: Notify::new(),
        });
        all.insert(number, state.clone());
        let table = self.clone();
        Some(Connection {
            state,
            _registration: Arc::new(Registration { table, number }),
        })
    }
}

impl ConnectionState {
    fn is_idle(&self) -> bool {
        self.requests.load(Ordering::Relaxed) == 0
    }

    fn idle_since(&self) -> Instant {
        *lock(&self.idle_since)
    }

    /// Completes after `first` if no request has begun by then; otherwise never.
    async fn no_request_within(&self, first: Duration) {
        tokio::time::sleep(first).await;
        if self.has_requested.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
    }
}

/// A request that is being read or answered.
struct InFlight(Connection);

impl InFlight {
    fn new(connection: &Connection) -> Self {
        connection.has_requested.store(true, Ordering::Relaxed);
        connection.requests.fetch_add(1, Ordering::Relaxed);
        Self(connection.clone())
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let now = clock::instant();
        *lock(&self.0.idle_since) = now;
        self.0.requests.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Service that limits the bytes and the time of the requests to a router.
#[derive(Clone)]
struct Metered {
    inner: Router,
    limits: Limits,
    budget: Arc<Semaphore>,
    connection: Connection,
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
        let in_flight = InFlight::new(&self.connection);
        let Self { limits, budget, .. } = self;
        let (limits, budget) = (*limits, budget.clone());
        let mut inner = self.inner.clone();
        Box::pin(async move {
            let _in_flight = in_flight;
            let Some(size) = size(&request, limits) else {
                let text = format!("the body has more than {} bytes", limits.body);
                return Ok((StatusCode::PAYLOAD_TOO_LARGE, text).into_response());
            };
            let answered = tokio::time::timeout(limits.times.request, async {
                // The semaphore is never closed.
                let _permit = budget.acquire_many(size).await;
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

/// KiB that a request takes of the shared limit, 0 for a small one; `None` if its Content-Length is too large.
fn size<B: http_body::Body>(request: &Request<B>, limits: Limits) -> Option<u32> {
    let declared = request.headers().get(CONTENT_LENGTH);
    let declared = declared.and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    // A body without a declared length counts as the largest that is allowed.
    let bytes = declared.unwrap_or(if request.body().is_end_stream() {
        0
    } else {
        limits.body
    });
    if bytes > limits.body {
        return None;
    }
    u32::try_from(if bytes <= UNSHARED { 0 } else { kib(bytes) }).ok()
}

fn kib(bytes: usize) -> usize {
    bytes / 1024 + 1
}

#[cfg(test)]
mod tests;
