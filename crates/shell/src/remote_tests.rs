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

fn kept(remote: &Remote) -> Vec<String> {
    let kept = remote.kept.lock().unwrap();
    kept.iter().map(|kept| kept.uid.clone()).collect()
}

#[tokio::test]
async fn a_connection_is_kept_until_its_material_changes() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (remote, authority) = (Remote::default(), Authority::new("one").unwrap());
    let mut target = target(&authority, "u");
    remote.client(&target).unwrap();
    let first = remote.kept.lock().unwrap()[0].digest;
    remote.client(&target).unwrap();
    assert_eq!(kept(&remote), ["u"]);
    assert_eq!(remote.kept.lock().unwrap()[0].digest, first);
    target.ca = Authority::new("two").unwrap().pair().cert.clone().into();
    remote.client(&target).unwrap();
    assert_eq!(kept(&remote), ["u"], "one for each tenant");
    assert_ne!(remote.kept.lock().unwrap()[0].digest, first);
}

#[tokio::test]
async fn the_connection_that_was_used_least_recently_makes_room() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (remote, authority) = (Remote::default(), Authority::new("one").unwrap());
    let mut target = target(&authority, "0");
    for number in 0..KEPT {
        target.uid = number.to_string();
        remote.client(&target).unwrap();
    }
    target.uid = "0".to_owned();
    remote.client(&target).unwrap();
    target.uid = "one more".to_owned();
    remote.client(&target).unwrap();
    let kept = kept(&remote);
    assert_eq!(kept.len(), KEPT);
    assert!(kept.contains(&"0".to_owned()) && !kept.contains(&"1".to_owned()));
}

#[tokio::test]
async fn damaged_material_is_told_without_showing_it() {
    let (remote, authority) = (Remote::default(), Authority::new("one").unwrap());
    let mut target = target(&authority, "u");
    target.key = b"not a key".to_vec();
    let Err(error) = remote.client(&target) else {
        panic!("a key that is none must be refused");
    };
    assert!(
        error.to_string().contains("kubeconfig cannot be used"),
        "{error}"
    );
    assert!(!format!("{target:?}").contains("not a key"));
}

/// An "API server" that answers every request with `answer`, and then with the same bytes for ever.
async fn serves(authority: &Authority, answer: &'static str, endless: bool) -> u16 {
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

/// Bytes of this process that are in memory.
fn resident() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    text.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

#[tokio::test(flavor = "multi_thread")]
async fn tenants_that_answer_endlessly_cost_little_and_delay_no_neighbour() {
    const ENDLESS: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n{";
    const FINE: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 57\r\n\r\n{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\":{\"n\":1}}";
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (remote, authority) = (Remote::default(), Authority::new("one").unwrap());
    let (hostile, fine) = (
        serves(&authority, ENDLESS, true).await,
        serves(&authority, FINE, false).await,
    );
    let at = |uid: String, port| {
        let mut target = target(&authority, &uid);
        target.address = Some([127, 0, 0, 1].into());
        target.port = port;
        Api::<Namespace>::all(remote.client(&target).unwrap())
    };
    let before = resident();
    let visits = (0..32).map(|number| {
        let api = at(format!("hostile {number}"), hostile);
        tokio::spawn(async move { api.get("default").await })
    });
    let visits: Vec<_> = visits.collect();
    let neighbour = at("neighbour".to_owned(), fine);
    let begun = super::super::clock::instant();
    neighbour
        .get("default")
        .await
        .expect("a neighbour is served");
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "{:?}",
        begun.elapsed()
    );
    let mut most = 0;
    for visit in visits {
        while !visit.is_finished() {
            most = most.max(resident());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let error = visit.await.unwrap().expect_err("there is no end");
        let text = format!("{error:?}");
        assert!(
            text.contains("TooLong") || text.contains("TooMany"),
            "{text}"
        );
    }
    let grown = most.saturating_sub(before) >> 20;
    assert!(grown < 200, "{grown} MiB");
}
