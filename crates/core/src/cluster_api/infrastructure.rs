//! Patches that give the infrastructure cluster the control plane endpoint.

use std::net::IpAddr;

use kamaji_api::{
    cluster::{Cluster, MANAGED_BY},
    condition::Reason,
};
use serde_json::{Value, json};

use super::{
    builder::PlanBuilder,
    conditions::INFRASTRUCTURE_PATCHED,
    endpoint::{self, Published},
    types::{Contract, Infrastructure, InfrastructurePatch},
};
use crate::object::holds;

/// Strategy by which a kind of infrastructure cluster gets the control plane endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Strategy {
    /// `spec.controlPlaneEndpoint` is written and belongs to the provider.
    Written,
    /// As [`Strategy::Written`], and the status becomes provisioned: no other controller does that for such clusters.
    WrittenAndProvisioned,
    /// OpenStack's fixed address and port of the API server are written.
    FixedIp,
    /// `spec.controlPlaneEndpoint` belongs to the user and must agree.
    Compared,
    /// Written if empty, else it must agree: webhooks of that provider refuse a change, or users set it.
    WrittenOnce,
}

/// Strategy for a kind; `None` for kinds that are not known.
fn strategy(kind: &str, further: &[String], object: &Value) -> Option<Strategy> {
    Some(match kind {
        "OscCluster" => Strategy::Written,
        "KubevirtCluster" | "NutanixCluster" | "PacketCluster" => Strategy::WrittenAndProvisioned,
        "OpenStackCluster" => Strategy::FixedIp,
        "Metal3Cluster" | "MetalStackCluster" => Strategy::Compared,
        "AWSCluster" | "AzureCluster" | "HetznerCluster" | "IonosCloudCluster"
        | "ProxmoxCluster" | "TinkerbellCluster" | "VSphereCluster" => Strategy::WrittenOnce,
        _ if is_ours(object) => Strategy::WrittenAndProvisioned,
        _ if further.iter().any(|further| further == kind) => Strategy::Written,
        _ => return None,
    })
}

/// True if the annotation `cluster.x-k8s.io/managed-by` hands the object over to Kamaji.
fn is_ours(object: &Value) -> bool {
    object["metadata"]["annotations"][MANAGED_BY] == "kamaji"
}

/// Plans the patch of the infrastructure cluster and sets the condition about it.
pub(super) fn plan(builder: &mut PlanBuilder, cluster: &Cluster, published: &Published) {
    let settings = &builder.snapshot.settings;
    let Some(reference) = cluster.spec.infrastructure_ref.as_ref() else {
        builder.set_true(INFRASTRUCTURE_PATCHED, Reason::NotNeeded);
        return;
    };
    if settings.skip_infrastructure {
        builder.set_true(INFRASTRUCTURE_PATCHED, Reason::Skipped);
        return;
    }
    let name = format!("{} {}", reference.kind, reference.name);
    let found = match &builder.snapshot.infrastructure {
        Infrastructure::Found { object, contract } => Found {
            object,
            contract: *contract,
        },
        Infrastructure::Unreadable(why) => {
            let text = format!("{name} cannot be read: {why}");
            builder.set_false(
                INFRASTRUCTURE_PATCHED,
                Reason::InfrastructureUnreadable,
                &text,
            );
            return;
        }
        Infrastructure::None => {
            let text = format!("{name} does not exist yet");
            builder.set_false(INFRASTRUCTURE_PATCHED, Reason::InfrastructureMissing, &text);
            return;
        }
    };
    let Some(strategy) = strategy(&reference.kind, &settings.further_kinds, found.object) else {
        let text = format!(
            "infrastructure clusters of kind {} are not known here: annotate {name} with {MANAGED_BY}: kamaji, or name the kind in --dynamic-infrastructure-clusters, and let the provider patch it (a ClusterRole labelled kamaji.clastix.io/aggregate-to-provider: \"true\")",
            reference.kind
        );
        builder.set_false(
            INFRASTRUCTURE_PATCHED,
            Reason::InfrastructureUnsupported,
            &text,
        );
        return;
    };
    match patch(strategy, found, published) {
        Ok(patch) => {
            if patch != InfrastructurePatch::default() {
                builder.plan.infrastructure = Some(patch);
            }
            builder.set_true(INFRASTRUCTURE_PATCHED, Reason::Succeeded);
        }
        Err(why) => {
            let text = format!("{name}: {why}");
            builder.set_false(INFRASTRUCTURE_PATCHED, Reason::EndpointMismatch, &text);
        }
    }
}

/// An infrastructure cluster that exists.
#[derive(Clone, Copy)]
struct Found<'a> {
    object: &'a Value,
    contract: Contract,
}

/// Patch for one strategy; the error says how the endpoints disagree.
fn patch(
    strategy: Strategy,
    Found { object, contract }: Found,
    published: &Published,
) -> Result<InfrastructurePatch, String> {
    let endpoint = &published.endpoint;
    let (host, port) = (json!(endpoint.host), json!(endpoint.port));
    let has = &object["spec"]["controlPlaneEndpoint"];
    let name = endpoint.host.as_deref().unwrap_or_default();
    let had = has["host"].as_str().unwrap_or_default();
    let same = endpoint::is_same_host(had, name) && has["port"] == port;
    let empty = had.is_empty();
    let desired = json!({"spec": {"controlPlaneEndpoint": {"host": host, "port": port}}});
    let spec = match strategy {
        Strategy::FixedIp => {
            // An address of OpenStack's own network is meant: a name leads there for others.
            let address = published.endpoint.host.as_ref();
            let address = address.filter(|host| host.parse::<IpAddr>().is_ok());
            let address = json!(address.or(published.reached.host.as_ref()));
            let desired = fixed_ip(object, &address, &port);
            (!holds(&desired, &object["spec"])).then(|| json!({"spec": desired}))
        }
        Strategy::Written | Strategy::WrittenAndProvisioned => (!same).then_some(desired),
        Strategy::WrittenOnce if empty => Some(desired),
        Strategy::Compared if empty => {
            return Err(format!(
                "its spec.controlPlaneEndpoint is empty; set it to {host}:{port}, the address of the control plane"
            ));
        }
        Strategy::WrittenOnce | Strategy::Compared if same => None,
        Strategy::WrittenOnce | Strategy::Compared => {
            return Err(format!(
                "its spec.controlPlaneEndpoint is {}:{}, and the control plane is at {host}:{port}; make them agree (spec.network.serviceAddress of the control plane, spec.clusterNetwork.apiServerPort of the Cluster)",
                has["host"], has["port"]
            ));
        }
    };
    let provisioned = strategy == Strategy::WrittenAndProvisioned || is_ours(object);
    let status = match contract {
        Contract::V1Beta1 => {
            (object["status"]["ready"] != true).then(|| json!({"status": {"ready": true}}))
        }
        Contract::V1Beta2 => (object["status"]["initialization"]["provisioned"] != true)
            .then(|| json!({"status": {"initialization": {"provisioned": true}}})),
    };
    Ok(InfrastructurePatch {
        spec,
        status: status.filter(|_| provisioned),
    })
}

/// OpenStack's fields for the fixed address: an object `apiServer` from v1beta2 on, two plain fields before.
fn fixed_ip(object: &Value, host: &Value, port: &Value) -> Value {
    let version = object["apiVersion"].as_str().unwrap_or_default();
    let version = version.rsplit('/').next().unwrap_or_default();
    if matches!(version, "v1beta2" | "v1") {
        json!({"apiServer": {"fixedIP": host, "port": port}})
    } else {
        json!({"apiServerFixedIP": host, "apiServerPort": port})
    }
}

#[cfg(test)]
mod tests;
