//! Steps of the cluster-autoscaler on a Cluster, and the limits of `clusterctl move` and `delete`.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use kamaji_e2e::cluster_api::{self, Clusterctl, GeneratedCluster};
use kamaji_e2e::envtest::{ApiServer, Options};
use kamaji_e2e::infrastructure;
use kamaji_e2e::kubectl::Kubectl;
use kamaji_e2e::testbed::Testbed;
use kamaji_e2e::wait::until;
use serde_json::{Value, json};

use super::manifest::version;
use super::objects::Objects;

/// Name and namespace of the Cluster.
const HOLLOW: (&str, &str) = ("hollow", "hollow");

/// Labels by which the autoscaler finds node groups, as in its `--node-group-auto-discovery`.
const DISCOVERY: &str = "cluster.x-k8s.io/cluster-name=hollow,autoscaling=enabled";
/// Annotation of the Machine that the next scale-down deletes; the autoscaler sets it.
const DELETE_MACHINE: &str = "cluster.x-k8s.io/delete-machine";

/// A node group is discovered at size 0, scaled up to two Machines, and scaled down by the annotated
/// one; then the provider is uninstalled.
pub async fn run(testbed: Testbed) -> Result<()> {
    let clusterctl = cluster_api::install(&testbed).await?;
    infrastructure::start(&testbed, Path::new(env!("CARGO_BIN_EXE_testbed"))).await?;
    let objects = Objects::of(&testbed, "hollow")?;
    let case = Case {
        testbed: &testbed,
        objects: &objects,
        clusterctl: &clusterctl,
    };
    case.is_created().await?;
    case.is_discovered().await?;
    let tenant = clusterctl.tenant(HOLLOW).await?;
    case.is_scaled_up(&tenant).await?;
    case.is_scaled_down(&tenant).await?;
    case.is_not_moved().await?;
    objects.run("delete cluster hollow --timeout=180s").await?;
    case.provider_is_uninstalled().await
}

struct Case<'a> {
    testbed: &'a Testbed,
    objects: &'a Objects,
    clusterctl: &'a Clusterctl,
}

impl Case<'_> {
    /// The Cluster becomes available; its infrastructure kind is registered with the provider and
    /// receives the endpoint.
    async fn is_created(&self) -> Result<()> {
        let address = self.testbed.bed.layout.vip(22).to_string();
        let hollow = GeneratedCluster {
            key: HOLLOW,
            template: "cluster-hollow.yaml",
            version: &version(),
            workers: 0,
        };
        let cluster = self
            .clusterctl
            .with("CONTROL_PLANE_ADDRESS", &address)
            .generate(&hollow)
            .await?;
        self.objects.namespace().await?;
        self.objects.apply(&cluster).await?;
        for type_ in ["InfrastructureReady", "RemoteConnectionProbe", "Available"] {
            self.objects
                .condition("cluster hollow", (type_, "True"))
                .await?;
        }
        let infrastructure = self.objects.get("hollowcluster hollow").await?;
        let endpoint = json!({"host": address, "port": 6443});
        ensure!(infrastructure["spec"]["controlPlaneEndpoint"] == endpoint);
        Ok(())
    }

    /// The node group is found by labels, with its limits and the capacity of a Node.
    async fn is_discovered(&self) -> Result<()> {
        let found = self
            .objects
            .list(&format!("machinedeployments -l {DISCOVERY}"))
            .await?;
        ensure!(found.len() == 1, "{found:?}");
        let annotations = &found[0]["metadata"]["annotations"];
        for (key, value) in [
            (
                "cluster.x-k8s.io/cluster-api-autoscaler-node-group-min-size",
                "0",
            ),
            (
                "cluster.x-k8s.io/cluster-api-autoscaler-node-group-max-size",
                "3",
            ),
            ("capacity.cluster-autoscaler.kubernetes.io/cpu", "4"),
            ("capacity.cluster-autoscaler.kubernetes.io/memory", "8Gi"),
        ] {
            ensure!(annotations[key] == value, "{key} of {annotations}");
        }
        ensure!(
            found[0]["spec"]["replicas"] == 0,
            "the node group has Machines already"
        );
        Ok(())
    }

    /// The scale subresource adds Machines; Nodes and Machines refer to each other.
    async fn is_scaled_up(&self, tenant: &Kubectl) -> Result<()> {
        self.objects
            .run("scale machinedeployment hollow --replicas=2")
            .await?;
        let machines = self.machines(tenant, 2).await?;
        for machine in machines {
            let node = machine["status"]["nodeRef"]["name"].as_str();
            let node = node.context("the Machine has a Node")?;
            let node = tenant.json(&format!("get node {node}")).await?;
            ensure!(node["spec"]["providerID"] == machine["spec"]["providerID"]);
            let name = &node["metadata"]["annotations"]["cluster.x-k8s.io/machine"];
            ensure!(*name == machine["metadata"]["name"], "{name}");
        }
        Ok(())
    }

    /// The annotated Machine and its Node are deleted; the other Machine stays.
    async fn is_scaled_down(&self, tenant: &Kubectl) -> Result<()> {
        let machines = self.objects.list("machines").await?;
        let mut names = machines
            .iter()
            .filter_map(|machine| machine["metadata"]["name"].as_str());
        let (deleted, stays) = (names.next().context("one")?, names.next().context("two")?);
        let mark = json!({"metadata": {"annotations": {DELETE_MACHINE: "autoscaler"}}});
        self.objects
            .patch(&format!("machine {deleted}"), mark)
            .await?;
        self.objects
            .run("scale machinedeployment hollow --replicas=1")
            .await?;
        let left = self.machines(tenant, 1).await?;
        ensure!(
            left[0]["metadata"]["name"] == stays,
            "{deleted} was to be deleted: {left:?}"
        );
        Ok(())
    }

    /// Waits until `count` Machines run and as many Nodes exist.
    async fn machines(&self, tenant: &Kubectl, count: usize) -> Result<Vec<Value>> {
        until(
            &format!("{count} Machines"),
            Duration::from_mins(2),
            || async {
                let machines = self.objects.list("machines").await?;
                let phases: Vec<_> = machines
                    .iter()
                    .map(|machine| &machine["status"]["phase"])
                    .collect();
                let nodes = tenant.run("get nodes -o name").await?.lines().count();
                ensure!(
                    phases.len() == count
                        && nodes == count
                        && phases.iter().all(|phase| *phase == "Running"),
                    "Machines {phases:?}, {nodes} Nodes"
                );
                Ok(machines)
            },
        )
        .await
    }

    /// `clusterctl move` waits for an annotation that stays, and changes nothing.
    async fn is_not_moved(&self) -> Result<()> {
        let tools = &self.testbed.bed.tools;
        let target = ApiServer::start(tools, Options::default()).await?;
        let other = Kubectl::new(tools, &target.kubeconfig())?;
        cluster_api::define(self.clusterctl, &other).await?;
        let ca = "get secret hollow-ca -o jsonpath={.metadata.uid}{.data}";
        let before = self.objects.run(ca).await?;
        let kubeconfig = target.kubeconfig();
        let line = format!("move -n hollow --to-kubeconfig {}", kubeconfig.display());
        let printed = self.clusterctl.broken_off(20, &line).await?;
        ensure!(
            printed.contains("Move blocked by clusterctl.cluster.x-k8s.io/block-move"),
            "{printed}"
        );
        let moved = other
            .run("get clusters,ktcp,secrets -n hollow -o name")
            .await?;
        ensure!(moved.trim().is_empty(), "{moved}");
        // clusterctl paused the Cluster before it was interrupted.
        let unpaused = json!({"spec": {"paused": null}});
        self.objects.patch("cluster hollow", unpaused).await?;
        ensure!(before == self.objects.run(ca).await?, "the CA was replaced");
        self.objects
            .condition("ktcp hollow-cp", ("Available", "True"))
            .await
    }

    /// `clusterctl delete` removes operator and provider, and leaves the objects that they manage.
    async fn provider_is_uninstalled(&self) -> Result<()> {
        self.clusterctl.run("delete --control-plane kamaji").await?;
        let line = "get deployments -n kamaji-system -o name";
        until(
            "the Deployments are deleted",
            Duration::from_mins(1),
            || async {
                let left = self.testbed.kubectl()?.run(line).await?;
                ensure!(left.trim().is_empty(), "{left} is left");
                Ok(())
            },
        )
        .await?;
        let definitions = self.testbed.kubectl()?.run("get crd -o name").await?;
        for name in [
            "tenantcontrolplanes.kamaji",
            "datastores.kamaji",
            "kamajicontrolplanes.controlplane",
        ] {
            ensure!(
                definitions.contains(name),
                "the definition of {name} was deleted"
            );
        }
        Ok(())
    }
}
