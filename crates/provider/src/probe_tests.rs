use std::time::Duration;

use serde_json::{Value, json};

use super::client;

async fn made(user: Value, cluster: Value) -> Result<(), String> {
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "users": [{"name": "u", "user": user}],
        "clusters": [{"name": "c", "cluster": cluster}],
    });
    let made = client(config.to_string().as_bytes(), Duration::from_secs(1)).await;
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
