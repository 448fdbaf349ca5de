//! Servers for metrics, health and webhooks, with TLS certificates that can be exchanged at run time.

use std::{
    net::SocketAddr,
    sync::{
        Arc, RwLock,
        atomic::{AtomicBool, Ordering},
    },
};

use axum::{
    Router,
    http::{StatusCode, header::CONTENT_TYPE},
    routing::get,
};
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::{
    listen::{self, Limits},
    lock,
    metrics_access::Access,
    telemetry::Metrics,
    watchdog::Watchdog,
};

/// Error with which a server could not start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address is in use or belongs to another host.
    #[error("cannot listen on {address}: {source}; choose another address with the flag")]
    Listen {
        /// Address of the listener.
        address: SocketAddr,
        /// Error of the operating system.
        #[source]
        source: std::io::Error,
    },
    /// Certificate or key cannot be parsed, or do not match.
    #[error("the serving certificate cannot be used: {0}")]
    Certificate(String),
}

/// Content type of the metrics.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

async fn listen(address: SocketAddr) -> Result<TcpListener, ServeError> {
    TcpListener::bind(address)
        .await
        .map_err(|source| ServeError::Listen { address, source })
}

/// Serves `/metrics` for ever; with `secure` over TLS and to authorized requests only.
pub async fn metrics(
    address: SocketAddr,
    metrics: Metrics,
    secure: Option<(Access, Certificates)>,
) -> Result<(), ServeError> {
    let text = move || async move { ([(CONTENT_TYPE, OPEN_METRICS)], metrics.text()) };
    let router = Router::new().route("/metrics", get(text));
    match secure {
        Some((access, certificates)) => {
            let router = access.wrap(router);
            tls(address, router, listen::SMALL, certificates).await
        }
        None => plain(address, router).await,
    }
}

/// Serves `/healthz` and `/readyz` for ever: 200 while no part of the work is stalled, and while `ready` is true; 503
/// otherwise.
pub async fn health<F>(address: SocketAddr, ready: F, watchdog: Watchdog) -> Result<(), ServeError>
where
    F: Fn() -> bool + Clone + Send + Sync + 'static,
{
    plain(address, health_router(ready, watchdog)).await
}

fn health_router<F>(ready: F, watchdog: Watchdog) -> Router
where
    F: Fn() -> bool + Clone + Send + Sync + 'static,
{
    let healthz = move || async move {
        match watchdog.stalled() {
            None => (StatusCode::OK, "ok".to_owned()),
            Some(part) => (
                StatusCode::SERVICE_UNAVAILABLE,
                format!("the work on {part} is stalled: this process must start anew"),
            ),
        }
    };
    let readyz = move || async move {
        if ready() {
            (StatusCode::OK, "ok")
        } else {
            (
                StatusCode::SERVICE_UNAVAILABLE,
                "the first lists are not complete, or the webhooks do not answer yet",
            )
        }
    };
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
}

async fn plain(address: SocketAddr, router: Router) -> Result<(), ServeError> {
    let listener = listen(address).await?;
    let open = |stream| std::future::ready(Some(stream));
    listen::serve(listener, router, listen::SMALL, open).await;
    Ok(())
}

/// Serving certificate that can be exchanged while connections are accepted.
#[derive(Clone, Debug, Default)]
pub struct Certificates {
    current: Arc<RwLock<Option<Arc<CertifiedKey>>>>,
    listens: Arc<AtomicBool>,
}

impl Certificates {
    /// Replaces certificate chain and private key, both in PEM.
    pub fn set(&self, certificate: &[u8], key: &[u8]) -> Result<(), ServeError> {
        let invalid = |text: String| ServeError::Certificate(text);
        let chain: Vec<CertificateDer> = CertificateDer::pem_slice_iter(certificate)
            .collect::<Result<_, _>>()
            .map_err(|_| invalid("the certificates are not PEM".to_owned()))?;
        // The parser's own message may quote the key.
        let key = PrivateKeyDer::from_pem_slice(key)
            .map_err(|_| invalid("the private key is not PEM".to_owned()))?;
        let key = rustls::crypto::ring::sign::any_supported_type(&key)
            .map_err(|e| invalid(e.to_string()))?;
        let pair = CertifiedKey::new(chain, key);
        pair.keys_match().map_err(|e| invalid(e.to_string()))?;
        *lock::write(&self.current) = Some(Arc::new(pair));
        Ok(())
    }

    /// The same certificate for a further listener.
    #[must_use]
    pub fn shared(&self) -> Self {
        Self {
            current: self.current.clone(),
            listens: Arc::default(),
        }
    }

    /// True once a certificate is set and its listener accepts connections.
    pub fn is_served(&self) -> bool {
        self.is_set() && self.listens.load(Ordering::Relaxed)
    }

    /// True once a certificate is set.
    pub fn is_set(&self) -> bool {
        lock::read(&self.current).is_some()
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        lock::read(&self.current).clone()
    }
}

/// Serves `router` over TLS for ever, within `limits`.
pub async fn tls(
    address: SocketAddr,
    router: Router,
    limits: Limits,
    certificates: Certificates,
) -> Result<(), ServeError> {
    let listener = listen(address).await?;
    certificates.listens.store(true, Ordering::Relaxed);
    serve_tls(listener, router, limits, certificates).await
}

async fn serve_tls(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    certificates: Certificates,
) -> Result<(), ServeError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| ServeError::Certificate(error.to_string()))?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(certificates));
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let open = |stream| {
        let handshake = acceptor.accept(stream);
        async { handshake.await.ok() }
    };
    listen::serve(listener, router, limits, open).await;
    Ok(())
}

#[cfg(test)]
mod tests;
