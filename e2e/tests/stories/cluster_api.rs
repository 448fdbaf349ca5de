//! Cluster API drives a tenant: core, the kubeadm bootstrap provider and clusterctl are the real ones.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use kamaji_e2e::cluster_api::{self, Clusterctl};
use kamaji_e2e::kubectl::Kubectl;
use kamaji_e2e::testbed::Testbed;
use kamaji_e2e::wait::until;
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_mins(3);

/// A Cluster without infrastructure, whose control plane has a name of its own.
pub async fn without_infrastructure(testbed: Testbed) -> Result<()> {
    let clusterctl = cluster_api::install(&testbed).await?;
    let kubectl = testbed.kubectl()?;
    kubectl.apply(&manifest(&testbed)).await?;
    let case = Case {
        testbed: &testbed,
        kubectl: &kubectl,
        clusterctl: &clusterctl,
    };
    case.comes_up().await?;
    case.is_scaled().await?;
    case.is_paused().await?;
    case.old_version().await?;
    case.goes().await
}

struct Case<'a> {
    testbed: &'a Testbed,
    kubectl: &'a Kubectl,
    clusterctl: &'a Clusterctl,
}

impl Case<'_> {
    /// Endpoint, initialisation, kubeconfig and the probe of Cluster API's core.
    async fn comes_up(&self) -> Result<()> {
        self.condition("cluster blue", "RemoteConnectionProbe", "True")
            .await?;
        self.condition("cluster blue", "ControlPlaneAvailable", "True")
            .await?;
        let cluster = self.kubectl.json("get cluster blue -n capi").await?;
        let told = self.kubectl.json("get ktcp blue-cp -n capi").await?;
        ensure!(
            cluster["spec"]["controlPlaneEndpoint"] == told["spec"]["controlPlaneEndpoint"],
            "the Cluster has taken the endpoint over"
        );
        let dual = self.tenant("get servicecidr kubernetes").await?;
        let expected = json!(["10.120.0.0/16", "fd00:120::/112"]);
        ensure!(dual["spec"]["cidrs"] == expected, "{}", dual["spec"]);
        let status = &cluster["status"]["controlPlane"];
        ensure!(status["availableReplicas"] == 1 && status["versions"][0]["version"] == "v1.36.3");
        let told = self.clusterctl.run("describe cluster blue -n capi").await?;
        ensure!(told.contains("KamajiControlPlane capi/blue-cp"), "{told}");
        let plan = self.clusterctl.run("upgrade plan").await?;
        ensure!(plan.contains("control-plane-kamaji"), "{plan}");
        Ok(())
    }

    /// What the tenant answers, asked with what `clusterctl get kubeconfig` gives.
    async fn tenant(&self, line: &str) -> Result<Value> {
        let kubeconfig = self.clusterctl.run("get kubeconfig blue -n capi").await?;
        let path = self
            .testbed
            .bed
            .layout
            .dir("clusterctl")
            .join("blue.kubeconfig");
        std::fs::write(&path, kubeconfig)?;
        Kubectl::new(&self.testbed.bed.tools, &path)?
            .json(line)
            .await
    }

    /// To nothing and back by the scale subresource.
    async fn is_scaled(&self) -> Result<()> {
        self.kubectl
            .run("scale ktcp blue-cp -n capi --replicas=0")
            .await?;
        self.condition("ktcp blue-cp", "Available", "False").await?;
        self.kubectl
            .run("scale ktcp blue-cp -n capi --replicas=1")
            .await?;
        self.condition("ktcp blue-cp", "Available", "True").await
    }

    /// By the Cluster; what was asked meanwhile is done as soon as it goes on.
    async fn is_paused(&self) -> Result<()> {
        self.patch("cluster blue", json!({"spec": {"paused": true}}))
            .await?;
        self.condition("ktcp blue-cp", "Paused", "True").await?;
        let label = json!({"metadata": {"labels": {"team": "blue"}}});
        self.patch("ktcp blue-cp", label).await?;
        tokio::time::sleep(Duration::from_secs(2)).await;
        let label = || async {
            let tenant = self.kubectl.json("get tcp blue-cp -n capi").await?;
            anyhow::Ok(tenant["metadata"]["labels"]["team"] == "blue")
        };
        ensure!(!label().await?, "nothing is done while it is paused");
        self.patch("cluster blue", json!({"spec": {"paused": false}}))
            .await?;
        until("it goes on at once", Duration::from_secs(5), || async {
            ensure!(label().await?, "the label is not there");
            Ok(())
        })
        .await
    }

    /// Clients of v1alpha1 see the words of the old contract.
    async fn old_version(&self) -> Result<()> {
        let line = "get kamajicontrolplanes.v1alpha1.controlplane.cluster.x-k8s.io blue-cp -n capi";
        let old = self.kubectl.json(line).await?;
        ensure!(old["status"]["initialized"] == true, "{}", old["status"]);
        Ok(())
    }

    /// The Cluster goes, and with it the control plane and its tenant.
    async fn goes(&self) -> Result<()> {
        self.kubectl
            .run("delete cluster blue -n capi --timeout=120s")
            .await?;
        let left = self
            .kubectl
            .run("get ktcp,tcp,deployment,service -n capi -o name")
            .await?;
        ensure!(left.trim().is_empty(), "there are {left}");
        Ok(())
    }

    async fn patch(&self, object: &str, patch: Value) -> Result<()> {
        let patch = patch.to_string();
        let mut words = vec!["patch"];
        words.extend(object.split(' '));
        words.extend(["-n", "capi", "--type=merge", "-p", &patch]);
        self.kubectl.args(words).await?;
        Ok(())
    }

    async fn condition(&self, object: &str, type_: &str, status: &str) -> Result<()> {
        until(&format!("{object} has {type_}={status}"), LIMIT, || async {
            let found = self.kubectl.json(&format!("get {object} -n capi")).await?;
            let list = found["status"]["conditions"]
                .as_array()
                .cloned()
                .unwrap_or_default();
            let said = list.iter().find(|said| said["type"] == type_);
            let said = said.with_context(|| format!("it has only {list:?}"))?;
            ensure!(said["status"] == status, "it says {said}");
            Ok(())
        })
        .await
    }
}

fn manifest(testbed: &Testbed) -> String {
    let address = testbed.bed.layout.vip(20);
    let objects = json!({"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "capi"}},
        {
            "apiVersion": "controlplane.cluster.x-k8s.io/v1alpha2", "kind": "KamajiControlPlane",
            "metadata": {"name": "blue-cp", "namespace": "capi"},
            "spec": {
                "version": "1.36.3", "replicas": 1, "dataStoreName": "default",
                "network": {
                    "serviceType": "ClusterIP", "serviceAddress": address,
                    "allowAddressAsExternalIP": true,
                },
                "addons": {"coreDNS": {}, "kubeProxy": {}},
            },
        },
        {
            "apiVersion": "cluster.x-k8s.io/v1beta2", "kind": "Cluster",
            "metadata": {"name": "blue", "namespace": "capi"},
            "spec": {
                "clusterNetwork": {
                    "services": {"cidrBlocks": ["10.120.0.0/16", "fd00:120::/112"]},
                    "pods": {"cidrBlocks": ["10.121.0.0/16", "fd00:121::/56"]},
                },
                "controlPlaneRef": {
                    "apiGroup": "controlplane.cluster.x-k8s.io", "kind": "KamajiControlPlane",
                    "name": "blue-cp",
                },
            },
        },
    ]});
    objects.to_string()
}
