use kamaji_e2e::pki::Authority;
use rustls::{ClientConfig, RootCertStore, pki_types::ServerName};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

use super::*;

/// Answer of `/hello` to a client that trusts `authority`; `None` if the TLS handshake fails.
async fn get_hello(address: SocketAddr, authority: &Authority) -> Option<String> {
    let mut roots = RootCertStore::empty();
    let ca = CertificateDer::from_pem_slice(authority.pair().cert.as_bytes()).unwrap();
    roots.add(ca).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("webhook.ns.svc").unwrap();
    let connected = TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await;
    let mut stream = connected.ok()?;
    let request = b"GET /hello HTTP/1.1\r\nhost: webhook.ns.svc\r\nconnection: close\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.ok()?;
    Some(String::from_utf8(answer).unwrap())
}

fn set_certificate(certificates: &Certificates, authority: &Authority) {
    let pair = authority.server("webhook", &["webhook.ns.svc"]).unwrap();
    let set = certificates.set(pair.cert.as_bytes(), pair.key.as_bytes());
    set.unwrap();
}

#[tokio::test]
async fn a_certificate_is_exchanged_while_the_server_runs() {
    let (one, two) = (
        Authority::new("one").unwrap(),
        Authority::new("two").unwrap(),
    );
    let certificates = Certificates::default();
    let listener = listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new().route("/hello", get(|| async { "good day" }));
    let served = serve_tls(listener, router, listen::REVIEWS, certificates.clone());
    tokio::spawn(served);
    assert!(!certificates.is_set());
    assert_eq!(
        get_hello(address, &one).await,
        None,
        "no certificate is set"
    );
    set_certificate(&certificates, &one);
    assert!(
        get_hello(address, &one)
            .await
            .unwrap()
            .ends_with("good day")
    );
    assert_eq!(get_hello(address, &two).await, None);
    set_certificate(&certificates, &two);
    assert!(
        get_hello(address, &two)
            .await
            .unwrap()
            .ends_with("good day")
    );
    assert_eq!(get_hello(address, &one).await, None);
}

#[test]
fn a_certificate_with_the_key_of_another_is_refused_and_the_old_one_stays() {
    let authority = Authority::new("one").unwrap();
    let certificates = Certificates::default();
    set_certificate(&certificates, &authority);
    let pair = authority.server("webhook", &["webhook.ns.svc"]).unwrap();
    let other = authority.server("webhook", &["webhook.ns.svc"]).unwrap();
    assert!(
        certificates
            .set(pair.cert.as_bytes(), other.key.as_bytes())
            .is_err()
    );
    assert!(certificates.set(b"", pair.key.as_bytes()).is_err());
    assert!(certificates.is_set());
}

#[tokio::test]
async fn an_address_in_use_is_named_in_the_error() {
    let taken = listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = taken.local_addr().unwrap();
    let error = health(address, || true, Watchdog::default())
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains(&address.to_string()), "{error}");
}

async fn status(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn a_replica_is_healthy_at_once_and_ready_once_the_lists_are_complete() {
    use std::sync::atomic::{AtomicBool, Ordering};
    static READY: AtomicBool = AtomicBool::new(false);
    let address = free_address().await;
    let ready = || READY.load(Ordering::SeqCst);
    tokio::spawn(health(address, ready, Watchdog::default()));
    wait_until_reachable(address).await;
    assert!(
        status(address, "/healthz")
            .await
            .starts_with("HTTP/1.1 200")
    );
    assert!(status(address, "/readyz").await.starts_with("HTTP/1.1 503"));
    READY.store(true, Ordering::SeqCst);
    assert!(status(address, "/readyz").await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_replica_whose_work_is_stalled_is_not_healthy() {
    let (address, watchdog) = (free_address().await, Watchdog::default());
    watchdog.beat("tenants");
    tokio::spawn(health(address, || true, watchdog.clone()));
    wait_until_reachable(address).await;
    let healthy = async || {
        status(address, "/healthz")
            .await
            .starts_with("HTTP/1.1 200")
    };
    assert!(healthy().await);
    watchdog.stall("tenants");
    let answer = status(address, "/healthz").await;
    assert!(
        answer.starts_with("HTTP/1.1 503") && answer.contains("tenants"),
        "{answer}"
    );
    watchdog.beat("tenants");
    assert!(healthy().await);
}

#[tokio::test]
async fn metrics_are_served_with_the_content_type_of_open_metrics() {
    let address = free_address().await;
    tokio::spawn(super::metrics(address, Metrics::default(), None));
    wait_until_reachable(address).await;
    let answer = status(address, "/metrics").await;
    assert!(answer.contains(OPEN_METRICS), "{answer}");
    assert!(answer.contains("kamaji_build_info{"), "{answer}");
    assert!(answer.trim_end().ends_with("# EOF"), "{answer}");
}

#[tokio::test]
async fn a_certificate_is_served_once_its_own_listener_accepts_connections() {
    let (certificates, authority) = (Certificates::default(), Authority::new("one").unwrap());
    set_certificate(&certificates, &authority);
    let metrics = certificates.shared();
    assert!(certificates.is_set() && !certificates.is_served());
    let address = free_address().await;
    tokio::spawn(tls(address, Router::new(), listen::SMALL, metrics.clone()));
    wait_until_reachable(address).await;
    assert!(metrics.is_served() && !certificates.is_served());
    let taken = tls(address, Router::new(), listen::SMALL, certificates.clone()).await;
    assert!(taken.is_err() && !certificates.is_served());
    let address = free_address().await;
    tokio::spawn(tls(
        address,
        Router::new(),
        listen::SMALL,
        certificates.clone(),
    ));
    wait_until_reachable(address).await;
    assert!(certificates.is_served());
}

async fn free_address() -> SocketAddr {
    let listener = listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
    listener.local_addr().unwrap()
}

async fn wait_until_reachable(address: SocketAddr) {
    while TcpStream::connect(address).await.is_err() {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}
