//! Hostile input to an operator that runs as a process under a memory limit: the process goes on, and a neighbour
//! converges in time.

use std::{
    net::{IpAddr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::{Body, Bytes},
    http::header::{CONTENT_TYPE, TRANSFER_ENCODING},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use futures::{StreamExt, stream};
use k8s_openapi::api::core::v1::Service;
use kamaji_e2e::ports::free_port;
use kamaji_shell::{
    listen,
    serve::{self, Certificates},
};
use kube::{Api, Client, Config, client::Body as Sent};
use serde_json::{Value, json};
use tokio::{net::TcpStream, task::JoinSet};

use crate::{
    admission::{create, install_webhooks},
    control_plane::{LOOPBACK, report_deployment_status},
    environment::{Environment, NAMESPACE, tenant, wait_until},
    process::Process,
};

/// Bytes of private memory that the operator may have: half the limit of its package.
const LIMIT: u64 = 512 << 20;
/// Time for a neighbour's objects.
const NEIGHBOUR: Duration = Duration::from_secs(30);
/// Tenants whose API servers answer without end.
const ENDLESS: [&str; 4] = ["endless-a", "endless-b", "endless-c", "endless-d"];
/// Tenants whose API servers answer with what takes a hundred times its size once it is parsed.
const DENSE: [&str; 4] = ["dense-a", "dense-b", "dense-c", "dense-d"];
/// Requests to the webhooks at the same time, without those of the API server.
const POSTS: usize = 12;
/// Connections to the webhooks that send nothing.
const IDLE: usize = 2000;

/// A part of a body without end.
static BLOCK: [u8; 64 << 10] = [b' '; 64 << 10];
/// A body of a hundred MB.
static LONG: [u8; 100_000_000] = [0; 100_000_000];

/// Patches of which each doubles the document: 4 KB become 4 GB.
fn copies() -> Value {
    let patches: Value = (0..20)
        .map(|n| json!({"op": "copy", "from": "", "path": format!("/x{n}")}))
        .collect();
    json!({"kubernetes": {"kubelet": {"configurationJSONPatches": patches}}})
}

/// JSON lists of objects with one key, of about `bytes` bytes.
fn dense(bytes: usize) -> String {
    let object = r#"{"":0},"#;
    format!("[{}0]", object.repeat(bytes / object.len()))
}

/// A DER element of ASN.1.
fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let length: Vec<u8> = length.into_iter().skip_while(|byte| *byte == 0).collect();
    let mut element = vec![tag];
    if content.len() >= 0x80 {
        element.push(0x80 | u8::try_from(length.len()).unwrap());
    }
    element.extend(if length.is_empty() { vec![0] } else { length });
    element.extend(content);
    element
}

/// A DER integer from little-endian bytes.
fn integer(little_endian: &[u8]) -> Vec<u8> {
    let mut bytes = little_endian.to_vec();
    while bytes.len() > 1 && bytes.last() == Some(&0) {
        bytes.pop();
    }
    if bytes.last().is_some_and(|top| *top >= 0x80) {
        bytes.push(0);
    }
    bytes.reverse();
    der(2, &bytes)
}

/// A consistent RSA key with a modulus of a hundred thousand bits, as PEM. Its factors are 2^p + 1 and 2^q + 1, so that
/// no large number has to be computed.
fn huge_rsa_key() -> String {
    let (p, q) = (49_984, 50_016);
    let sum_of_powers = |exponents: &[usize]| {
        let mut bytes = vec![0; 2 + exponents.iter().max().unwrap() / 8];
        for exponent in exponents {
            bytes[exponent / 8] |= 1 << (exponent % 8);
        }
        bytes
    };
    // The inverse of 2^16 + 1 modulo 2^bits.
    let inverse = |bits: usize| -> Vec<u8> {
        let words = (0..bits / 16).map(|n| match n {
            0 => [1, 0],
            _ if n % 2 == 1 => [0xff, 0xff],
            _ => [0, 0],
        });
        words.flatten().collect()
    };
    let numbers = [
        vec![0],
        sum_of_powers(&[0, p, q, p + q]),
        sum_of_powers(&[0, 16]),
        inverse(q),
        sum_of_powers(&[0, p]),
        sum_of_powers(&[0, q]),
        inverse(p),
        inverse(q),
        vec![1],
    ];
    let key = der(0x30, &numbers.map(|number| integer(&number)).concat());
    let text = STANDARD.encode(key);
    let lines: Vec<_> = text
        .as_bytes()
        .chunks(64)
        .map(String::from_utf8_lossy)
        .collect();
    format!(
        "-----BEGIN RSA PRIVATE KEY-----\n{}\n-----END RSA PRIVATE KEY-----\n",
        lines.join("\n")
    )
}

/// Starts an API server of `tenant` that answers each request with `body`. Returns the number of its requests.
async fn hostile_api_server(
    environment: &Environment,
    tenant: &str,
    body: impl Fn() -> Body + Clone + Send + Sync + 'static,
) -> Arc<AtomicU64> {
    let name = format!("{tenant}-api-server-certificate");
    let data = environment.secret(&name).await.unwrap().data.unwrap();
    let certificates = Certificates::default();
    certificates
        .set(&data["apiserver.crt"].0, &data["apiserver.key"].0)
        .unwrap();
    let services: Api<Service> = Api::namespaced(environment.client.clone(), NAMESPACE);
    let service = services.get(tenant).await.unwrap().spec.unwrap();
    let address: IpAddr = service.cluster_ip.unwrap().parse().unwrap();
    let port = u16::try_from(environment.port(tenant).await).unwrap();
    let requests = Arc::new(AtomicU64::new(0));
    let counted = requests.clone();
    let answer = move || {
        counted.fetch_add(1, Ordering::Relaxed);
        let body = body();
        async move { ([(CONTENT_TYPE, "application/json")], body) }
    };
    let router = Router::new().fallback(answer);
    let address = SocketAddr::new(address, port);
    tokio::spawn(serve::tls(address, router, listen::REVIEWS, certificates));
    requests
}

/// Blocks of 64 KiB without end.
fn endless() -> impl futures::Stream<Item = Result<Bytes, std::convert::Infallible>> {
    stream::repeat(Bytes::from_static(&BLOCK)).map(Ok)
}

/// Starts the API servers of [`ENDLESS`] and [`DENSE`], and reports their control planes as available.
async fn hostile_api_servers(environment: &Environment) -> Vec<Arc<AtomicU64>> {
    let mut requests = Vec::new();
    let text = format!(
        r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"x","uid":"u","resourceVersion":"1"}},"data":{}}}"#,
        dense(4_000_000)
    );
    let text = Bytes::from(text);
    for name in ENDLESS {
        environment.wait_for_objects(name).await;
        let body = || Body::from_stream(endless());
        requests.push(hostile_api_server(environment, name, body).await);
    }
    for name in DENSE {
        environment.wait_for_objects(name).await;
        let text = text.clone();
        let body = move || Body::from(text.clone());
        requests.push(hostile_api_server(environment, name, body).await);
    }
    for name in ENDLESS.iter().chain(&DENSE) {
        report_deployment_status(environment, name, 1, json!([])).await;
    }
    requests
}

/// Requests to the webhooks that take as much memory as they can, one after another until `ended`. `posted` counts
/// those that are done.
async fn flood(webhooks: Client, ended: Arc<AtomicBool>, posted: Arc<AtomicU64>) {
    let review = |object: &str| {
        let text = format!(
            r#"{{"request":{{"uid":"u","operation":"CREATE","namespace":"n","name":"x","object":{object}}}}}"#
        );
        Bytes::from(text)
    };
    let doubling = review(&tenant("x", &copies()).to_string());
    let dense = review(&dense(6_900_000));
    let long = Bytes::from_static(&LONG);
    for n in 0_u64.. {
        if ended.load(Ordering::Relaxed) {
            return;
        }
        let path = match n % 2 {
            0 => "/validate-kamaji-clastix-io-v1alpha1-tenantcontrolplane",
            _ => "/mutate-kamaji-clastix-io-v1alpha1-tenantcontrolplane",
        };
        let request = http::Request::post(path).header(CONTENT_TYPE, "application/json");
        let request = match n % 3 {
            0 => request.body(Sent::from(doubling.clone())),
            1 => request.body(Sent::from(dense.clone())),
            // Without a declared length.
            _ => request
                .header(TRANSFER_ENCODING, "chunked")
                .body(Sent::from(long.clone())),
        };
        let request = request.unwrap();
        // Refused, or cut off in the middle of the body.
        let _ = webhooks.send(request).await;
        posted.fetch_add(1, Ordering::Relaxed);
    }
}

/// Creates the tenants whose specs and Secrets are hostile, before any webhook can refuse them.
async fn create_hostile_tenants(environment: &Environment) {
    let certificate = environment.etcd.identities.authority.cert.clone();
    environment
        .apply(json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": "rsa-ca", "namespace": NAMESPACE},
            "stringData": {"ca.crt": certificate, "ca.key": huge_rsa_key()},
        }))
        .await;
    environment.tenant("rsa", json!({})).await;
    environment.tenant("copies", copies()).await;
    for name in ENDLESS.iter().chain(&DENSE) {
        environment.tenant(name, json!({})).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_input_under_a_memory_limit_neither_ends_the_operator_nor_delays_a_neighbour() {
    Process::prepare().await;
    let environment = Environment::new_with(&[LOOPBACK]).await;
    create_hostile_tenants(&environment).await;
    let port = free_port().unwrap();
    install_webhooks(&environment, port).await;
    let kubeconfig = environment.account("operator").await;
    let flags = [
        "--leader-elect=false".to_owned(),
        "--dial-cluster-ip".to_owned(),
        format!("--webhook-bind-address=127.0.0.1:{port}"),
    ];
    let flags: Vec<_> = flags.iter().map(String::as_str).collect();
    let operator = Process::start_limited(&environment, LIMIT, &kubeconfig, &flags).await;

    let requests = hostile_api_servers(&environment).await;
    let message = environment
        .wait_for_condition("rsa", "CertificatesValid", "AuthorityDamaged")
        .await;
    assert!(message.contains("100001 bits"), "{message}");
    environment.wait_for_objects("copies").await;
    report_deployment_status(&environment, "copies", 1, json!([])).await;
    let message = environment
        .wait_for_condition("copies", "TenantClusterConfigured", "TenantClusterInvalid")
        .await;
    assert!(message.contains("the copies add up to"), "{message}");
    let dry_run = create(&environment, &tenant("copies-too", &copies()), true).await;
    let refusal = dry_run.unwrap_err();
    assert!(refusal.contains("the copies add up to"), "{refusal}");

    let mut idle = Vec::new();
    for _ in 0..IDLE {
        idle.push(TcpStream::connect(("127.0.0.1", port)).await.unwrap());
    }
    let mut config = Config::new(format!("https://127.0.0.1:{port}").parse().unwrap());
    config.accept_invalid_certs = true;
    let webhooks = Client::try_from(config).unwrap();
    let (ended, posted) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicU64::new(0)),
    );
    let mut floods = JoinSet::new();
    for _ in 0..POSTS {
        floods.spawn(flood(webhooks.clone(), ended.clone(), posted.clone()));
    }
    let started = Instant::now();
    environment.tenant("neighbour", json!({})).await;
    environment.wait_for_objects("neighbour").await;
    let elapsed = started.elapsed();
    wait_until("every hostile request to be sent", async || {
        let asked = requests.iter().all(|n| n.load(Ordering::Relaxed) > 0);
        let enough = u64::try_from(3 * POSTS).unwrap();
        (asked && posted.load(Ordering::Relaxed) > enough).then_some(())
    })
    .await;
    let peak = operator.peak_memory();
    ended.store(true, Ordering::Relaxed);
    println!(
        "the neighbour took {elapsed:?}, the operator's peak was {} MiB, {} requests were posted",
        peak >> 20,
        posted.load(Ordering::Relaxed)
    );
    for name in ENDLESS.iter().chain(&DENSE) {
        environment
            .wait_for_condition(name, "TenantClusterConfigured", "TenantApiUnreachable")
            .await;
    }
    operator.assert_running();
    assert!(peak < LIMIT, "{} MiB", peak >> 20);
    assert!(elapsed < NEIGHBOUR, "{elapsed:?}");
    drop((idle, floods));
}
