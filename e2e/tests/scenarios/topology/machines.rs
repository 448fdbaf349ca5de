//! Workers of a Cluster: scaled, drained and replaced.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use kamaji_e2e::catalogue::BUSYBOX;
use kamaji_e2e::kubectl::Kubectl;
use serde_json::{Value, json};

use super::super::record::{Record, State};
use super::{Case, NODE, POD};

impl Case<'_> {
    /// The workers are scaled to none, to two and to one.
    pub(super) async fn is_scaled(&self, tenant: &Kubectl) -> Result<()> {
        for count in [0, 2, 1] {
            let path = "/spec/topology/workers/machineDeployments/0/replicas";
            let patch = json!([{"op": "replace", "path": path, "value": count}]);
            self.objects.json_patch("cluster green", patch).await?;
            self.nodes(tenant, count, &self.after).await?;
        }
        Ok(())
    }

    /// A deleted Machine is drained before its Node is deleted, and its replacement runs the pod.
    pub(super) async fn machine_is_replaced(&self, tenant: &Kubectl) -> Result<()> {
        let old = self.nodes(tenant, 1, &self.after).await?;
        tenant.apply(&deployment().to_string()).await?;
        wait_rolled_out(tenant).await?;
        let pods = pods(tenant).await?;
        let record = Record::of(&tenant.client().await?, "", &[NODE, POD]).await?;
        let machine = &self.objects.list("machines").await?[0];
        let name = machine["metadata"]["name"].as_str().context("a name")?;
        self.objects
            .run(&format!("delete machine {name} --timeout=180s"))
            .await?;
        for (node, pod) in old.iter().zip(&pods) {
            is_drained(&record, node, pod).await?;
        }
        let new = self.nodes(tenant, 1, &self.after).await?;
        ensure!(new.is_disjoint(&old), "the old Node still exists");
        wait_rolled_out(tenant).await?;
        let replacements = self::pods(tenant).await?;
        ensure!(
            replacements.len() == 1 && replacements.is_disjoint(&pods),
            "{pods:?} ran before, and now {replacements:?}"
        );
        Ok(())
    }
}

/// Fails unless the Node was cordoned, the pod evicted, the pod deleted and the Node deleted, in this
/// order.
async fn is_drained(record: &Record, node: &str, pod: &str) -> Result<()> {
    let first = async |what: &str, uid: &str, is: fn(&State) -> bool| {
        let first = record.first(what, |state| state.uid() == uid && is(state));
        anyhow::Ok(first.await?.revision)
    };
    let steps = [
        first("the Node is cordoned", node, |state| {
            state.object["spec"]["unschedulable"] == true
        })
        .await?,
        first("the pod is evicted", pod, evicted).await?,
        first("the pod has ended", pod, |state| state.gone).await?,
        first("the Node is deleted", node, |state| state.gone).await?,
    ];
    ensure!(
        steps.is_sorted(),
        "cordoned, evicted, ended, deleted at {steps:?}"
    );
    Ok(())
}

/// True if the pod has the condition that the API server sets for an eviction, and not for a deletion.
fn evicted(state: &State) -> bool {
    let conditions = state.object["status"]["conditions"].as_array();
    let mut conditions = conditions.into_iter().flatten();
    conditions.any(|entry| {
        entry["type"] == "DisruptionTarget" && entry["reason"] == "EvictionByEvictionAPI"
    })
}

/// Deployment of one pod without a PodDisruptionBudget.
fn deployment() -> Value {
    let labels = json!({"app": "moves"});
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "moves", "namespace": "default"},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {
                "terminationGracePeriodSeconds": 1,
                "containers": [{"name": "sleep", "image": BUSYBOX, "command": ["sleep", "86400"]}],
            }},
        },
    })
}

async fn wait_rolled_out(tenant: &Kubectl) -> Result<()> {
    tenant
        .run("rollout status deployment/moves --timeout=120s")
        .await?;
    Ok(())
}

async fn pods(tenant: &Kubectl) -> Result<BTreeSet<String>> {
    let uids = tenant
        .run("get pods -l app=moves -o jsonpath={.items[*].metadata.uid}")
        .await?;
    Ok(uids.split_whitespace().map(str::to_owned).collect())
}
