//! Deletion of a Cluster: the order of its parts, and what is left.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Result, ensure};
use kamaji_e2e::wait::until;

use super::super::record::{Kind, State};
use super::{CLUSTER, CONTROL_PLANE, Case, INFRASTRUCTURE, MACHINE, TENANT};

/// What Kubernetes puts into each namespace, a moment after it was made.
const USUAL: [&str; 2] = ["configmap/kube-root-ca.crt", "serviceaccount/default"];

impl Case<'_> {
    /// Objects of the namespace before the Cluster: its class, and what each namespace has.
    pub(super) async fn bare(&self) -> Result<BTreeSet<String>> {
        until(
            "the namespace is set up",
            Duration::from_secs(20),
            || async {
                let bare = self.everything().await?;
                ensure!(USUAL.iter().all(|name| bare.contains(*name)), "{bare:?}");
                Ok(bare)
            },
        )
        .await
    }

    /// The Cluster is deleted part by part, and the namespace is as it was before.
    pub(super) async fn goes(&self, bare: &BTreeSet<String>) -> Result<()> {
        let machines = self.objects.list("machines").await?;
        ensure!(!machines.is_empty(), "there is a worker that must go first");
        self.objects
            .run("delete cluster green --timeout=300s")
            .await?;
        let mut steps = vec![self.machines_went().await?];
        for kind in [TENANT, CONTROL_PLANE, INFRASTRUCTURE, CLUSTER] {
            steps.push(self.went(kind).await?);
        }
        ensure!(
            steps.is_sorted(),
            "workers, tenant, control plane, infrastructure and Cluster went at {steps:?}"
        );
        until("nothing is left", Duration::from_mins(1), || async {
            let all = self.everything().await?;
            let left: Vec<_> = all.difference(bare).collect();
            ensure!(left.is_empty(), "there are {left:?}");
            Ok(())
        })
        .await
    }

    /// Revision at which the only object of a kind was removed.
    async fn went(&self, kind: Kind) -> Result<u64> {
        let gone = |state: &State| state.is(kind) && state.gone;
        let title = format!("{} is gone", kind.2);
        Ok(self.record.first(&title, gone).await?.revision)
    }

    /// Revision at which the last Machine was removed.
    async fn machines_went(&self) -> Result<u64> {
        let states = self.record.all(|state| state.is(MACHINE))?;
        let uids: BTreeSet<_> = states.iter().map(State::uid).collect();
        let mut last = 0;
        for uid in uids {
            let gone = |state: &State| state.uid() == uid && state.gone;
            let state = self.record.first("the Machine is gone", gone).await?;
            last = last.max(state.revision);
        }
        Ok(last)
    }

    /// All objects of the namespace, of whatever kind, except Events.
    async fn everything(&self) -> Result<BTreeSet<String>> {
        let kinds = self
            .objects
            .run("api-resources --namespaced --verbs=list -o name")
            .await?;
        let kinds: Vec<_> = kinds
            .lines()
            .filter(|kind| !kind.starts_with("events"))
            .collect();
        let names = format!("get {} -o name", kinds.join(","));
        let names = self.objects.run(&names).await?;
        Ok(names.lines().map(str::to_owned).collect())
    }
}
