//! A ClusterClass drives a tenant and its workers, which are real kubelets.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use kamaji_e2e::cluster_api::{self, Clusterctl};
use kamaji_e2e::infrastructure;
use kamaji_e2e::kubectl::{Kubectl, says};
use kamaji_e2e::layout::manifest;
use kamaji_e2e::testbed::Testbed;
use kamaji_e2e::wait::until;
use serde_json::{Value, json};

use super::objects::Objects;

/// Name and namespace of the Cluster.
const GREEN: (&str, &str) = ("green", "green");

/// The version before the one that there is; only the names of images differ.
const BEFORE: &str = "v1.35.4";
const AFTER: &str = "v1.36.3";

/// How long nobody may do anything.
const QUIET: Duration = Duration::from_secs(12);

/// Places of the MachineDeployments in the topology.
const KUBELETS: usize = 0;
const HOLLOW: usize = 1;

/// Created, patched and upgraded with a Machine that is only a Node, since a real kubelet cannot tell a
/// version that it does not have; then scaled with real ones, of which one is replaced.
pub async fn tell(testbed: Testbed) -> Result<()> {
    let clusterctl = cluster_api::install(&testbed).await?;
    infrastructure::start(&testbed, Path::new(env!("CARGO_BIN_EXE_testbed"))).await?;
    testbed.pretend_version(BEFORE).await?;
    let objects = Objects::of(&testbed, "green")?;
    let case = Case {
        testbed: &testbed,
        objects: &objects,
        clusterctl: &clusterctl,
    };
    case.is_generated().await?;
    let tenant = case.comes_up().await?;
    case.is_patched().await?;
    case.is_upgraded(&tenant).await?;
    case.is_scaled(&tenant).await?;
    case.stays_as_it_is().await?;
    case.machine_is_replaced(&tenant).await?;
    case.goes().await
}

struct Case<'a> {
    testbed: &'a Testbed,
    objects: &'a Objects,
    clusterctl: &'a Clusterctl,
}

impl Case<'_> {
    /// By `clusterctl generate cluster` from a template, as a user would.
    async fn is_generated(&self) -> Result<()> {
        self.objects.namespace().await?;
        let class = manifest("clusterclass-kubelets.yaml")?;
        self.objects.apply(&class).await?;
        let address = self.testbed.bed.layout.vip(21);
        let template = "cluster-template-kubelets.yaml";
        let cluster = self
            .clusterctl
            .with("CONTROL_PLANE_ADDRESS", &address.to_string())
            .with("HOLLOW_MACHINE_COUNT", "1")
            .generate(GREEN, template, (BEFORE, 0))
            .await?;
        self.objects.apply(&cluster).await
    }

    /// No Machine before the version is known; then one that is a Node.
    async fn comes_up(&self) -> Result<Kubectl> {
        let first = until("the first Machine", Duration::from_mins(3), || async {
            let machines = self.objects.list("machines").await?;
            let control_plane = self.objects.get("ktcp green").await?;
            ensure!(
                !machines.is_empty(),
                "none yet; {}",
                control_plane["status"]
            );
            Ok(control_plane)
        })
        .await?;
        ensure!(
            first["status"]["version"] == BEFORE,
            "there is a Machine, but the version is not known: {}",
            first["status"]
        );
        for type_ in ["RemoteConnectionProbe", "InfrastructureReady", "Available"] {
            self.objects
                .condition("cluster green", (type_, "True"))
                .await?;
        }
        let tenant = self.clusterctl.tenant(GREEN).await?;
        self.nodes(&tenant, 1, BEFORE).await?;
        until("nothing is wrong", Duration::from_mins(1), || async {
            let told = self
                .clusterctl
                .run("describe cluster green -n green")
                .await?;
            ensure!(told.contains("KamajiControlPlane green/green"), "{told}");
            ensure!(
                !told.contains("False") && told.contains("Available"),
                "{told}"
            );
            Ok(())
        })
        .await?;
        Ok(tenant)
    }

    /// Real kubelets: none, two, one.
    async fn is_scaled(&self, tenant: &Kubectl) -> Result<()> {
        self.replicas(HOLLOW, 0).await?;
        for count in [0, 2, 1] {
            self.replicas(KUBELETS, count).await?;
            self.nodes(tenant, count, AFTER).await?;
        }
        Ok(())
    }

    async fn replicas(&self, deployment: usize, count: usize) -> Result<()> {
        let path = format!("/spec/topology/workers/machineDeployments/{deployment}/replicas");
        let patch = json!([{"op": "replace", "path": path, "value": count}]);
        self.objects.json_patch("cluster green", patch).await
    }

    /// The topology and the provider do not disagree about what they share, and neither the provider nor
    /// the operator asks for anything.
    async fn stays_as_it_is(&self) -> Result<()> {
        let kinds = "cluster,ktcp,tcp,kubeletcluster,machinedeployment";
        let versions = || async {
            let found = self.objects.list(kinds).await?;
            anyhow::Ok(found.iter().map(version).collect::<Vec<_>>())
        };
        until("all is quiet", Duration::from_mins(2), || async {
            let (mark, before) = (self.testbed.audit().mark()?, versions().await?);
            tokio::time::sleep(QUIET).await;
            let after = versions().await?;
            ensure!(before == after, "{before:?}, and later {after:?}");
            let entries = self.testbed.audit().since(mark)?;
            let ours = entries
                .iter()
                .filter(|entry| entry.is_of_the_operator() && !entry.is_of_a_lease());
            // A watch ends after some minutes and is begun anew, which is no poll.
            let asked: Vec<_> = ours
                .filter(|entry| entry.verb != "watch")
                .map(|entry| (&entry.user.username, &entry.verb, &entry.uri))
                .collect();
            ensure!(asked.is_empty(), "requests at rest: {asked:?}");
            Ok(())
        })
        .await
    }

    /// A variable of the Cluster reaches the tenant's Service, and a change of the class does.
    async fn is_patched(&self) -> Result<()> {
        // The second; its default stands there already.
        let path = "/spec/topology/variables/1/value";
        let variable = json!([{"op": "replace", "path": path, "value": "green"}]);
        self.objects.json_patch("cluster green", variable).await?;
        self.service("annotations", "example.com/team", Some("green"))
            .await?;
        let labels = json!({"spec": {"template": {"spec": {"network": {
            "serviceLabels": {"example.com/class": "changed"},
        }}}}});
        self.objects.patch("ktcpt kubelets", labels).await?;
        self.service("labels", "example.com/class", Some("changed"))
            .await?;
        let none = json!({"spec": {"template": {"spec": {"network": {"serviceLabels": null}}}}});
        self.objects.patch("ktcpt kubelets", none).await?;
        self.service("labels", "example.com/class", None).await
    }

    async fn service(&self, what: &str, key: &str, value: Option<&str>) -> Result<()> {
        let title = format!("the Service has {what} {key}={value:?}");
        until(&title, Duration::from_mins(1), || async {
            let service = self.objects.get("service green").await?;
            let found = service["metadata"][what][key].as_str();
            ensure!(found == value, "it is {found:?}");
            Ok(())
        })
        .await
    }

    /// The control plane first, and it says so until its rollout has ended; then the workers.
    async fn is_upgraded(&self, tenant: &Kubectl) -> Result<()> {
        let version = json!({"spec": {"topology": {"version": AFTER}}});
        self.objects.patch("cluster green", version).await?;
        let control_plane = until("the workers follow", Duration::from_mins(5), || async {
            let machines = self.objects.list("machines").await?;
            let mut versions = machines.iter().map(|machine| &machine["spec"]["version"]);
            let control_plane = self.objects.get("ktcp green").await?;
            ensure!(
                versions.any(|version| version == AFTER),
                "no Machine of {AFTER}; {}",
                control_plane["status"]
            );
            Ok(control_plane)
        })
        .await?;
        ensure!(
            control_plane["status"]["version"] == AFTER,
            "a worker is upgraded before its control plane: {}",
            control_plane["status"]
        );
        self.nodes(tenant, 1, AFTER).await?;
        let control_plane = self.objects.get("ktcp green").await?;
        let versions = &control_plane["status"]["versions"];
        ensure!(
            versions.as_array().is_some_and(|all| all.len() == 1)
                && versions[0]["version"] == AFTER,
            "the rollout has ended: {versions}"
        );
        self.objects
            .condition("cluster green", ("TopologyReconciled", "True"))
            .await
    }

    /// A Machine that is deleted takes its Node with it, and another comes.
    async fn machine_is_replaced(&self, tenant: &Kubectl) -> Result<()> {
        let machine = &self.objects.list("machines").await?[0];
        let name = machine["metadata"]["name"]
            .as_str()
            .context("a name")?
            .to_owned();
        let node = machine["status"]["nodeRef"]["name"]
            .as_str()
            .context("a Node")?;
        let uid = tenant
            .run(&format!("get node {node} -o jsonpath={{.metadata.uid}}"))
            .await?;
        self.objects
            .run(&format!("delete machine {name} --timeout=180s"))
            .await?;
        let nodes = tenant
            .run("get nodes -o jsonpath={.items[*].metadata.uid}")
            .await?;
        ensure!(!nodes.contains(&uid), "the Node is left");
        self.nodes(tenant, 1, AFTER).await
    }

    /// The Cluster goes, and with it everything that was made for it.
    async fn goes(&self) -> Result<()> {
        self.objects
            .run("delete cluster green --timeout=300s")
            .await?;
        let kinds = "ktcp,tcp,deployments,services,machines,machinedeployments,kubeletmachines,kubeletclusters";
        let left = self.objects.run(&format!("get {kinds} -o name")).await?;
        ensure!(left.trim().is_empty(), "there are {left}");
        Ok(())
    }

    /// So many Nodes are Ready, and Cluster API knows them as Machines of this version.
    async fn nodes(&self, tenant: &Kubectl, count: usize, version: &str) -> Result<()> {
        let title = format!("{count} workers of {version}");
        until(&title, Duration::from_mins(4), || async {
            let machines = self.objects.list("machines").await?;
            let running = machines.iter().filter(|machine| {
                machine["spec"]["version"] == version && machine["status"]["phase"] == "Running"
            });
            let running = running.count();
            let nodes = tenant.json("get nodes").await?;
            let nodes = nodes["items"].as_array().cloned().unwrap_or_default();
            let ready = nodes
                .iter()
                .filter(|node| says(node, ("Ready", "True")))
                .count();
            let all = (machines.len(), running, nodes.len(), ready);
            ensure!(
                all == (count, count, count, count),
                "Machines, running, Nodes, Ready: {all:?}"
            );
            Ok(())
        })
        .await
    }
}

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
