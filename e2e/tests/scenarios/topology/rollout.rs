//! Rollout of a control plane's pods at a time that the Cluster sets, without a change of the pods.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use k8s_openapi::jiff::Timestamp;
use serde_json::json;

use super::super::record::State;
use super::{Case, POD, QUIET};

/// How far ahead the time is set.
const AHEAD: i64 = 6;

impl Case<'_> {
    /// Pods are replaced once `rollout.after` has come: once, and not before.
    pub(super) async fn pods_are_replaced(&self) -> Result<()> {
        let old = self.pods(|state| !state.gone)?;
        let over = self.pods(|state| state.gone)?;
        let old: BTreeSet<_> = old.difference(&over).cloned().collect();
        ensure!(!old.is_empty(), "the control plane has no pods");
        let after = Timestamp::from_second(Timestamp::now().as_second() + AHEAD)?;
        let rollout = json!({"rollout": {"after": after}});
        let patch = json!({"spec": {"topology": {"controlPlane": rollout}}});
        self.objects.patch("cluster green", patch).await?;
        let new = |state: &State| {
            let known = old.contains(state.uid()) || over.contains(state.uid());
            state.is(POD) && !known
        };
        let first = self.record.first("there is a new pod", new).await?;
        let born: Timestamp = first.word("/metadata/creationTimestamp").parse()?;
        ensure!(born >= after, "a pod of {born}, which was to come {after}");
        for uid in &old {
            let gone = |state: &State| state.uid() == uid && state.gone;
            self.record.first("the old pod is gone", gone).await?;
        }
        tokio::time::sleep(QUIET).await;
        let new = self.pods(new)?;
        ensure!(
            new.len() == old.len(),
            "{old:?} were to be replaced once, and there have been {new:?}"
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

    /// Uids of the pods that have been in such a state. Nobody else has pods in this namespace.
    fn pods(&self, is: impl Fn(&State) -> bool) -> Result<BTreeSet<String>> {
        let states = self.record.all(|state| state.is(POD) && is(state))?;
        Ok(states.iter().map(|state| state.uid().to_owned()).collect())
    }
}
