use std::time::{Duration, Instant};

use base64::{Engine, engine::general_purpose::STANDARD};
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

#[tokio::test]
async fn text_that_is_no_kubeconfig_is_refused_without_a_word_of_it() {
    let key = "-----BEGIN PRIVATE KEY-----\nhunter22\n-----END PRIVATE KEY-----\n";
    for text in [
        "hunter22",
        key,
        "hunter22: hunter22",
        "users: hunter22",
        "clusters:\n- name: a\n  cluster: hunter22",
        "users:\n- name: a\n  user: {token: [hunter22]}",
        "current-context: {hunter22: 1}",
        "contexts:\n- hunter22",
        "users: *hunter22",
        "users: [hunter22",
        "current-context: hunter22",
        "password: a\nhunter22: *b",
    ] {
        let made = client(text.as_bytes(), options()).await;
        let why = made.map(drop).unwrap_err();
        assert!(
            !why.contains("hunter22") && !why.contains("BEGIN"),
            "{text}: {why}"
        );
    }
    let made = client(b"users: hunter22", options()).await;
    let why = made.map(drop).unwrap_err();
    assert!(
        why.contains("no kubeconfig") && why.contains("line 1"),
        "{why}"
    );
}

#[tokio::test]
async fn a_kubeconfig_with_unusable_values_is_refused_without_a_word_of_them() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let server = json!({"server": "https://192.0.2.1:6443"});
    let of_cluster = |key: &str, value: &str| {
        let mut cluster = server.clone();
        cluster[key] = json!(value);
        cluster
    };
    let encoded = |text: &str| STANDARD.encode(text);
    let pem = encoded("-----BEGIN hunter22\nhunter22");
    let header =
        encoded("-----BEGIN CERTIFICATE-----\nhunter22\n\nAAAA\n-----END CERTIFICATE-----\n");
    let user = json!({"token": "t"});
    let of_user = |value: &str| json!({"client-certificate-data": value, "client-key-data": value});
    for (user, cluster) in [
        (user.clone(), of_cluster("server", "http://[hunter22")),
        (user.clone(), of_cluster("proxy-url", "http://[hunter22")),
        (
            user.clone(),
            of_cluster("certificate-authority-data", "hunter22!"),
        ),
        (
            user.clone(),
            of_cluster("certificate-authority-data", &header),
        ),
        (of_user("hunter22!"), server.clone()),
        (of_user(&pem), server.clone()),
        (of_user(&header), server.clone()),
    ] {
        let name = format!("{user} {cluster}");
        let made = made(user, cluster).await;
        let why = made.expect_err(&name);
        let numbers = "104, 117, 110, 116";
        assert!(
            !why.contains("hunter22") && !why.contains(numbers),
            "{name}: {why}"
        );
    }
}
