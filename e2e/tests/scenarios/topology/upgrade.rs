//! Order of an upgrade: the control plane first, whose status names the old version until its
//! rollout has ended; then the worker.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use kamaji_e2e::kubectl::{Kubectl, has_condition};
use serde_json::json;

use super::super::record::State;
use super::{CONTROL_PLANE, Case, MACHINE, POD};

impl Case<'_> {
    /// The Cluster is upgraded to the next minor version; the tenant's objects stay.
    pub(super) async fn is_upgraded(&self, tenant: &Kubectl) -> Result<()> {
        let old = self.nodes(tenant, 1, &self.before).await?;
        tenant
            .run("create configmap kept --from-literal=written=before")
            .await?;
        let kept = "get configmap kept -o jsonpath={.metadata.uid}{.data.written}";
        let before = tenant.run(kept).await?;
        let version = json!({"spec": {"topology": {"version": self.after}}});
        self.objects.patch("cluster green", version).await?;
        self.workers_are_upgraded_last().await?;
        let new = self.nodes(tenant, 1, &self.after).await?;
        ensure!(new.is_disjoint(&old), "the worker was to be replaced");
        self.serves(tenant, &self.after).await?;
        let after = tenant.run(kept).await?;
        ensure!(before == after, "{before} was written, {after} was read");
        let control_plane = self.objects.get("ktcp green").await?;
        let versions = &control_plane["status"]["versions"];
        ensure!(
            versions.as_array().is_some_and(|all| all.len() == 1)
                && versions[0]["version"] == self.after,
            "the rollout has ended: {versions}"
        );
        self.objects
            .condition("cluster green", ("TopologyReconciled", "True"))
            .await
    }

    /// The control plane reports the old version until its rollout has ended, and no Machine has the
    /// new version before.
    async fn workers_are_upgraded_last(&self) -> Result<()> {
        let first = async |what: &str, kind, pointer: &str| {
            let is = |state: &State| state.is(kind) && state.word(pointer) == self.after;
            self.record.first(what, is).await
        };
        let desired = first(
            "the control plane is to be upgraded",
            CONTROL_PLANE,
            "/spec/version",
        )
        .await?;
        let upgraded = first(
            "the control plane is upgraded",
            CONTROL_PLANE,
            "/status/version",
        )
        .await?;
        let worker = first("a worker is upgraded", MACHINE, "/spec/version").await?;
        ensure!(
            upgraded.revision < worker.revision,
            "a Machine is upgraded at {} and its control plane at {}",
            worker.revision,
            upgraded.revision
        );
        let during = self.record.all(|state| {
            state.is(CONTROL_PLANE)
                && (desired.revision..upgraded.revision).contains(&state.revision)
        })?;
        for state in &during {
            let (reported, listed) = (state.word("/status/version"), versions(state));
            ensure!(
                reported == self.before && listed.contains(&self.before.as_str()),
                "during the rollout the status has {reported:?} and {listed:?}"
            );
        }
        let both = [self.before.as_str(), &self.after];
        ensure!(
            during.iter().any(|state| versions(state) == both),
            "none of {} states lists the pods of both versions",
            during.len()
        );
        self.is_rolled_out(upgraded.revision)
    }

    /// Fails if a ready pod runs an API server of the old version at this revision.
    fn is_rolled_out(&self, revision: u64) -> Result<()> {
        let written = |state: &State| state.is(POD) && state.revision <= revision;
        let mut pods = BTreeMap::new();
        for state in self.record.all(written)? {
            pods.insert(state.uid().to_owned(), state);
        }
        let serving = pods.into_values().filter(|pod| {
            let terminating = pod.object["metadata"]["deletionTimestamp"].is_string();
            !pod.gone && !terminating && has_condition(&pod.object, ("Ready", "True"))
        });
        let images: Vec<_> = serving.map(|pod| image(&pod).to_owned()).collect();
        let new = format!(":{}", self.after);
        ensure!(
            !images.is_empty() && images.iter().all(|image| image.ends_with(&new)),
            "the status has the new version, and the pods run {images:?}"
        );
        Ok(())
    }
}

/// Image of kube-apiserver in a pod.
fn image(pod: &State) -> &str {
    let containers = pod.object["spec"]["containers"].as_array();
    let mut containers = containers.into_iter().flatten();
    let server = containers.find(|container| container["name"] == "kube-apiserver");
    let image = server.and_then(|server| server["image"].as_str());
    image.unwrap_or_default()
}

/// Versions that `status.versions` lists.
fn versions(state: &State) -> Vec<&str> {
    let listed = state.object["status"]["versions"].as_array();
    let listed = listed.into_iter().flatten();
    listed
        .filter_map(|entry| entry["version"].as_str())
        .collect()
}
