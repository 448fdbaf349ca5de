//! One API server for all tenants of the bench, so that a small machine has room for many Clusters.
//!
//! The operator makes one real control plane and ends. The bench acts as the operator for all other
//! TenantControlPlanes: it writes each one's status and Secrets with the address, kubeconfig and CA
//! of that control plane. The provider, Cluster API and the hollow Nodes see no difference.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use futures::StreamExt;
use kamaji_api::labels;
use kamaji_api::tenant::TenantControlPlane;
use kamaji_e2e::audit::OPERATOR_NAMESPACE;
use kamaji_e2e::tenant::Tenant;
use kamaji_e2e::testbed::Testbed;
use kamaji_e2e::tools::kubernetes_version;
use kube::api::{Api, Patch, PatchParams};
use kube::runtime::controller::{Action, Controller};
use kube::runtime::watcher;
use kube::{Client, Resource as _, ResourceExt};
use serde_json::{Value, json};

use super::NAMESPACE;

/// Field manager of what the bench writes in the operator's place.
const FIELD_MANAGER: &str = "bench";
/// Number of the shared control plane's address.
const ADDRESS: u8 = 31;
/// Time between two attempts that failed.
const AGAIN: Duration = Duration::from_secs(1);

/// The control plane that serves all tenants.
pub struct Shared {
    client: Client,
    /// Address of the control plane, as `host:port`.
    endpoint: Value,
    /// Data of the kubeconfig's Secrets.
    kubeconfig: Value,
    authority: Value,
}

impl Shared {
    /// Lets the operator make the control plane, then ends the operator.
    pub async fn up(testbed: &Testbed) -> Result<Self> {
        let tenant = json!({
            "apiVersion": "kamaji.clastix.io/v1alpha1", "kind": "TenantControlPlane",
            "metadata": {"name": "shared", "namespace": "default"},
            "spec": {
                "controlPlane": {
                    "deployment": {"replicas": 1}, "service": {"serviceType": "ClusterIP"},
                },
                "kubernetes": {"version": kubernetes_version()?, "kubelet": {"cgroupfs": "cgroupfs"}},
                "networkProfile": {
                    "address": testbed.bed.layout.vip(ADDRESS).to_string(), "port": 6443,
                    "allowAddressAsExternalIP": true,
                },
                "addons": {},
            },
        });
        let tenant = Tenant::apply(testbed, &tenant.to_string()).await?;
        tenant.wait_ready(Duration::from_mins(3)).await?;
        let kubectl = testbed.kubectl()?;
        for line in [
            format!(
                "-n {OPERATOR_NAMESPACE} scale deployment kamaji-controller-manager --replicas=0"
            ),
            format!("-n {OPERATOR_NAMESPACE} rollout status deployment kamaji-controller-manager"),
            "delete validatingwebhookconfiguration kamaji-validating-webhook-configuration".into(),
            "delete mutatingwebhookconfiguration kamaji-mutating-webhook-configuration".into(),
        ] {
            kubectl.run(&line).await?;
        }
        let data = async |suffix: &str| -> Result<Value> {
            let line = format!("-n default get secret shared-{suffix}");
            Ok(kubectl.json(&line).await?["data"].take())
        };
        Ok(Self {
            client: testbed.client().await?,
            endpoint: tenant.get().await?["status"]["controlPlaneEndpoint"].take(),
            kubeconfig: data("admin-kubeconfig").await?,
            authority: data("ca").await?,
        })
    }

    /// Acts as the operator until it is dropped.
    pub async fn serve(self) -> Result<()> {
        let api: Api<TenantControlPlane> = Api::namespaced(self.client.clone(), NAMESPACE);
        let play = async |tenant: Arc<TenantControlPlane>, shared: Arc<Self>| match shared
            .play(&tenant)
            .await
        {
            Ok(()) => Ok::<_, Infallible>(Action::await_change()),
            Err(error) => {
                println!("played operator, {}: {error:#}", tenant.name_any());
                Ok(Action::requeue(AGAIN))
            }
        };
        Controller::new(api, watcher::Config::default())
            .run(play, |_, never, _| match *never {}, Arc::new(self))
            .for_each(async |_| ())
            .await;
        Ok(())
    }

    /// Writes the Secrets of a tenant, and the status of one that is Ready.
    async fn play(&self, tenant: &TenantControlPlane) -> Result<()> {
        let status = tenant.status.as_ref();
        if status.is_some_and(|status| status.control_plane_endpoint.is_some()) {
            return Ok(());
        }
        let name = tenant.name_any();
        self.secret(tenant, "admin-kubeconfig", &self.kubeconfig)
            .await?;
        self.secret(tenant, "ca", &self.authority).await?;
        let replicas = tenant.spec.control_plane.deployment.replicas.unwrap_or(2);
        let status = json!({"status": {
            "controlPlaneEndpoint": self.endpoint,
            "kubeconfig": {"admin": {"secretName": format!("{name}-admin-kubeconfig")}},
            "certificates": {"ca": {"secretName": format!("{name}-ca")}},
            "kubernetesResources": {
                "version": {"version": tenant.spec.kubernetes.version, "status": "Ready"},
                "deployment": {
                    "name": name, "namespace": NAMESPACE, "selector": format!("kamaji.clastix.io/name={name}"),
                    "replicas": replicas, "readyReplicas": replicas,
                    "availableReplicas": replicas, "updatedReplicas": replicas,
                },
            },
            "conditions": [{
                "type": "ControlPlaneAvailable", "status": "True", "reason": "Available", "message": "",
                "lastTransitionTime": tenant.creation_timestamp(),
            }],
        }});
        let api: Api<TenantControlPlane> = Api::namespaced(self.client.clone(), NAMESPACE);
        api.patch_status(&name, &PatchParams::default(), &Patch::Merge(&status))
            .await?;
        Ok(())
    }

    async fn secret(&self, tenant: &TenantControlPlane, suffix: &str, data: &Value) -> Result<()> {
        let tenant_name = tenant.name_any();
        let name = format!("{tenant_name}-{suffix}");
        let owner = tenant.controller_owner_ref(&()).context("no uid")?;
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "data": data,
            "metadata": {
                "name": name, "ownerReferences": [owner],
                "labels": {labels::PROJECT: "kamaji", labels::NAME: tenant_name},
            },
        });
        let api: Api<k8s_openapi::api::core::v1::Secret> =
            Api::namespaced(self.client.clone(), NAMESPACE);
        let params = PatchParams::apply(FIELD_MANAGER).force();
        api.patch(&name, &params, &Patch::Apply(&secret)).await?;
        Ok(())
    }
}
