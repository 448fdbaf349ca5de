use k8s_openapi::api::core::v1::Namespace;
use kamaji_e2e::pki::Authority;
use kube::Api;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::*;

fn target(authority: &Authority, uid: &str) -> Target {
    let admin = authority.client("admin", None).unwrap();
    Target {
        uid: uid.to_owned(),
        host: "t.ns.svc".to_owned(),
        address: None,
        port: 6443,
        ca: authority.pair().cert.clone().into(),
        certificate: admin.cert.into(),
        key: admin.key.into(),
    }
}

fn cached_uids(remote: &Remote) -> Vec<String> {
    let clients = remote.clients.lock().unwrap();
    clients.iter().map(|cached| cached.uid.clone()).collect()
}

#[tokio::test]
async fn a_client_is_cached_until_its_credentials_change() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (remote, authority) = (Remote::default(), Authority::new("one").unwrap());
    let mut target = target(&authority, "u");
    remote.client(&target).unwrap();
    let first = remote.clients.lock().unwrap()[0].digest;
    remote.client(&target).unwrap();
    assert_eq!(cached_uids(&remote), ["u"]);
    assert_eq!(remote.clients.lock().unwrap()[0].digest, first);
    target.ca = Authority::new("two").unwrap().pair().cert.clone().into();
    remote.client(&target).unwrap();
    assert_eq!(cached_uids(&remote), ["u"], "one client for each tenant");
    assert_ne!(remote.clients.lock().unwrap()[0].digest, first);
}

#[tokio::test]
async fn the_least_recently_used_client_is_evicted() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (remote, authority) = (Remote::default(), Authority::new("one").unwrap());
    let mut target = target(&authority, "0");
    for number in 0..CAPACITY {
        target.uid = number.to_string();
        remote.client(&target).unwrap();
    }
    target.uid = "0".to_owned();
    remote.client(&target).unwrap();
    target.uid = "one more".to_owned();
    remote.client(&target).unwrap();
    let uids = cached_uids(&remote);
    assert_eq!(uids.len(), CAPACITY);
    assert!(uids.contains(&"0".to_owned()) && !uids.contains(&"1".to_owned()));
}

#[tokio::test]
async fn an_invalid_key_is_refused_without_showing_it() {
    let (remote, authority) = (Remote::default(), Authority::new("one").unwrap());
    let mut target = target(&authority, "u");
    target.key = b"not a key".to_vec();
    let Err(error) = remote.client(&target) else {
        panic!("an invalid key must be refused");
    };
    assert!(
        error.to_string().contains("kubeconfig cannot be used"),
        "{error}"
    );
    assert!(!format!("{target:?}").contains("not a key"));
}

/// Starts a TLS server that answers every request with `answer`, followed by blanks for ever if `endless`.
async fn start_server(authority: &Authority, answer: &'static str, endless: bool) -> u16 {
    let pair = authority.server("t", &["t.ns.svc"]).unwrap();
    let chain = vec![CertificateDer::from_pem_slice(pair.cert.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else {
                    return;
                };
                let _ = stream.read(&mut [0; 4096]).await;
                let _ = stream.write_all(answer.as_bytes()).await;
                let block = vec![b' '; 64 << 10];
                while endless && stream.write_all(&block).await.is_ok() {}
                let _ = stream.shutdown().await;
            });
        }
    });
    port
}

/// Resident memory of this process in bytes.
fn resident() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    text.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

#[tokio::test(flavor = "multi_thread")]
async fn endless_answers_of_tenants_use_little_memory_and_delay_no_other_tenant() {
    const ENDLESS: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n{";
    const SHORT: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 57\r\n\r\n{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\":{\"n\":1}}";
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (remote, authority) = (Remote::default(), Authority::new("one").unwrap());
    let (hostile, sound) = (
        start_server(&authority, ENDLESS, true).await,
        start_server(&authority, SHORT, false).await,
    );
    let at = |uid: String, port| {
        let mut target = target(&authority, &uid);
        target.address = Some([127, 0, 0, 1].into());
        target.port = port;
        Api::<Namespace>::all(remote.client(&target).unwrap())
    };
    let before = resident();
    let requests = (0..32).map(|number| {
        let api = at(format!("hostile {number}"), hostile);
        tokio::spawn(async move { api.get("default").await })
    });
    let requests: Vec<_> = requests.collect();
    let neighbour = at("neighbour".to_owned(), sound);
    let begin = super::super::clock::instant();
    neighbour
        .get("default")
        .await
        .expect("a neighbour is served");
    assert!(
        begin.elapsed() < Duration::from_secs(5),
        "{:?}",
        begin.elapsed()
    );
    let mut peak = 0;
    for request in requests {
        while !request.is_finished() {
            peak = peak.max(resident());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let error = request.await.unwrap().expect_err("the answer does not end");
        let text = format!("{error:?}");
        assert!(
            text.contains("TooLong") || text.contains("TooMany"),
            "{text}"
        );
    }
    let growth = peak.saturating_sub(before) >> 20;
    assert!(growth < 200, "{growth} MiB");
}
