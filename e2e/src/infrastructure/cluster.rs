//! When is a cluster's infrastructure there? There is none to make: once it knows its control plane.

use anyhow::Result;
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use kube::runtime::controller::Action;
use kube::{Client, ResourceExt};
use serde_json::json;

use super::resource;

/// Tells that a `HollowCluster` is provisioned once somebody has told it where its control plane is.
pub async fn look(client: &Client, cluster: &DynamicObject) -> Result<Action> {
    let endpoint = &cluster.data["spec"]["controlPlaneEndpoint"]["host"];
    let told = &cluster.data["status"]["initialization"]["provisioned"];
    if endpoint.is_string() && *told != json!(true) {
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
