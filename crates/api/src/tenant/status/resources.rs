//! State of a tenant's objects in the management cluster, as part of its status.

use k8s_openapi::{
    api::{
        apps::v1::DeploymentCondition, core::v1::LoadBalancerStatus,
        networking::v1::IngressLoadBalancerStatus,
    },
    apimachinery::pkg::apis::meta::v1::{Condition, Time},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::foreign::RouteParentStatus;

status! {
    /// State of the tenant's objects in the management cluster.
    KubernetesResourcesStatus {
        /// State of the Deployment of the control plane pods.
        #[serde(skip_serializing_if = "Option::is_none")]
        deployment: Option<DeploymentStatus>,
        /// State of the TLSRoute of the API server. Empty: the tenant has no gateway.
        #[serde(skip_serializing_if = "Option::is_none")]
        gateway: Option<RouteStatus>,
        /// State of the Ingress. Empty: the tenant has none.
        #[serde(skip_serializing_if = "Option::is_none")]
        ingress: Option<IngressStatus>,
        /// State of the Service in front of the control plane pods.
        #[serde(skip_serializing_if = "Option::is_none")]
        service: Option<ServiceStatus>,
        /// Installed Kubernetes version and phase of the control plane.
        #[serde(skip_serializing_if = "Option::is_none")]
        version: Option<VersionStatus>,
    }

    /// Installed Kubernetes version and phase of the control plane.
    VersionStatus {
        /// Phase of the control plane: Unknown, Provisioning, CertificateAuthorityRotating,
        /// Upgrading, Migrating, Ready, NotReady, Sleeping or WriteLimited. Default: Provisioning.
        #[serde(skip_serializing_if = "Option::is_none")]
        status: Option<VersionPhase>,
        /// Kubernetes version that is installed; it follows spec.kubernetes.version at the end of
        /// the rollout. Empty: none is installed yet.
        #[serde(skip_serializing_if = "Option::is_none")]
        version: Option<String>,
    }

    /// Name and status of the Deployment of the control plane pods.
    DeploymentStatus {
        /// Number of pods that are available.
        #[serde(skip_serializing_if = "Option::is_none")]
        available_replicas: Option<i32>,
        /// Number of collisions of ReplicaSet names, as the Deployment counts them.
        #[serde(skip_serializing_if = "Option::is_none")]
        collision_count: Option<i32>,
        /// Conditions of the Deployment object.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        conditions: Vec<DeploymentCondition>,
        /// Time at which this status of the Deployment last changed.
        #[serde(skip_serializing_if = "Option::is_none")]
        last_update: Option<Time>,
        /// Name of the Deployment, which is the tenant's.
        name: String,
        /// Namespace of the Deployment, which is the tenant's.
        namespace: String,
        /// Generation of the Deployment that its controller saw last.
        #[serde(skip_serializing_if = "Option::is_none")]
        observed_generation: Option<i64>,
        /// Number of pods that are ready.
        #[serde(skip_serializing_if = "Option::is_none")]
        ready_replicas: Option<i32>,
        /// Number of pods that exist.
        #[serde(skip_serializing_if = "Option::is_none")]
        replicas: Option<i32>,
        /// Label selector of the pods, read by the scale subresource.
        selector: String,
        /// Number of pods that are ending.
        #[serde(skip_serializing_if = "Option::is_none")]
        terminating_replicas: Option<i32>,
        /// Number of pods that are wanted and not available.
        #[serde(skip_serializing_if = "Option::is_none")]
        unavailable_replicas: Option<i32>,
        /// Number of pods of the newest pod template.
        #[serde(skip_serializing_if = "Option::is_none")]
        updated_replicas: Option<i32>,
    }

    /// Name, port and addresses of a Service.
    ServiceStatus {
        /// Conditions of the Service object.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        conditions: Vec<Condition>,
        /// Addresses of the Service's load balancer.
        #[serde(default)]
        load_balancer: LoadBalancerStatus,
        /// Name of the Service in the tenant's namespace.
        name: String,
        /// Namespace of the Service, which is the tenant's.
        namespace: String,
        /// Port of the Service that clients dial.
        port: i32,
    }

    /// Name and addresses of the Ingress.
    IngressStatus {
        /// Addresses of the Ingress's load balancer.
        #[serde(default)]
        load_balancer: IngressLoadBalancerStatus,
        /// Name of the Ingress in the tenant's namespace.
        name: String,
        /// Namespace of the Ingress, which is the tenant's.
        namespace: String,
    }

    /// State of a TLSRoute and the addresses that it serves.
    RouteStatus {
        /// Addresses at which clients reach the API server through the Gateways that accepted the
        /// route.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        access_points: Vec<AccessPoint>,
        /// Status of the route for each Gateway that it attaches to.
        parents: Vec<RouteParentStatus>,
        /// Reference to the TLSRoute in the tenant's namespace.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        route_ref: Option<RouteReference>,
    }

    /// Reference to a TLSRoute in the tenant's namespace.
    RouteReference {
        /// Name of the TLSRoute in the tenant's namespace.
        #[serde(default)]
        name: String,
    }

    /// Address at which clients reach the API server.
    AccessPoint {
        /// Port of the Gateway's listener.
        port: i32,
        /// Type of the address, always Hostname.
        #[serde(rename = "type")]
        type_: String,
        /// Always empty: kept for clients that know upstream's schema.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        urls: Vec<String>,
        /// URL of the API server, as https://HOSTNAME:PORT.
        value: String,
    }
}

/// Phase of the control plane: Unknown, Provisioning, CertificateAuthorityRotating, Upgrading,
/// Migrating, Ready, NotReady, Sleeping or WriteLimited. Default: Provisioning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum VersionPhase {
    /// A rollout is under way that changes no version.
    Unknown,
    /// The first pods are starting.
    #[default]
    Provisioning,
    /// A new certificate authority is being rolled out.
    CertificateAuthorityRotating,
    /// Another Kubernetes version is being rolled out.
    Upgrading,
    /// The data is being moved to another DataStore, or pods change over to it.
    Migrating,
    /// All pods are ready and as the spec asks.
    Ready,
    /// No pod is ready.
    NotReady,
    /// The spec asks for 0 replicas.
    Sleeping,
    /// Pods are ready, and `spec.writePermissions` is in force in the tenant cluster.
    WriteLimited,
}
