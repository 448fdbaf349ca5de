//! Loss of a namespace with its tenants while their data stays, and the operator that is stopped for it.

use std::time::Duration;

use anyhow::{Result, ensure};
use kamaji_e2e::audit::OPERATOR_NAMESPACE;
use kamaji_e2e::kubectl::Kubectl;
use kamaji_e2e::wait::until;
use serde_json::{Value, json};

use super::LIMIT;
use crate::scenarios::manifest;

/// Scales the operator, and waits until its pods are gone, or until its webhooks answer.
pub async fn scale(kubectl: &Kubectl, replicas: u8) -> Result<()> {
    let deployment = format!("-n {OPERATOR_NAMESPACE} deployment/kamaji-controller-manager");
    kubectl
        .run(&format!("scale {deployment} --replicas={replicas}"))
        .await?;
    if replicas == 0 {
        let pods = format!("-n {OPERATOR_NAMESPACE} pod -l control-plane=controller-manager");
        kubectl
            .run(&format!("wait --for=delete {pods} --timeout=60s"))
            .await?;
        return Ok(());
    }
    kubectl
        .run(&format!("rollout status {deployment} --timeout=90s"))
        .await?;
    let tenant = manifest::tenant("default", "asked-for", json!({}));
    until("the webhooks answer", LIMIT, || kubectl.dry_run(&tenant)).await
}

/// Loses a namespace: no operator runs that would remove data, and finalizers are taken away.
pub async fn lose(kubectl: &Kubectl, namespace: &str) -> Result<()> {
    scale(kubectl, 0).await?;
    let none = "--type=merge -p {\"metadata\":{\"finalizers\":null}}";
    kubectl
        .run(&format!("delete namespace {namespace} --wait=false"))
        .await?;
    let minute = Duration::from_mins(2);
    until("the namespace is gone", minute, || async {
        for kind in ["tcp", "secret"] {
            let list = kubectl.json(&format!("get {kind} -n {namespace}")).await?;
            let items = list["items"].as_array().into_iter().flatten();
            for object in items.map(|item| &item["metadata"]) {
                if let (Value::Array(_), Some(name)) =
                    (&object["finalizers"], object["name"].as_str())
                {
                    let patch = format!("patch {kind} {name} -n {namespace} {none}");
                    kubectl.run(&patch).await?;
                }
            }
        }
        let left = kubectl.run(&format!("get namespace {namespace}")).await;
        ensure!(left.is_err(), "it is there");
        Ok(())
    })
    .await
}

/// Proves that garbage collection works: a Secret whose owner is gone goes.
pub async fn collect_garbage(kubectl: &Kubectl, namespace: &str) -> Result<()> {
    let owner = json!({
        "apiVersion": "kamaji.clastix.io/v1alpha1", "kind": "TenantControlPlane",
        "name": "demo", "uid": "11111111-2222-3333-4444-555555555555",
    });
    let orphan = json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": "orphan", "namespace": namespace, "ownerReferences": [owner]},
    });
    kubectl.apply(&orphan.to_string()).await?;
    let line = format!("wait --for=delete secret/orphan -n {namespace} --timeout=90s");
    kubectl.run(&line).await.map(drop)
}
