//! Kubeconfigs and the clients that use them.

use std::path::Path;

use anyhow::{Context, Result};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::{Value, json};

use crate::pki::Pair;

/// Kubeconfig with all certificates and keys in place.
pub fn kubeconfig(server: &str, ca: &str, user: &Pair) -> Value {
    let encode = |pem: &str| base64::Engine::encode(&base64::prelude::BASE64_STANDARD, pem);
    json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "test",
        "clusters": [{"name": "test", "cluster": {
            "server": server, "certificate-authority-data": encode(ca)}}],
        "users": [{"name": "test", "user": {
            "client-certificate-data": encode(&user.cert), "client-key-data": encode(&user.key)}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
    })
}

/// A client that uses a kubeconfig file.
pub async fn client(path: &Path) -> Result<Client> {
    let text = tokio::fs::read_to_string(path)
        .await
        .with_context(|| format!("read {}", path.display()))?;
    client_from(&text)
        .await
        .with_context(|| format!("client of {}", path.display()))
}

/// A client that uses the text of a kubeconfig.
pub async fn client_from(text: &str) -> Result<Client> {
    // The process may have chosen a provider already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let parsed = Kubeconfig::from_yaml(text)?;
    let config = Config::from_custom_kubeconfig(parsed, &KubeConfigOptions::default()).await?;
    Ok(Client::try_from(config)?)
}
