//! The operator, as the tests play it: Secrets, status and finalizers of tenants.

use base64::{Engine, engine::general_purpose::STANDARD};
use kamaji_api::tenant::TenantControlPlane;
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde_json::{Value, json};

use crate::{
    environment::{Environment, NAMESPACE},
    waiting::wait_for_deletion,
};

impl Environment {
    /// Plays the operator for a new tenant: waits for it, creates its Secrets and reports that it serves.
    pub async fn start_tenant(&self, name: &str) {
        self.wait_for_tenant(name).await;
        self.create_tenant_secrets(name).await;
        self.report_serving(name).await;
    }

    /// Plays the operator and the garbage collector: removes the tenant's finalizers once it is being deleted.
    pub async fn release_tenant(&self, name: &str) {
        release(&self.tenants(), name).await;
    }

    /// Plays the operator: creates the tenant's Secrets with the operator's labels.
    pub async fn create_tenant_secrets(&self, name: &str) {
        let texts = [
            ("admin-kubeconfig", json!({"admin.conf": self.kubeconfig()})),
            ("ca", json!({"ca.crt": "certificate", "ca.key": "key"})),
        ];
        for (suffix, data) in texts {
            self.apply(json!({
                "apiVersion": "v1", "kind": "Secret",
                "metadata": {
                    "name": format!("{name}-{suffix}"), "namespace": NAMESPACE,
                    "labels": {"kamaji.clastix.io/project": "kamaji", "kamaji.clastix.io/name": name},
                },
                "data": encoded(&data),
            }))
            .await;
        }
    }

    /// Plays the operator: reports that the tenant serves, at the address of this API server.
    pub async fn report_serving(&self, name: &str) {
        self.set_tenant_status(name, &self.serving_status(name))
            .await;
    }

    /// Status of a tenant that serves.
    pub fn serving_status(&self, name: &str) -> Value {
        let time = "2026-01-01T00:00:00Z";
        json!({
            "controlPlaneEndpoint": self.api.url().strip_prefix("https://").unwrap(),
            "kubeconfig": {"admin": {"secretName": format!("{name}-admin-kubeconfig")}},
            "certificates": {"ca": {"secretName": format!("{name}-ca")}},
            "kubernetesResources": {
                "version": {"version": "v1.36.3", "status": "Ready"},
                "deployment": {
                    "name": name, "namespace": NAMESPACE, "selector": format!("kamaji.clastix.io/name={name}"),
                    "replicas": 2, "readyReplicas": 2, "availableReplicas": 2, "updatedReplicas": 2,
                },
            },
            "conditions": [{
                "type": "ControlPlaneAvailable", "status": "True", "reason": "Available",
                "message": "", "lastTransitionTime": time,
            }],
        })
    }

    pub async fn set_tenant_status(&self, name: &str, status: &Value) {
        let params = PatchParams::default();
        let patch = Patch::Merge(json!({"status": status}));
        self.tenants()
            .patch_status(name, &params, &patch)
            .await
            .unwrap();
    }
}

/// Removes the finalizers of a tenant once it is being deleted.
pub async fn release(tenants: &Api<TenantControlPlane>, name: &str) {
    wait_for_deletion(tenants, name).await;
    let none = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    let params = PatchParams::default();
    tenants.patch(name, &params, &none).await.unwrap();
}

fn encoded(data: &Value) -> Value {
    let entries = data.as_object().unwrap().iter();
    entries
        .map(|(key, value)| (key.clone(), json!(STANDARD.encode(value.as_str().unwrap()))))
        .collect::<serde_json::Map<_, _>>()
        .into()
}
