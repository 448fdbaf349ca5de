//! Cluster API control-plane provider: what a KamajiControlPlane leads to.
//!
//! [`plan`] turns a [`Snapshot`] into a [`Plan`]: one TenantControlPlane, the Secrets that Cluster API reads, the
//! address for the infrastructure cluster, and the status of the contract. Nothing is polled for: what is missing
//! becomes a condition, and a change of the missing object requeues the control plane.

mod builder;
mod cert_sans;
pub mod conditions;
pub mod conversion;
mod deletion;
mod endpoint;
#[cfg(test)]
mod fixture;
mod infrastructure;
#[cfg(test)]
mod lifecycle_properties;
mod owner;
mod ownership;
pub mod placement;
mod rollout;
mod secrets;
mod status;
pub mod takeover;
mod tenant;
mod types;

pub use owner::{cluster_of, owner};
pub use types::{
    Contract, FINALIZER, FORMER_FINALIZER, Infrastructure, InfrastructurePatch, Kubeconfig,
    LEGACY_FINALIZER, Owner, Place, Plan, Probe, Remote, Settings, Snapshot,
};

use kamaji_api::{
    cluster::{BLOCK_MOVE, Cluster, PAUSED},
    condition::Reason,
    tenant::TenantControlPlane,
};
use serde_json::{Value, json};

use builder::PlanBuilder;
use conditions::{EXTERNAL_CLIENT, TENANT_CREATED};

/// Names of the Secrets that the operator made for a tenant and that a snapshot needs, from the tenant's cluster.
pub fn source_names(tenant: &TenantControlPlane) -> Vec<String> {
    let names = [
        secrets::kubeconfig_source(tenant),
        secrets::authority_source(tenant),
    ];
    names.into_iter().flatten().collect()
}

/// Names of the Secrets that are published for a Cluster: kubeconfig and CA.
pub fn published_names(cluster: &str) -> [String; 2] {
    [secrets::kubeconfig(cluster), secrets::authority(cluster)]
}

/// Plans the writes and the next status of one control plane.
pub fn plan(snapshot: &Snapshot) -> Plan {
    let mut builder = PlanBuilder::new(snapshot);
    // Before deletion, too: `clusterctl move` deletes what it has paused and copied.
    if paused(snapshot) {
        return builder.paused();
    }
    if snapshot.control_plane.metadata.deletion_timestamp.is_some() {
        return deletion::plan(builder);
    }
    let cluster = match &snapshot.owner {
        Owner::Cluster(cluster) => cluster,
        Owner::Nobody => {
            builder.blocked(Reason::OwnerMissing, "no owner reference names a Cluster yet: Cluster API sets it once a Cluster's spec.controlPlaneRef names this object");
            return builder.finish();
        }
        Owner::Missing(name) => {
            builder.blocked(Reason::ClusterMissing, &format!("the Cluster {name} is not in this namespace: create it, or correct the owner reference"));
            return builder.finish();
        }
        Owner::Unconfirmed(cluster) => {
            builder.blocked(
                Reason::ControlPlaneRefMismatch,
                &owner::unconfirmed(cluster),
            );
            return builder.finish();
        }
    };
    if !tenant_cluster_usable(&mut builder) {
        return builder.finish();
    }
    builder.plan.own = metadata_patch(snapshot, cluster);
    builder.plan.requeue_at = rollout::due(snapshot);
    match tenant::plan(&mut builder, cluster) {
        Some(tenant) => publish(&mut builder, cluster, tenant),
        None => status::counters(&mut builder, None),
    }
    builder.finish()
}

/// Checks that the management cluster of the tenant is known, allowed and reachable; conditions say why not.
fn tenant_cluster_usable(builder: &mut PlanBuilder) -> bool {
    let snapshot = builder.snapshot;
    if let Some(why) = placement::lost(&snapshot.control_plane) {
        builder.set_false(EXTERNAL_CLIENT, Reason::ExternalReferenceInvalid, &why);
        builder.set_false(TENANT_CREATED, Reason::ExternalReferenceInvalid, &why);
        return false;
    }
    let Some(kubeconfig) = &snapshot.place.kubeconfig else {
        // Its presence marks control planes whose tenant is in another cluster.
        builder.remove_condition(EXTERNAL_CLIENT);
        return true;
    };
    let across = Some(&kubeconfig.namespace) != snapshot.control_plane.metadata.namespace.as_ref();
    let gate = match (&snapshot.settings, across) {
        (settings, _) if !settings.external => "ExternalClusterReference",
        (settings, true) if !settings.external_across_namespaces => {
            "ExternalClusterReferenceCrossNamespace"
        }
        _ => "",
    };
    if !gate.is_empty() {
        let text = format!(
            "spec.deployment.externalClusterReference needs the feature gate {gate}: start the provider with --feature-gates={gate}=true"
        );
        builder.set_false(EXTERNAL_CLIENT, Reason::ExternalReferenceInvalid, &text);
        builder.blocked(Reason::ExternalReferenceInvalid, &text);
        return false;
    }
    if let Remote::Unreachable(why) = &snapshot.remote {
        builder.set_false(EXTERNAL_CLIENT, Reason::ExternalClusterUnreachable, why);
        builder.tenant_unreachable(Reason::ExternalClusterUnreachable, why);
        return false;
    }
    builder.set_true(EXTERNAL_CLIENT, Reason::Succeeded);
    true
}

/// Plans everything that depends on the status of the TenantControlPlane.
fn publish(builder: &mut PlanBuilder, cluster: &Cluster, tenant: &TenantControlPlane) {
    status::counters(builder, Some(tenant));
    let control_plane = &builder.snapshot.control_plane;
    let Some(published) = endpoint::published(control_plane, cluster, tenant) else {
        builder.address_missing(tenant);
        return;
    };
    builder.publish_endpoint(&published);
    infrastructure::plan(builder, cluster, &published);
    secrets::plan(builder, cluster, tenant, &published);
    status::plan(builder, tenant);
}

/// True if the Cluster's `spec.paused` or the annotation of the control plane is set.
fn paused(snapshot: &Snapshot) -> bool {
    let annotations = snapshot.control_plane.metadata.annotations.as_ref();
    let by_cluster = match &snapshot.owner {
        Owner::Cluster(cluster) | Owner::Unconfirmed(cluster) => cluster.spec.paused == Some(true),
        Owner::Nobody | Owner::Missing(_) => false,
    };
    by_cluster || annotations.is_some_and(|a| a.contains_key(PAUSED))
}

/// Merge patch of the control plane's own metadata: the finalizer, the location of a tenant in another cluster, the
/// host that a user gave the Cluster, and the annotation that keeps `clusterctl move` away. A move would copy this
/// object and leave the TenantControlPlane behind, whose data would then be deleted.
fn metadata_patch(snapshot: &Snapshot, cluster: &Cluster) -> Option<Value> {
    let metadata = &snapshot.control_plane.metadata;
    let mut patch = json!({});
    let mut finalizers = metadata.finalizers.clone().unwrap_or_default();
    let held = |name: &String| name == FINALIZER || name == FORMER_FINALIZER;
    if !finalizers.iter().any(held) {
        finalizers.push(FINALIZER.to_owned());
        patch["metadata"]["finalizers"] = json!(finalizers);
    }
    let annotations = metadata.annotations.as_ref();
    if !annotations.is_some_and(|a| a.contains_key(BLOCK_MOVE)) {
        let why = "its TenantControlPlane would be left behind and lost";
        patch["metadata"]["annotations"][BLOCK_MOVE] = json!(why);
    }
    if let Some((key, value)) =
        placement::record(&snapshot.control_plane, &snapshot.place, &snapshot.remote)
    {
        patch["metadata"]["annotations"][key] = json!(value);
    }
    let host = endpoint::host_of_user(&snapshot.control_plane, cluster);
    if let Some(host) =
        host.filter(|host| endpoint::recorded(&snapshot.control_plane) != Some(host))
    {
        patch["metadata"]["annotations"][endpoint::ENDPOINT_HOST] = json!(host);
    }
    (patch != json!({})).then_some(patch)
}

#[cfg(test)]
mod intents_tests;
#[cfg(test)]
mod tests;
