//! A ClusterClass drives a tenant and its workers, which are real kubelets, through an upgrade from
//! the previous minor version of Kubernetes. Both versions are real ones: control plane images,
//! kubelet and kubeadm report their own.
//!
//! Where one change has to precede another, the order is read from a [`Record`] of every state of
//! the objects, so that short-lived states are not missed.

mod end;
mod machines;
mod rollout;
mod upgrade;

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, SystemTime};

use anyhow::{Result, ensure};
use kamaji_e2e::cluster_api::{self, Clusterctl, GeneratedCluster};
use kamaji_e2e::infrastructure;
use kamaji_e2e::kubectl::{Kubectl, has_condition};
use kamaji_e2e::layout::manifest;
use kamaji_e2e::step::step;
use kamaji_e2e::testbed::Testbed;
use kamaji_e2e::tools::{kubernetes_version, previous_version};
use kamaji_e2e::wait::until;
use serde_json::{Value, json};

use super::objects::Objects;
use super::record::{Kind, Record};

/// Name and namespace of the Cluster.
const GREEN: (&str, &str) = ("green", "green");

const CLUSTER: Kind = ("cluster.x-k8s.io", "v1beta2", "Cluster");
const MACHINE: Kind = ("cluster.x-k8s.io", "v1beta2", "Machine");
const CONTROL_PLANE: Kind = (
    "controlplane.cluster.x-k8s.io",
    "v1alpha2",
    "KamajiControlPlane",
);
const INFRASTRUCTURE: Kind = ("infrastructure.cluster.x-k8s.io", "v1", "KubeletCluster");
const TENANT: Kind = ("kamaji.clastix.io", "v1alpha1", "TenantControlPlane");
const POD: Kind = ("", "v1", "Pod");
const NODE: Kind = ("", "v1", "Node");

/// Time at rest in which neither operator nor provider may send a request.
const QUIET: Duration = Duration::from_secs(12);

/// A Cluster with one worker is created, patched, upgraded and scaled; it causes no requests at rest;
/// a Machine and the pods of the control plane are replaced; the Cluster is deleted.
pub async fn run(testbed: Testbed) -> Result<()> {
    let clusterctl = cluster_api::install(&testbed).await?;
    testbed.load_previous().await?;
    infrastructure::start(&testbed, Path::new(env!("CARGO_BIN_EXE_testbed"))).await?;
    let objects = Objects::of(&testbed, GREEN.1)?;
    objects.namespace().await?;
    objects
        .apply(&manifest("clusterclass-kubelets.yaml")?)
        .await?;
    let kinds = [CLUSTER, MACHINE, CONTROL_PLANE, INFRASTRUCTURE, TENANT, POD];
    let case = Case {
        record: Record::of(&testbed.client().await?, GREEN.1, &kinds).await?,
        before: previous_version()?,
        after: kubernetes_version()?,
        testbed: &testbed,
        objects: &objects,
        clusterctl: &clusterctl,
    };
    let initial = case.initial_objects().await?;
    case.is_generated().await?;
    let tenant = step("creation", case.is_created()).await?;
    step("patches", case.is_patched()).await?;
    step("upgrade", case.is_upgraded(&tenant)).await?;
    step("scaling to 0, 2 and 1 workers", case.is_scaled(&tenant)).await?;
    step("no requests at rest", case.is_at_rest()).await?;
    step(
        "replacement of a Machine",
        case.machine_is_replaced(&tenant),
    )
    .await?;
    step("rollout of the control plane", case.pods_are_replaced()).await?;
    step("deletion", case.is_deleted(&initial)).await
}

struct Case<'a> {
    testbed: &'a Testbed,
    objects: &'a Objects,
    clusterctl: &'a Clusterctl,
    record: Record,
    /// Version that the Cluster is created with.
    before: String,
    /// Version that the Cluster is upgraded to.
    after: String,
}

impl Case<'_> {
    /// The Cluster comes from a template by `clusterctl generate cluster`, as a user does it.
    async fn is_generated(&self) -> Result<()> {
        let address = self.testbed.bed.layout.vip(21);
        let green = GeneratedCluster {
            key: GREEN,
            template: "cluster-template-kubelets.yaml",
            version: &self.before,
            workers: 1,
        };
        let cluster = self
            .clusterctl
            .with("CONTROL_PLANE_ADDRESS", &address.to_string())
            .generate(&green)
            .await?;
        self.objects.apply(&cluster).await
    }

    /// The Cluster becomes available. Its Machine is created after the control plane has reported its
    /// version, and runs a kubelet of this version.
    async fn is_created(&self) -> Result<Kubectl> {
        let machine = self
            .record
            .first("the first Machine", |state| state.is(MACHINE));
        let known = self.record.first("the version is known", |state| {
            state.is(CONTROL_PLANE) && state.word("/status/version") == self.before
        });
        let (machine, known) = (machine.await?, known.await?);
        ensure!(
            known.revision < machine.revision,
            "there is a Machine since {}, but the version is known since {}",
            machine.revision,
            known.revision
        );
        for type_ in ["RemoteConnectionProbe", "InfrastructureReady", "Available"] {
            self.objects
                .condition("cluster green", (type_, "True"))
                .await?;
        }
        let tenant = self.clusterctl.tenant(GREEN).await?;
        self.nodes(&tenant, 1, &self.before).await?;
        self.serves(&tenant, &self.before).await?;
        until("no condition is False", Duration::from_mins(1), || async {
            let printed = self
                .clusterctl
                .run("describe cluster green -n green")
                .await?;
            ensure!(
                printed.contains("KamajiControlPlane green/green"),
                "{printed}"
            );
            ensure!(
                !printed.contains("False") && printed.contains("Available"),
                "{printed}"
            );
            Ok(())
        })
        .await?;
        Ok(tenant)
    }

    /// Fails unless the tenant's API server reports this version.
    async fn serves(&self, tenant: &Kubectl, version: &str) -> Result<()> {
        let version_info = tenant.json("version").await?;
        let served = &version_info["serverVersion"]["gitVersion"];
        ensure!(
            served == version,
            "the API server is {served}, not {version}"
        );
        Ok(())
    }

    /// Topology and provider agree on the fields that they share, and neither the provider nor the
    /// operator sends a request.
    async fn is_at_rest(&self) -> Result<()> {
        let kinds = "cluster,ktcp,tcp,kubeletcluster,machinedeployment";
        let versions = || async {
            let found = self.objects.list(kinds).await?;
            anyhow::Ok(found.iter().map(version).collect::<Vec<_>>())
        };
        until("no requests", Duration::from_mins(2), || async {
            let (mark, before) = (self.testbed.audit().mark()?, versions().await?);
            tokio::time::sleep(QUIET).await;
            let after = versions().await?;
            ensure!(before == after, "{before:?}, and later {after:?}");
            let entries = self.testbed.audit().since(mark)?;
            let ours = entries
                .iter()
                .filter(|entry| entry.is_of_the_operator() && !entry.is_of_a_lease());
            // API servers end a watch after some minutes; its restart is no poll.
            let requests: Vec<_> = ours
                .filter(|entry| entry.verb != "watch")
                .map(|entry| (&entry.user.username, &entry.verb, &entry.uri))
                .collect();
            ensure!(requests.is_empty(), "requests at rest: {requests:?}");
            Ok(())
        })
        .await
    }

    /// A variable of the Cluster reaches the tenant's Service, and so does a change of the class.
    async fn is_patched(&self) -> Result<()> {
        // Path of the second variable, which has its default already.
        let path = "/spec/topology/variables/1/value";
        let variable = json!([{"op": "replace", "path": path, "value": "green"}]);
        self.objects.json_patch("cluster green", variable).await?;
        self.service_gets("example.com/team", "green").await?;
        let labels = json!({"spec": {"template": {"spec": {"network": {
            "serviceLabels": {"example.com/class": "changed"},
        }}}}});
        self.objects.patch("ktcpt kubelets", labels).await?;
        self.follows_class(Some("changed")).await?;
        let without = json!({"spec": {"template": {"spec": {"network": {"serviceLabels": null}}}}});
        self.objects.patch("ktcpt kubelets", without).await?;
        self.follows_class(None).await
    }

    /// Waits until the Service has the label of the class's template. Cluster API watches no templates, and reads them
    /// from a cache: a Cluster follows when it is reconciled, here for an annotation, else at a resync.
    async fn follows_class(&self, value: Option<&str>) -> Result<()> {
        let title = format!("the Service has the class {value:?}");
        until(&title, Duration::from_mins(1), || async {
            let now = format!("{:?}", SystemTime::now());
            let touched = json!({"metadata": {"annotations": {"example.com/touched": now}}});
            self.objects.patch("cluster green", touched).await?;
            self.service_has("labels", "example.com/class", value).await
        })
        .await
    }

    /// Waits until an annotation of the tenant's Service has the value.
    async fn service_gets(&self, annotation: &str, value: &str) -> Result<()> {
        let title = format!("the Service has the annotation {annotation}={value}");
        until(&title, Duration::from_mins(1), || async {
            self.service_has("annotations", annotation, Some(value))
                .await
        })
        .await
    }

    /// Fails unless a label or annotation of the tenant's Service has the value, or is absent.
    async fn service_has(&self, what: &str, key: &str, value: Option<&str>) -> Result<()> {
        let service = self.objects.get("service green").await?;
        let found = service["metadata"][what][key].as_str();
        ensure!(found == value, "it is {found:?}");
        Ok(())
    }

    /// Waits until `count` Nodes are Ready with a kubelet of this version and belong to Machines of
    /// it. Returns their uids.
    async fn nodes(
        &self,
        tenant: &Kubectl,
        count: usize,
        version: &str,
    ) -> Result<BTreeSet<String>> {
        let title = format!("{count} workers of {version}");
        until(&title, Duration::from_mins(4), || async {
            let machines = self.objects.list("machines").await?;
            let running = machines.iter().filter(|machine| {
                machine["spec"]["version"] == version && machine["status"]["phase"] == "Running"
            });
            let running = running.count();
            let nodes = tenant.json("get nodes").await?;
            let nodes = nodes["items"].as_array().cloned().unwrap_or_default();
            let ready: BTreeSet<String> = nodes
                .iter()
                .filter(|node| has_condition(node, ("Ready", "True")))
                .filter(|node| node["status"]["nodeInfo"]["kubeletVersion"] == version)
                .filter_map(|node| Some(node["metadata"]["uid"].as_str()?.to_owned()))
                .collect();
            let all = (machines.len(), running, nodes.len(), ready.len());
            ensure!(
                all == (count, count, count, count),
                "Machines, running, Nodes, Ready: {all:?}"
            );
            Ok(ready)
        })
        .await
    }
}

/// Kind and name of an object, and its resource version.
fn version(object: &Value) -> (String, String) {
    let word = |key: &str| {
        object["metadata"][key]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    let kind = object["kind"].as_str().unwrap_or_default();
    (format!("{kind} {}", word("name")), word("resourceVersion"))
}
