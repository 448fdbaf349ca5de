//! Rollout of a control plane's pods at a time that the Cluster sets, without a change of the pods.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use k8s_openapi::jiff::Timestamp;
use serde_json::json;

use super::super::record::State;
use super::{Case, POD, QUIET};

/// Seconds from now to `rollout.after`.
const AHEAD: i64 = 6;

impl Case<'_> {
    /// Pods are replaced exactly once, and not before `rollout.after`.
    pub(super) async fn pods_are_replaced(&self) -> Result<()> {
        let old = self.pods(|state| !state.gone)?;
        let deleted = self.pods(|state| state.gone)?;
        let old: BTreeSet<_> = old.difference(&deleted).cloned().collect();
        ensure!(!old.is_empty(), "the control plane has no pods");
        let after = Timestamp::from_second(Timestamp::now().as_second() + AHEAD)?;
        let rollout = json!({"rollout": {"after": after}});
        let patch = json!({"spec": {"topology": {"controlPlane": rollout}}});
        self.objects.patch("cluster green", patch).await?;
        let new = |state: &State| {
            let known = old.contains(state.uid()) || deleted.contains(state.uid());
            state.is(POD) && !known
        };
        let first = self.record.first("a new pod is created", new).await?;
        let created: Timestamp = first.word("/metadata/creationTimestamp").parse()?;
        ensure!(
            created >= after,
            "a pod was created at {created}, before {after}"
        );
        for uid in &old {
            let gone = |state: &State| state.uid() == uid && state.gone;
            self.record.first("the old pod is deleted", gone).await?;
        }
        tokio::time::sleep(QUIET).await;
        let new = self.pods(new)?;
        ensure!(
            new.len() == old.len(),
            "{old:?} were to be replaced once, by as many pods, but not by {new:?}"
        );
        let control_plane = self.objects.get("ktcp green").await?;
        ensure!(
            control_plane["spec"]["rollout"] == rollout["rollout"],
            "the topology has written {}",
            control_plane["spec"]["rollout"]
        );
        self.objects
            .condition("ktcp green", ("Available", "True"))
            .await
    }

    /// Uids of the pods of which a recorded state satisfies `is`. Only the control plane has pods in this
    /// namespace.
    fn pods(&self, is: impl Fn(&State) -> bool) -> Result<BTreeSet<String>> {
        let states = self.record.all(|state| state.is(POD) && is(state))?;
        Ok(states.iter().map(|state| state.uid().to_owned()).collect())
    }
}
