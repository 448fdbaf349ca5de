//! What does the operator say about a tenant's objects in the management cluster?

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
    /// Objects in the management cluster.
    KubernetesResourcesStatus {
        /// The pods.
        #[serde(skip_serializing_if = "Option::is_none")]
        deployment: Option<DeploymentStatus>,
        /// The route through a gateway.
        #[serde(skip_serializing_if = "Option::is_none")]
        gateway: Option<RouteStatus>,
        /// The Ingress.
        #[serde(skip_serializing_if = "Option::is_none")]
        ingress: Option<IngressStatus>,
        /// The Service.
        #[serde(skip_serializing_if = "Option::is_none")]
        service: Option<ServiceStatus>,
        /// The Kubernetes version.
        #[serde(skip_serializing_if = "Option::is_none")]
        version: Option<VersionStatus>,
    }

    /// The Kubernetes version.
    VersionStatus {
        /// What the control plane is doing.
        #[serde(skip_serializing_if = "Option::is_none")]
        status: Option<VersionPhase>,
        /// The version that is installed.
        #[serde(skip_serializing_if = "Option::is_none")]
        version: Option<String>,
    }

    /// The Deployment's own status and where it is.
    DeploymentStatus {
        /// Replicas that have been ready for long enough.
        #[serde(skip_serializing_if = "Option::is_none")]
        available_replicas: Option<i32>,
        /// Collisions of ReplicaSet names.
        #[serde(skip_serializing_if = "Option::is_none")]
        collision_count: Option<i32>,
        /// Its conditions.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        conditions: Vec<DeploymentCondition>,
        /// When the above last changed.
        #[serde(skip_serializing_if = "Option::is_none")]
        last_update: Option<Time>,
        /// Its name.
        name: String,
        /// Its namespace.
        namespace: String,
        /// The generation that its controller saw.
        #[serde(skip_serializing_if = "Option::is_none")]
        observed_generation: Option<i64>,
        /// Replicas that are ready.
        #[serde(skip_serializing_if = "Option::is_none")]
        ready_replicas: Option<i32>,
        /// Replicas that exist.
        #[serde(skip_serializing_if = "Option::is_none")]
        replicas: Option<i32>,
        /// Selector of its pods, for the scale subresource.
        selector: String,
        /// Replicas that are ending.
        #[serde(skip_serializing_if = "Option::is_none")]
        terminating_replicas: Option<i32>,
        /// Replicas that are missing.
        #[serde(skip_serializing_if = "Option::is_none")]
        unavailable_replicas: Option<i32>,
        /// Replicas of the newest template.
        #[serde(skip_serializing_if = "Option::is_none")]
        updated_replicas: Option<i32>,
    }

    /// A Service and its addresses.
    ServiceStatus {
        /// Its conditions.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        conditions: Vec<Condition>,
        /// Its load balancer.
        #[serde(default)]
        load_balancer: LoadBalancerStatus,
        /// Its name.
        name: String,
        /// Its namespace.
        namespace: String,
        /// Its port.
        port: i32,
    }

    /// An Ingress and its addresses.
    IngressStatus {
        /// Its load balancer.
        #[serde(default)]
        load_balancer: IngressLoadBalancerStatus,
        /// Its name.
        name: String,
        /// Its namespace.
        namespace: String,
    }

    /// A TLSRoute and what gateways say of it.
    RouteStatus {
        /// Where clients can connect.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        access_points: Vec<AccessPoint>,
        /// What each gateway says.
        parents: Vec<RouteParentStatus>,
        /// The route.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        route_ref: Option<RouteReference>,
    }

    /// A route by name.
    RouteReference {
        /// Its name.
        #[serde(default)]
        name: String,
    }

    /// A place to connect to.
    AccessPoint {
        /// Its port.
        port: i32,
        /// What value is: Hostname.
        #[serde(rename = "type")]
        type_: String,
        /// Never set; upstream has it in the schema.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        urls: Vec<String>,
        /// The URL.
        value: String,
    }
}

/// What a control plane is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum VersionPhase {
    /// None of the others: a rollout without a change of version.
    Unknown,
    /// Its first pods are starting.
    #[default]
    Provisioning,
    /// A new CA is being rolled out.
    CertificateAuthorityRotating,
    /// Another version is being rolled out.
    Upgrading,
    /// Its data is moving.
    Migrating,
    /// As it should be.
    Ready,
    /// No replica is ready.
    NotReady,
    /// No replica is wanted.
    Sleeping,
    /// Ready, with writes limited.
    WriteLimited,
}
