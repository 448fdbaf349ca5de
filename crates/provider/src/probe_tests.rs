use std::time::Duration;

use serde_json::{Value, json};

use super::{LARGEST, TENANTS, client};

async fn made(user: Value, cluster: Value) -> Result<(), String> {
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "users": [{"name": "u", "user": user}],
        "clusters": [{"name": "c", "cluster": cluster}],
    });
    let text = config.to_string();
    let made = client(text.as_bytes(), Duration::from_secs(1), &TENANTS).await;
    made.map(drop)
}

#[tokio::test]
async fn a_kubeconfig_gets_at_no_command_and_no_file_of_the_pod() {
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
async fn a_kubeconfig_that_is_longer_than_any_is_not_read() {
    let long = " ".repeat(LARGEST + 1);
    let made = client(long.as_bytes(), Duration::from_secs(1), &TENANTS).await;
    let why = made.map(drop).unwrap_err();
    assert!(why.contains("of which there may be"), "{why}");
}
