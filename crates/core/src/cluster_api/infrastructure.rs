//! What is the infrastructure cluster told about the control plane's address?
//! (Cluster API provider specification, section 2.5)

use std::net::IpAddr;

use kamaji_api::cluster::{Cluster, MANAGED_BY};
use serde_json::{Value, json};

use super::{
    conditions::{INFRASTRUCTURE_PATCHED, PlanBuilder},
    endpoint::{self, Published},
};
use crate::object::holds;

/// The infrastructure cluster, as it was found.
#[derive(Clone, Debug, Default)]
pub enum Infrastructure {
    /// The Cluster has none, or nobody asked.
    #[default]
    None,
    /// It cannot be read, and why.
    Unreadable(String),
    /// It is there.
    Found {
        /// The object.
        object: Value,
        /// The contract that its definition is labelled for.
        contract: Contract,
    },
}

/// A version of Cluster API's contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contract {
    /// v1beta1: `status.ready`.
    V1Beta1,
    /// v1beta2: `status.initialization.provisioned`.
    V1Beta2,
}

/// Merge patches of an infrastructure cluster.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Patch {
    /// Of the object.
    pub spec: Option<Value>,
    /// Of its status.
    pub status: Option<Value>,
}

/// How a kind learns where the control plane is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// `spec.controlPlaneEndpoint` is written.
    Written,
    /// The same, and that it is provisioned: its own controller leaves such clusters alone.
    WrittenAndProvisioned,
    /// The fixed address and port of OpenStack's API server.
    FixedIp,
    /// The user has written it; it must agree.
    Compared,
    /// Written if it is empty, else it must agree: their own webhooks refuse a change, or users set it.
    WrittenOnce,
}

fn way(kind: &str, further: &[String], object: &Value) -> Option<Way> {
    Some(match kind {
        "OscCluster" => Way::Written,
        "KubevirtCluster" | "NutanixCluster" | "PacketCluster" => Way::WrittenAndProvisioned,
        "OpenStackCluster" => Way::FixedIp,
        "Metal3Cluster" | "MetalStackCluster" => Way::Compared,
        "AWSCluster" | "AzureCluster" | "HetznerCluster" | "IonosCloudCluster"
        | "ProxmoxCluster" | "TinkerbellCluster" | "VSphereCluster" => Way::WrittenOnce,
        _ if is_ours(object) => Way::WrittenAndProvisioned,
        _ if further.iter().any(|further| further == kind) => Way::Written,
        _ => return None,
    })
}

/// Its own controller leaves it alone, and we are named as who does not.
fn is_ours(object: &Value) -> bool {
    object["metadata"]["annotations"][MANAGED_BY] == "kamaji"
}

/// Plans what the infrastructure cluster is told.
pub(super) fn plan(builder: &mut PlanBuilder, cluster: &Cluster, published: &Published) {
    let settings = &builder.snapshot.settings;
    let Some(reference) = cluster.spec.infrastructure_ref.as_ref() else {
        builder.fine(INFRASTRUCTURE_PATCHED, "NotNeeded");
        return;
    };
    if settings.skip_infrastructure {
        builder.fine(INFRASTRUCTURE_PATCHED, "Skipped");
        return;
    }
    let name = format!("{} {}", reference.kind, reference.name);
    let (object, contract) = match &builder.snapshot.infrastructure {
        Infrastructure::Found { object, contract } => (object, *contract),
        Infrastructure::Unreadable(why) => {
            let text = format!("{name} cannot be read: {why}");
            builder.unfinished(INFRASTRUCTURE_PATCHED, "InfrastructureUnreadable", &text);
            return;
        }
        Infrastructure::None => {
            let text = format!("{name} does not exist yet");
            builder.unfinished(INFRASTRUCTURE_PATCHED, "InfrastructureMissing", &text);
            return;
        }
    };
    let Some(way) = way(&reference.kind, &settings.further_kinds, object) else {
        let text = format!(
            "infrastructure clusters of kind {} are not known here: annotate {name} with {MANAGED_BY}: kamaji, or name the kind in --dynamic-infrastructure-clusters, and let the provider patch it (a ClusterRole labelled kamaji.clastix.io/aggregate-to-provider: \"true\")",
            reference.kind
        );
        builder.unfinished(INFRASTRUCTURE_PATCHED, "InfrastructureUnsupported", &text);
        return;
    };
    match patch(way, (object, contract), published) {
        Ok(patch) => {
            if patch != Patch::default() {
                builder.plan.infrastructure = Some(patch);
            }
            builder.fine(INFRASTRUCTURE_PATCHED, "Succeeded");
        }
        Err(why) => {
            let text = format!("{name}: {why}");
            builder.unfinished(INFRASTRUCTURE_PATCHED, "EndpointMismatch", &text);
        }
    }
}

fn patch(
    way: Way,
    (object, contract): (&Value, Contract),
    published: &Published,
) -> Result<Patch, String> {
    let endpoint = &published.endpoint;
    let (host, port) = (json!(endpoint.host), json!(endpoint.port));
    let has = &object["spec"]["controlPlaneEndpoint"];
    let name = endpoint.host.as_deref().unwrap_or_default();
    let had = has["host"].as_str().unwrap_or_default();
    let same = endpoint::is_same_host(had, name) && has["port"] == port;
    let empty = had.is_empty();
    let desired = json!({"spec": {"controlPlaneEndpoint": {"host": host, "port": port}}});
    let spec = match way {
        Way::FixedIp => {
            // An address of OpenStack's own network is meant: a name leads there for others.
            let address = published.endpoint.host.as_ref();
            let address = address.filter(|host| host.parse::<IpAddr>().is_ok());
            let address = json!(address.or(published.reached.host.as_ref()));
            let desired = fixed_ip(object, (&address, &port));
            (!holds(&desired, &object["spec"])).then(|| json!({"spec": desired}))
        }
        Way::Written | Way::WrittenAndProvisioned => (!same).then_some(desired),
        Way::WrittenOnce if empty => Some(desired),
        Way::Compared if empty => {
            return Err(format!(
                "its spec.controlPlaneEndpoint is empty; set it to {host}:{port}, the address of the control plane"
            ));
        }
        Way::WrittenOnce | Way::Compared if same => None,
        Way::WrittenOnce | Way::Compared => {
            return Err(format!(
                "its spec.controlPlaneEndpoint is {}:{}, and the control plane is at {host}:{port}; make them agree (spec.network.serviceAddress of the control plane, spec.clusterNetwork.apiServerPort of the Cluster)",
                has["host"], has["port"]
            ));
        }
    };
    let provisioned = way == Way::WrittenAndProvisioned || is_ours(object);
    let status = match contract {
        Contract::V1Beta1 => {
            (object["status"]["ready"] != true).then(|| json!({"status": {"ready": true}}))
        }
        Contract::V1Beta2 => (object["status"]["initialization"]["provisioned"] != true)
            .then(|| json!({"status": {"initialization": {"provisioned": true}}})),
    };
    Ok(Patch {
        spec,
        status: status.filter(|_| provisioned),
    })
}

/// v1beta2 of OpenStack's provider has the fields of v1beta1 and before in an object of their own.
fn fixed_ip(object: &Value, (host, port): (&Value, &Value)) -> Value {
    let version = object["apiVersion"].as_str().unwrap_or_default();
    let version = version.rsplit('/').next().unwrap_or_default();
    if matches!(version, "v1beta2" | "v1") {
        json!({"apiServer": {"fixedIP": host, "port": port}})
    } else {
        json!({"apiServerFixedIP": host, "apiServerPort": port})
    }
}

#[cfg(test)]
#[path = "infrastructure_tests.rs"]
mod tests;
