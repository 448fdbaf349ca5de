//! Cluster API drives a tenant: core, the kubeadm bootstrap provider and clusterctl are the real ones.

use std::time::Duration;

use anyhow::{Result, ensure};
use kamaji_e2e::cluster_api::{self, Clusterctl};
use kamaji_e2e::testbed::Testbed;
use kamaji_e2e::wait::until;
use serde_json::json;

use super::objects::Objects;

/// Name and namespace of the Cluster.
const BLUE: (&str, &str) = ("blue", "capi");

/// A Cluster without infrastructure, whose control plane has a name of its own.
pub async fn without_infrastructure(testbed: Testbed) -> Result<()> {
    let clusterctl = cluster_api::install(&testbed).await?;
    let objects = Objects::of(&testbed, BLUE.1)?;
    objects.namespace().await?;
    objects.apply(&manifest(&testbed)).await?;
    let case = Case {
        objects: &objects,
        clusterctl: &clusterctl,
    };
    case.comes_up().await?;
    case.is_scaled().await?;
    case.is_paused().await?;
    case.old_version().await?;
    case.goes().await
}

struct Case<'a> {
    objects: &'a Objects,
    clusterctl: &'a Clusterctl,
}

impl Case<'_> {
    /// Endpoint, initialisation, kubeconfig and the probe of Cluster API's core.
    async fn comes_up(&self) -> Result<()> {
        self.objects
            .condition("cluster blue", ("RemoteConnectionProbe", "True"))
            .await?;
        self.objects
            .condition("cluster blue", ("ControlPlaneAvailable", "True"))
            .await?;
        let cluster = self.objects.get("cluster blue").await?;
        let told = self.objects.get("ktcp blue-cp").await?;
        ensure!(
            cluster["spec"]["controlPlaneEndpoint"] == told["spec"]["controlPlaneEndpoint"],
            "the Cluster has taken the endpoint over"
        );
        let dual = self.clusterctl.tenant(BLUE).await?;
        let dual = dual.json("get servicecidr kubernetes").await?;
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

    /// To nothing and back by the scale subresource.
    async fn is_scaled(&self) -> Result<()> {
        self.objects.run("scale ktcp blue-cp --replicas=0").await?;
        self.objects
            .condition("ktcp blue-cp", ("Available", "False"))
            .await?;
        self.objects.run("scale ktcp blue-cp --replicas=1").await?;
        self.objects
            .condition("ktcp blue-cp", ("Available", "True"))
            .await
    }

    /// By the Cluster; what was asked meanwhile is done as soon as it goes on.
    async fn is_paused(&self) -> Result<()> {
        self.objects
            .patch("cluster blue", json!({"spec": {"paused": true}}))
            .await?;
        self.objects
            .condition("ktcp blue-cp", ("Paused", "True"))
            .await?;
        let label = json!({"metadata": {"labels": {"team": "blue"}}});
        self.objects.patch("ktcp blue-cp", label).await?;
        tokio::time::sleep(Duration::from_secs(2)).await;
        let label = || async {
            let tenant = self.objects.get("tcp blue-cp").await?;
            anyhow::Ok(tenant["metadata"]["labels"]["team"] == "blue")
        };
        ensure!(!label().await?, "nothing is done while it is paused");
        self.objects
            .patch("cluster blue", json!({"spec": {"paused": false}}))
            .await?;
        until("it goes on at once", Duration::from_secs(5), || async {
            ensure!(label().await?, "the label is not there");
            Ok(())
        })
        .await
    }

    /// Clients of v1alpha1 see the words of the old contract.
    async fn old_version(&self) -> Result<()> {
        let old = "kamajicontrolplanes.v1alpha1.controlplane.cluster.x-k8s.io blue-cp";
        let old = self.objects.get(old).await?;
        ensure!(old["status"]["initialized"] == true, "{}", old["status"]);
        Ok(())
    }

    /// The Cluster goes, and with it the control plane and its tenant.
    async fn goes(&self) -> Result<()> {
        self.objects
            .run("delete cluster blue --timeout=120s")
            .await?;
        let left = self
            .objects
            .run("get ktcp,tcp,deployment,service -o name")
            .await?;
        ensure!(left.trim().is_empty(), "there are {left}");
        Ok(())
    }
}

fn manifest(testbed: &Testbed) -> String {
    let address = testbed.bed.layout.vip(20);
    let objects = json!({"apiVersion": "v1", "kind": "List", "items": [
        {
            "apiVersion": "controlplane.cluster.x-k8s.io/v1alpha2", "kind": "KamajiControlPlane",
            "metadata": {"name": "blue-cp"},
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
            "metadata": {"name": "blue"},
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
