//! Infrastructure of a `HollowCluster`: it needs no resources and is provisioned once its control
//! plane is known.

use anyhow::Result;
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use kube::runtime::controller::Action;
use kube::{Client, ResourceExt};
use serde_json::json;

use super::resources::resource;

/// Marks a `HollowCluster` as provisioned once its control plane endpoint is set.
pub async fn reconcile(client: &Client, cluster: &DynamicObject) -> Result<Action> {
    let endpoint = &cluster.data["spec"]["controlPlaneEndpoint"]["host"];
    let provisioned = &cluster.data["status"]["initialization"]["provisioned"];
    if endpoint.is_string() && *provisioned != json!(true) {
        let namespace = cluster.namespace().unwrap_or_default();
        let api: Api<DynamicObject> =
            Api::namespaced_with(client.clone(), &namespace, &resource("HollowCluster"));
        let status = json!({"status": {"initialization": {"provisioned": true}}});
        let params = PatchParams::default();
        api.patch_status(&cluster.name_any(), &params, &Patch::Merge(&status))
            .await?;
    }
    Ok(Action::await_change())
}
