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
        self.workers_follow().await?;
        let new = self.nodes(tenant, 1, &self.after).await?;
        ensure!(new.is_disjoint(&old), "the worker was to be replaced");
        self.serves(tenant, &self.after).await?;
        let after = tenant.run(kept).await?;
        ensure!(before == after, "{before} was written, {after} is there");
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

    /// While the control plane runs the old version its status says so, and no Machine is of the
    /// new one.
    async fn workers_follow(&self) -> Result<()> {
        let first = async |what: &str, kind, pointer: &str| {
            let is = |state: &State| state.is(kind) && state.word(pointer) == self.after;
            self.record.first(what, is).await
        };
        let asked = first("it is to be upgraded", CONTROL_PLANE, "/spec/version").await?;
        let done = first("it is upgraded", CONTROL_PLANE, "/status/version").await?;
        let follows = first("a worker follows", MACHINE, "/spec/version").await?;
        ensure!(
            done.revision < follows.revision,
            "a Machine is upgraded at {} and its control plane at {}",
            follows.revision,
            done.revision
        );
        let meanwhile = self.record.all(|state| {
            state.is(CONTROL_PLANE) && (asked.revision..done.revision).contains(&state.revision)
        })?;
        for state in &meanwhile {
            let (reported, listed) = (state.word("/status/version"), versions(state));
            ensure!(
                reported == self.before && listed.contains(&self.before.as_str()),
                "during the rollout the status has {reported:?} and {listed:?}"
            );
        }
        let both = [self.before.as_str(), &self.after];
        ensure!(
            meanwhile.iter().any(|state| versions(state) == both),
            "nobody could see pods of both versions in {} states",
            meanwhile.len()
        );
        self.is_rolled_out(done.revision)
    }

    /// The reported version is true: no API server of the old version takes requests at this
    /// revision.
    fn is_rolled_out(&self, revision: u64) -> Result<()> {
        let written = |state: &State| state.is(POD) && state.revision <= revision;
        let mut pods = BTreeMap::new();
        for state in self.record.all(written)? {
            pods.insert(state.uid().to_owned(), state);
        }
        let at_work = pods.into_values().filter(|pod| {
            let leaving = pod.object["metadata"]["deletionTimestamp"].is_string();
            !pod.gone && !leaving && has_condition(&pod.object, ("Ready", "True"))
        });
        let images: Vec<_> = at_work.map(|pod| image(&pod).to_owned()).collect();
        let new = format!(":{}", self.after);
        ensure!(
            !images.is_empty() && images.iter().all(|image| image.ends_with(&new)),
            "the status says upgraded, and the pods run {images:?}"
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
