//! Deletion of a Cluster: the order of its parts, and what is left.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Result, ensure};
use kamaji_e2e::wait::until;

use super::super::record::{Kind, State};
use super::{CLUSTER, CONTROL_PLANE, Case, INFRASTRUCTURE, MACHINE, TENANT};

/// Objects that Kubernetes creates in each new namespace.
const USUAL: [&str; 2] = ["configmap/kube-root-ca.crt", "serviceaccount/default"];

impl Case<'_> {
    /// Waits for the objects that Kubernetes creates in the namespace; returns all that it has before
    /// the Cluster is created.
    pub(super) async fn initial_objects(&self) -> Result<BTreeSet<String>> {
        until(
            "the namespace is set up",
            Duration::from_secs(20),
            || async {
                let initial = self.all_objects().await?;
                ensure!(
                    USUAL.iter().all(|name| initial.contains(*name)),
                    "{initial:?}"
                );
                Ok(initial)
            },
        )
        .await
    }

    /// The deletion of the Cluster deletes its parts in order and leaves the `initial` objects.
    pub(super) async fn is_deleted(&self, initial: &BTreeSet<String>) -> Result<()> {
        let machines = self.objects.list("machines").await?;
        ensure!(!machines.is_empty(), "there is no worker to delete first");
        self.objects
            .run("delete cluster green --timeout=300s")
            .await?;
        let mut steps = vec![self.machines_deleted_at().await?];
        for kind in [TENANT, CONTROL_PLANE, INFRASTRUCTURE, CLUSTER] {
            steps.push(self.deleted_at(kind).await?);
        }
        ensure!(
            steps.is_sorted(),
            "workers, tenant, control plane, infrastructure and Cluster were deleted at {steps:?}"
        );
        until("nothing is left", Duration::from_mins(1), || async {
            let all = self.all_objects().await?;
            let left: Vec<_> = all.difference(initial).collect();
            ensure!(left.is_empty(), "{left:?} are left");
            Ok(())
        })
        .await
    }

    /// Revision at which the only object of a kind was removed.
    async fn deleted_at(&self, kind: Kind) -> Result<u64> {
        let gone = |state: &State| state.is(kind) && state.gone;
        let title = format!("{} is deleted", kind.2);
        Ok(self.record.first(&title, gone).await?.revision)
    }

    /// Revision at which the last Machine was removed.
    async fn machines_deleted_at(&self) -> Result<u64> {
        let states = self.record.all(|state| state.is(MACHINE))?;
        let uids: BTreeSet<_> = states.iter().map(State::uid).collect();
        let mut last = 0;
        for uid in uids {
            let gone = |state: &State| state.uid() == uid && state.gone;
            let state = self.record.first("the Machine is deleted", gone).await?;
            last = last.max(state.revision);
        }
        Ok(last)
    }

    /// All objects of the namespace as `RESOURCE/NAME`, except Events.
    async fn all_objects(&self) -> Result<BTreeSet<String>> {
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
