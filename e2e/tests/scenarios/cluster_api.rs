//! Cluster API drives a tenant: core, the kubeadm bootstrap provider and clusterctl are the real ones.

use std::time::Duration;

use anyhow::{Result, ensure};
use kamaji_e2e::cluster_api::{self, Clusterctl};
use kamaji_e2e::testbed::Testbed;
use kamaji_e2e::wait::until;
use serde_json::{Value, json};

use super::manifest::version;
use super::objects::{Objects, cluster};

/// Name and namespace of the Cluster.
const BLUE: (&str, &str) = ("blue", "capi");

/// An object and a merge patch of it.
type Change<'a> = (&'a str, Value);

/// A Cluster without infrastructure, whose control plane has another name.
pub async fn without_infrastructure(testbed: Testbed) -> Result<()> {
    let clusterctl = cluster_api::install(&testbed).await?;
    let objects = Objects::of(&testbed, BLUE.1)?;
    objects.namespace().await?;
    objects.apply(&manifest(&testbed)).await?;
    let case = Case {
        objects: &objects,
        clusterctl: &clusterctl,
    };
    case.is_created().await?;
    case.is_scaled().await?;
    case.is_paused().await?;
    case.invalid_san_is_reported().await?;
    case.refused_write_is_reported().await?;
    case.v1alpha1_is_served().await?;
    case.is_deleted().await
}

struct Case<'a> {
    objects: &'a Objects,
    clusterctl: &'a Clusterctl,
}

impl Case<'_> {
    /// The Cluster has endpoint, initialisation and kubeconfig, and the probe of Cluster API's core
    /// succeeds.
    async fn is_created(&self) -> Result<()> {
        self.objects
            .condition("cluster blue", ("RemoteConnectionProbe", "True"))
            .await?;
        self.objects
            .condition("cluster blue", ("ControlPlaneAvailable", "True"))
            .await?;
        let cluster = self.objects.get("cluster blue").await?;
        let control_plane = self.objects.get("ktcp blue-cp").await?;
        ensure!(
            cluster["spec"]["controlPlaneEndpoint"]
                == control_plane["spec"]["controlPlaneEndpoint"],
            "the Cluster has another endpoint than its control plane"
        );
        let dual = self.clusterctl.tenant(BLUE).await?;
        let dual = dual.json("get servicecidr kubernetes").await?;
        let expected = json!(["10.120.0.0/16", "fd00:120::/112"]);
        ensure!(dual["spec"]["cidrs"] == expected, "{}", dual["spec"]);
        let status = &cluster["status"]["controlPlane"];
        ensure!(status["availableReplicas"] == 1 && status["versions"][0]["version"] == version());
        let printed = self.clusterctl.run("describe cluster blue -n capi").await?;
        ensure!(
            printed.contains("KamajiControlPlane capi/blue-cp"),
            "{printed}"
        );
        let plan = self.clusterctl.run("upgrade plan").await?;
        ensure!(plan.contains("control-plane-kamaji"), "{plan}");
        Ok(())
    }

    /// The scale subresource scales the control plane to 0 and back.
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

    /// The Cluster pauses the control plane, and so does an annotation on the control plane alone.
    async fn is_paused(&self) -> Result<()> {
        let by_cluster = |paused| ("cluster blue", json!({"spec": {"paused": paused}}));
        self.apply_while_paused(by_cluster(true), by_cluster(false), "blue")
            .await?;
        let annotated = |value: Value| {
            let annotations = json!({"cluster.x-k8s.io/paused": value});
            (
                "ktcp blue-cp",
                json!({"metadata": {"annotations": annotations}}),
            )
        };
        self.apply_while_paused(annotated(json!("")), annotated(Value::Null), "azure")
            .await
    }

    /// Changes that are made during a pause take effect when it ends.
    async fn apply_while_paused(
        &self,
        pause: Change<'_>,
        resume: Change<'_>,
        team: &str,
    ) -> Result<()> {
        self.objects.patch(pause.0, pause.1).await?;
        self.objects
            .condition("ktcp blue-cp", ("Paused", "True"))
            .await?;
        let label = json!({"metadata": {"labels": {"team": team}}});
        self.objects.patch("ktcp blue-cp", label).await?;
        tokio::time::sleep(Duration::from_secs(2)).await;
        let label = || async {
            let tenant = self.objects.get("tcp blue-cp").await?;
            anyhow::Ok(tenant["metadata"]["labels"]["team"] == team)
        };
        ensure!(!label().await?, "the label was applied during the pause");
        self.objects.patch(resume.0, resume.1).await?;
        until(
            "the label is applied at once",
            Duration::from_secs(5),
            || async {
                ensure!(label().await?, "the label is missing");
                Ok(())
            },
        )
        .await?;
        self.objects
            .condition("ktcp blue-cp", ("Paused", "False"))
            .await
    }

    /// A SAN with a port fits into no certificate: a condition names it, and the tenant stays as it
    /// is until the SAN is corrected.
    async fn invalid_san_is_reported(&self) -> Result<()> {
        let names = |name: &str| json!({"spec": {"network": {"certSANs": [name]}}});
        self.objects
            .patch("ktcp blue-cp", names("a.example:6443"))
            .await?;
        until("the name is refused", Duration::from_secs(10), || async {
            let condition = self.created().await?;
            let text = condition["message"].as_str().unwrap_or_default();
            ensure!(
                condition["status"] == "False"
                    && condition["reason"] == "SpecInvalid"
                    && text.contains("spec.network.certSANs has a.example:6443"),
                "the condition is {condition}"
            );
            Ok(())
        })
        .await?;
        let tenant_sans = async || {
            let tenant = self.objects.get("tcp blue-cp").await?;
            anyhow::Ok(tenant["spec"]["networkProfile"]["certSANs"].clone())
        };
        let sans = tenant_sans().await?;
        ensure!(!sans.to_string().contains("a.example"), "{sans}");
        self.objects
            .patch("ktcp blue-cp", names("a.example"))
            .await?;
        until("the name is taken", Duration::from_secs(10), || async {
            let (condition, sans) = (self.created().await?, tenant_sans().await?);
            ensure!(
                condition["status"] == "True",
                "the condition is {condition}"
            );
            ensure!(sans == json!(["a.example"]), "{sans}");
            Ok(())
        })
        .await?;
        self.objects
            .condition("ktcp blue-cp", ("Available", "True"))
            .await
    }

    /// A value that only the operator's webhook refuses becomes a condition and an event; the
    /// tenant keeps running.
    async fn refused_write_is_reported(&self) -> Result<()> {
        let mounts = |mounts: Value| json!({"spec": {"apiServer": {"extraVolumeMounts": mounts}}});
        let missing = json!([{"name": "no-such-volume", "mountPath": "/data"}]);
        self.objects.patch("ktcp blue-cp", mounts(missing)).await?;
        until("the mount is refused", Duration::from_secs(10), || async {
            let condition = self.created().await?;
            let message = condition["message"].as_str().unwrap_or_default();
            ensure!(
                condition["reason"] == "WriteRefused" && message.contains("no-such-volume"),
                "the condition is {condition}"
            );
            let events = "get events --field-selector reason=WriteRefused -o name";
            let events = self.objects.run(events).await?;
            ensure!(!events.trim().is_empty(), "there is no event");
            Ok(())
        })
        .await?;
        self.objects
            .condition("ktcp blue-cp", ("Available", "True"))
            .await?;
        self.objects
            .patch("ktcp blue-cp", mounts(Value::Null))
            .await?;
        self.objects
            .condition("ktcp blue-cp", ("TenantControlPlaneCreated", "True"))
            .await
    }

    /// The condition TenantControlPlaneCreated, or null.
    async fn created(&self) -> Result<Value> {
        let control_plane = self.objects.get("ktcp blue-cp").await?;
        let conditions = control_plane["status"]["conditions"].as_array();
        let mut conditions = conditions.into_iter().flatten();
        let found = conditions.find(|entry| entry["type"] == "TenantControlPlaneCreated");
        Ok(found.cloned().unwrap_or_default())
    }

    /// Clients of v1alpha1 see the fields of the old contract.
    async fn v1alpha1_is_served(&self) -> Result<()> {
        let old = "kamajicontrolplanes.v1alpha1.controlplane.cluster.x-k8s.io blue-cp";
        let old = self.objects.get(old).await?;
        ensure!(old["status"]["initialized"] == true, "{}", old["status"]);
        Ok(())
    }

    /// The deletion of the Cluster deletes control plane and tenant.
    async fn is_deleted(&self) -> Result<()> {
        self.objects
            .run("delete cluster blue --timeout=120s")
            .await?;
        let left = self
            .objects
            .run("get ktcp,tcp,deployment,service -o name")
            .await?;
        ensure!(left.trim().is_empty(), "{left} is left");
        Ok(())
    }
}

/// Manifest of the dual-stack Cluster without infrastructure.
fn manifest(testbed: &Testbed) -> String {
    let address = testbed.bed.layout.vip(20);
    let network = json!({
        "services": {"cidrBlocks": ["10.120.0.0/16", "fd00:120::/112"]},
        "pods": {"cidrBlocks": ["10.121.0.0/16", "fd00:121::/56"]},
    });
    let control_plane = json!({
        "version": version().trim_start_matches('v'), "replicas": 1, "dataStoreName": "default",
        "network": {
            "serviceType": "ClusterIP", "serviceAddress": address, "allowAddressAsExternalIP": true,
        },
        "addons": {"coreDNS": {}, "kubeProxy": {}},
    });
    cluster("blue", &network, &control_plane)
}
