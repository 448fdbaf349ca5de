//! Certificates of Cluster API's webhooks, in place of cert-manager: a Secret for each Certificate,
//! and the authority wherever an annotation asks for it.

use std::future::Future;
use std::time::Duration;

use anyhow::{Context, Result};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::kubectl::Kubectl;
use crate::pki::Authority;

/// Definitions by which clusterctl recognises that cert-manager is installed.
pub const DEFINITIONS: &str = r"
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: certificates.cert-manager.io}
spec:
  group: cert-manager.io
  scope: Namespaced
  names: {plural: certificates, singular: certificate, kind: Certificate, listKind: CertificateList}
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}]
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: issuers.cert-manager.io}
spec:
  group: cert-manager.io
  scope: Namespaced
  names: {plural: issuers, singular: issuer, kind: Issuer, listKind: IssuerList}
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}]
";

/// Time between two polls for Certificates to serve.
const AGAIN: Duration = Duration::from_secs(1);

const INJECT: &str = "cert-manager.io/inject-ca-from";

/// Runs `work` and serves Certificates as they appear meanwhile.
pub async fn beside<T>(kubectl: &Kubectl, work: impl Future<Output = Result<T>>) -> Result<T> {
    let authority = Authority::new("testbed-cert-manager")?;
    let mut work = std::pin::pin!(work);
    loop {
        tokio::select! {
            done = &mut work => {
                issue(kubectl, &authority).await?;
                return done;
            }
            () = sleep(AGAIN) => {}
        }
        // Not all of it need be there yet; what fails now is done the next time, or at the end.
        let _ = issue(kubectl, &authority).await;
    }
}

/// Serves every Certificate that has no Secret yet.
async fn issue(kubectl: &Kubectl, authority: &Authority) -> Result<()> {
    let certificates = kubectl.json("get certificates.cert-manager.io -A").await?;
    for certificate in items(&certificates) {
        let (metadata, spec) = (&certificate["metadata"], &certificate["spec"]);
        let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (secret, namespace) = (word(&spec["secretName"]), word(&metadata["namespace"]));
        let there = format!("-n {namespace} get secret {secret} --ignore-not-found -o name");
        if !kubectl.run(&there).await?.is_empty() {
            continue;
        }
        let names = spec["dnsNames"]
            .as_array()
            .context("a Certificate has dnsNames")?;
        let names: Vec<&str> = names.iter().filter_map(Value::as_str).collect();
        let pair = authority.server(names[0], &names)?;
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls",
            "metadata": {"name": secret, "namespace": namespace},
            "stringData": {"tls.crt": pair.cert, "tls.key": pair.key, "ca.crt": authority.pair().cert},
        });
        kubectl.apply(&secret.to_string()).await?;
    }
    trust(kubectl, authority).await
}

/// Writes the authority wherever an annotation asks for it, so that the API server trusts it.
async fn trust(kubectl: &Kubectl, authority: &Authority) -> Result<()> {
    let bundle = json!(BASE64_STANDARD.encode(&authority.pair().cert));
    for kind in [
        "validatingwebhookconfigurations",
        "mutatingwebhookconfigurations",
    ] {
        let found = kubectl.json(&format!("get {kind}")).await?;
        for object in asking(&found) {
            let webhooks = object["webhooks"].as_array().into_iter().flatten();
            let missing = webhooks
                .enumerate()
                .filter(|(_, webhook)| webhook["clientConfig"]["caBundle"].is_null());
            let path = |n: usize| format!("/webhooks/{n}/clientConfig/caBundle");
            let patch = missing
                .map(|(n, _)| json!({"op": "add", "path": path(n), "value": bundle}))
                .collect();
            inject(kubectl, kind, object, patch).await?;
        }
    }
    let definitions = kubectl.json("get customresourcedefinitions").await?;
    for object in asking(&definitions) {
        let path = "/spec/conversion/webhook/clientConfig/caBundle";
        let mut patch = Vec::new();
        if object.pointer(path).is_none() {
            patch.push(json!({"op": "add", "path": path, "value": bundle}));
        }
        inject(kubectl, "customresourcedefinitions", object, patch).await?;
    }
    Ok(())
}

async fn inject(kubectl: &Kubectl, kind: &str, object: &Value, patch: Vec<Value>) -> Result<()> {
    if patch.is_empty() {
        return Ok(());
    }
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    let patch = Value::Array(patch).to_string();
    kubectl
        .args(["patch", kind, name, "--type=json", "-p", &patch])
        .await?;
    Ok(())
}

fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list["items"].as_array().into_iter().flatten()
}

fn asking(list: &Value) -> impl Iterator<Item = &Value> {
    items(list).filter(|object| object["metadata"]["annotations"][INJECT].is_string())
}
