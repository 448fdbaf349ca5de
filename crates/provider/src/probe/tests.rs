use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::{ClientOptions, LARGEST, TENANTS, chain, client};

fn options() -> ClientOptions<'static> {
    ClientOptions {
        connect_timeout: Duration::from_secs(1),
        read_timeout: Some(Duration::from_millis(200)),
        answers: &TENANTS,
    }
}

async fn made(user: Value, cluster: Value) -> Result<(), String> {
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "users": [{"name": "u", "user": user}],
        "clusters": [{"name": "c", "cluster": cluster}],
    });
    let text = config.to_string();
    let made = client(text.as_bytes(), options()).await;
    made.map(drop)
}

#[tokio::test]
async fn a_kubeconfig_with_a_command_or_a_file_is_refused() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let server = json!({"server": "https://192.0.2.1:6443"});
    made(json!({"token": "t"}), server.clone()).await.unwrap();
    let token = "/var/run/secrets/kubernetes.io/serviceaccount/token";
    for user in [
        json!({"tokenFile": token}),
        json!({"client-certificate": token, "client-key": token}),
        json!({"exec": {"command": "cat", "apiVersion": "client.authentication.k8s.io/v1"}}),
        json!({"auth-provider": {"name": "gcp", "config": {}}}),
    ] {
        let why = made(user.clone(), server.clone()).await.unwrap_err();
        assert!(why.contains("user"), "{user}: {why}");
    }
    let mut other = server;
    other["certificate-authority"] = json!(token);
    let why = made(json!({"token": "t"}), other).await.unwrap_err();
    assert!(why.contains("certificate-authority-data"), "{why}");
}

#[tokio::test]
async fn a_kubeconfig_that_is_too_long_is_refused() {
    let long = " ".repeat(LARGEST + 1);
    let made = client(long.as_bytes(), options()).await;
    let why = made.map(drop).unwrap_err();
    assert!(why.contains("of which there may be"), "{why}");
}

#[tokio::test]
async fn a_server_that_accepts_and_never_answers_fails_after_the_read_timeout() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap();
    let accepting = tokio::spawn(async move {
        let mut held = Vec::new();
        loop {
            held.push(silent.accept().await.unwrap());
        }
    });
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
        "clusters": [{"name": "c", "cluster": {"server": format!("http://{address}")}}],
    });
    let client = client(config.to_string().as_bytes(), options())
        .await
        .unwrap();
    let started = Instant::now();
    let error = client.apiserver_version().await.unwrap_err();
    assert!(started.elapsed() < Duration::from_secs(5), "{error}");
    let text = chain(&error);
    assert!(
        text.contains("timed out") || text.contains("deadline"),
        "{text}"
    );
    accepting.abort();
}
