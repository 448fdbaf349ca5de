//! What becomes of a KamajiControlPlane, and what is Cluster API told?
//! (Cluster API provider specification, sections 2 and 3)
//!
//! One TenantControlPlane, the Secrets that Cluster API reads, the address for the infrastructure
//! cluster, and the status of the contract. Nothing is polled for: what is missing is a condition, and
//! the object that it waits for wakes the next look.

mod conditions;
pub mod conversion;
mod deletion;
mod endpoint;
#[cfg(test)]
mod fixture;
pub mod infrastructure;
#[cfg(test)]
mod lifecycle_properties;
mod ownership;
pub mod placement;
mod rollout;
mod secrets;
mod status;
pub mod takeover;
mod tenant;

use std::collections::BTreeMap;

use k8s_openapi::{api::core::v1::Secret, jiff::Timestamp};
use kamaji_api::{
    cluster::{BLOCK_MOVE, CLUSTER_NAME, Cluster, GROUP, PAUSED},
    control_plane::{KamajiControlPlane, KamajiControlPlaneStatus},
    tenant::TenantControlPlane,
};
use serde_json::{Value, json};

use crate::object::Object;
use conditions::{EXTERNAL_CLIENT, PlanBuilder, TENANT_CREATED};
use infrastructure::Infrastructure;
use placement::{Place, Remote};

/// Finalizer that keeps a control plane until its TenantControlPlane is gone.
pub const FINALIZER: &str = "controlplane.kamaji.clastix.io/finalizer";
/// The same of upstream and of earlier releases; the API server warns of a name without a domain.
/// Control planes that have it keep it.
pub const FORMER_FINALIZER: &str = "finalizer.controlplane.kamaji.clastix.io";
/// Finalizer of upstream on control planes in other clusters.
pub const LEGACY_FINALIZER: &str = "ecr.kamaji.clastix.io/finalizer";

/// What the provider is told on its command line, as far as plans look at it.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Leave infrastructure clusters alone.
    pub skip_infrastructure: bool,
    /// Kinds of infrastructure clusters beside those that are known.
    pub further_kinds: Vec<String>,
    /// Tenants may be in other management clusters.
    pub external: bool,
    /// And their kubeconfigs in other namespaces.
    pub external_across_namespaces: bool,
}

/// Whose control plane is it?
#[derive(Clone, Debug)]
pub enum Owner {
    /// No owner reference names a Cluster yet.
    Nobody,
    /// The Cluster of this name is not there.
    Missing(String),
    /// The Cluster.
    Cluster(Box<Cluster>),
}

/// Whether the tenant's API server answered somebody who came with the published kubeconfig.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Probe {
    /// Nobody has tried this kubeconfig.
    #[default]
    Untried,
    /// It answered.
    Works,
    /// It did not, and why.
    Fails(String),
}

/// Everything that a plan looks at.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The control plane.
    pub control_plane: KamajiControlPlane,
    /// Its Cluster.
    pub owner: Owner,
    /// Where its tenant is: found out once, so that a look does not change its mind.
    pub place: Place,
    /// The TenantControlPlane, from there.
    pub tenant: Option<TenantControlPlane>,
    /// The infrastructure cluster.
    pub infrastructure: Infrastructure,
    /// What is known of the other management cluster, if the tenant is in one.
    pub remote: Remote,
    /// The tenant's own Secrets by name, from where it is.
    pub sources: BTreeMap<String, Secret>,
    /// The published Secrets by name.
    pub secrets: BTreeMap<String, Secret>,
    /// What came of the published kubeconfig.
    pub probe: Probe,
    /// From the command line.
    pub settings: Settings,
    /// The time.
    pub now: Timestamp,
}

/// What is to be.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// Merge patch of the control plane itself; `None` if it is as it should be.
    pub own: Option<Value>,
    /// The TenantControlPlane and the published Secrets, in the order in which they are written.
    pub objects: Vec<Object>,
    /// True if the TenantControlPlane was made by upstream, whose fields become ours before it is
    /// written: see [`takeover`].
    pub take_over: bool,
    /// Uid of the TenantControlPlane that is to be deleted.
    pub delete: Option<String>,
    /// What the infrastructure cluster is to be told.
    pub infrastructure: Option<infrastructure::Patch>,
    /// The kubeconfig that is to be tried, if it was not.
    pub probe: Option<Vec<u8>>,
    /// When there is something to do although nothing has changed.
    pub requeue_at: Option<Timestamp>,
    /// The next status; `None` to leave it alone.
    pub status: Option<KamajiControlPlaneStatus>,
}

/// Names the tenant's own Secrets that a look needs, where the tenant is.
pub fn source_names(tenant: &TenantControlPlane) -> Vec<String> {
    let names = [
        secrets::kubeconfig_source(tenant),
        secrets::authority_source(tenant),
    ];
    names.into_iter().flatten().collect()
}

/// Names the Secrets that are published for a Cluster.
pub fn published_names(cluster: &str) -> [String; 2] {
    [secrets::kubeconfig(cluster), secrets::authority(cluster)]
}

/// Name of the owning Cluster: the owner of the right group and kind, wherever it stands in the list.
pub fn cluster_of(control_plane: &KamajiControlPlane) -> Option<&str> {
    let owners = control_plane.metadata.owner_references.as_ref()?;
    let cluster = owners.iter().find(|owner| {
        let group = owner.api_version.split('/').next();
        owner.kind == "Cluster" && group == Some(GROUP)
    });
    cluster.map(|owner| owner.name.as_str())
}

/// What is to be, and what is said about it.
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
            builder.wait("OwnerMissing", "no owner reference names a Cluster yet: Cluster API sets it once a Cluster's spec.controlPlaneRef names this object");
            return builder.finish();
        }
        Owner::Missing(name) => {
            builder.wait("ClusterMissing", &format!("the Cluster {name} is not in this namespace: create it, or correct the owner reference"));
            return builder.finish();
        }
    };
    if !placed(&mut builder) {
        return builder.finish();
    }
    builder.plan.own = own(snapshot, cluster);
    builder.plan.requeue_at = rollout::due(snapshot);
    match tenant::plan(&mut builder, cluster) {
        Some(tenant) => published(&mut builder, cluster, tenant),
        None => status::counters(&mut builder, None),
    }
    builder.finish()
}

/// Whether the cluster of the tenant can be worked with.
fn placed(builder: &mut PlanBuilder) -> bool {
    let snapshot = builder.snapshot;
    if let Some(why) = placement::lost(&snapshot.control_plane) {
        builder.unfinished(EXTERNAL_CLIENT, "ExternalReferenceInvalid", &why);
        builder.unfinished(TENANT_CREATED, "ExternalReferenceInvalid", &why);
        return false;
    }
    let Some(kubeconfig) = &snapshot.place.kubeconfig else {
        // That it is said at all tells that the tenant is elsewhere.
        builder.forget(EXTERNAL_CLIENT);
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
        builder.unfinished(EXTERNAL_CLIENT, "ExternalReferenceInvalid", &text);
        builder.wait("ExternalReferenceInvalid", &text);
        return false;
    }
    if let Remote::Unreachable(why) = &snapshot.remote {
        builder.unfinished(EXTERNAL_CLIENT, "ExternalClusterUnreachable", why);
        builder.out_of_sight("ExternalClusterUnreachable", why);
        return false;
    }
    builder.fine(EXTERNAL_CLIENT, "Succeeded");
    true
}

/// What depends on what the TenantControlPlane says.
fn published(builder: &mut PlanBuilder, cluster: &Cluster, tenant: &TenantControlPlane) {
    status::counters(builder, Some(tenant));
    let control_plane = &builder.snapshot.control_plane;
    let Some(published) = endpoint::published(control_plane, (cluster, tenant)) else {
        builder.address_missing(tenant);
        return;
    };
    builder.endpoint(&published);
    infrastructure::plan(builder, cluster, &published);
    secrets::plan(builder, cluster, (tenant, &published));
    status::plan(builder, tenant);
}

fn paused(snapshot: &Snapshot) -> bool {
    let annotations = snapshot.control_plane.metadata.annotations.as_ref();
    let by_cluster =
        matches!(&snapshot.owner, Owner::Cluster(cluster) if cluster.spec.paused == Some(true));
    by_cluster || annotations.is_some_and(|a| a.contains_key(PAUSED))
}

/// The finalizer, where the tenant is, the host that a user gave the Cluster, and the word that keeps `clusterctl move` away: it would copy this
/// object and leave the TenantControlPlane behind, which then goes with its data.
fn own(snapshot: &Snapshot, cluster: &Cluster) -> Option<Value> {
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

/// Labels of everything that belongs to a Cluster.
fn cluster_label(cluster: &Cluster) -> (String, String) {
    let name = cluster.metadata.name.clone().unwrap_or_default();
    (CLUSTER_NAME.to_owned(), name)
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
