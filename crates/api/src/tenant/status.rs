//! What does the operator say about a tenant? (management-cluster specification, section 11)

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

macro_rules! status {
    ($($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "camelCase")]
        pub struct $name { $($(#[$field_doc])* pub $field: $type,)* }
    )*};
}

status! {
    /// The status of a `TenantControlPlane`.
    TenantControlPlaneStatus {
        /// Addons and what they have.
        #[serde(skip_serializing_if = "Option::is_none")]
        addons: Option<AddonsStatus>,
        /// Certificates by purpose.
        #[serde(skip_serializing_if = "Option::is_none")]
        certificates: Option<CertificatesStatus>,
        /// What the tenant waits for, by type.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        conditions: Vec<Condition>,
        /// Address and port of the API server.
        #[serde(skip_serializing_if = "Option::is_none")]
        control_plane_endpoint: Option<String>,
        /// Phases of kubeadm that ran inside the tenant.
        #[serde(skip_serializing_if = "Option::is_none")]
        kubeadm_phase: Option<KubeadmPhaseStatus>,
        /// The kubeadm configuration.
        #[serde(skip_serializing_if = "Option::is_none")]
        kubeadmconfig: Option<KubeadmConfigStatus>,
        /// Kubeconfigs by user.
        #[serde(skip_serializing_if = "Option::is_none")]
        kubeconfig: Option<KubeconfigsStatus>,
        /// Objects in the management cluster.
        #[serde(skip_serializing_if = "Option::is_none")]
        kubernetes_resources: Option<KubernetesResourcesStatus>,
        /// Generation that the last complete pass saw.
        #[serde(skip_serializing_if = "Option::is_none")]
        observed_generation: Option<i64>,
        /// Version of the pod template renderer that made the pods.
        #[serde(skip_serializing_if = "Option::is_none")]
        renderer: Option<String>,
        /// The datastore and the tenant's place in it.
        #[serde(skip_serializing_if = "Option::is_none")]
        storage: Option<StorageStatus>,
    }

    /// Addons and what they have.
    AddonsStatus {
        /// CoreDNS.
        #[serde(rename = "coreDNS", skip_serializing_if = "Option::is_none")]
        core_dns: Option<AddonStatus>,
        /// Konnectivity.
        #[serde(skip_serializing_if = "Option::is_none")]
        konnectivity: Option<KonnectivityStatus>,
        /// kube-proxy.
        #[serde(skip_serializing_if = "Option::is_none")]
        kube_proxy: Option<AddonStatus>,
    }

    /// Whether an addon is there.
    AddonStatus {
        /// True if it was installed.
        enabled: bool,
        /// When it last changed.
        #[serde(skip_serializing_if = "Option::is_none")]
        last_update: Option<Time>,
    }

    /// Konnectivity, in both clusters.
    KonnectivityStatus {
        /// The agent's workload inside the tenant.
        #[serde(default)]
        agent: KonnectivityAgentStatus,
        /// The server's certificate.
        #[serde(default)]
        certificate: SecretStatus,
        /// The server's permission to review tokens.
        #[serde(default)]
        clusterrolebinding: ReferenceStatus,
        /// The API server's egress selector.
        #[serde(default)]
        config_map: ConfigMapStatus,
        /// True if it is wanted and set up.
        enabled: bool,
        /// The route through a gateway.
        #[serde(skip_serializing_if = "Option::is_none")]
        gateway: Option<RouteStatus>,
        /// The server's kubeconfig.
        #[serde(default)]
        kubeconfig: SecretStatus,
        /// The agent's ServiceAccount.
        #[serde(default)]
        sa: ReferenceStatus,
        /// The Service that agents dial.
        #[serde(default)]
        service: ServiceStatus,
    }

    /// The agent's workload.
    KonnectivityAgentStatus {
        /// When it last changed.
        #[serde(skip_serializing_if = "Option::is_none")]
        last_update: Option<Time>,
        /// DaemonSet or Deployment.
        #[serde(skip_serializing_if = "Option::is_none")]
        mode: Option<String>,
        /// Its name.
        #[serde(skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        /// Its namespace.
        #[serde(skip_serializing_if = "Option::is_none")]
        namespace: Option<String>,
    }

    /// An object by name.
    ReferenceStatus {
        /// When it last changed.
        #[serde(skip_serializing_if = "Option::is_none")]
        last_update: Option<Time>,
        /// Its name.
        #[serde(skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        /// Its namespace.
        #[serde(skip_serializing_if = "Option::is_none")]
        namespace: Option<String>,
    }

    /// A ConfigMap by name.
    ConfigMapStatus {
        /// Checksum of its content.
        #[serde(skip_serializing_if = "Option::is_none")]
        checksum: Option<String>,
        /// Its name.
        #[serde(skip_serializing_if = "Option::is_none")]
        name: Option<String>,
    }

    /// A Secret by name.
    SecretStatus {
        /// Checksum of its content.
        #[serde(skip_serializing_if = "Option::is_none")]
        checksum: Option<String>,
        /// When it last changed.
        #[serde(skip_serializing_if = "Option::is_none")]
        last_update: Option<Time>,
        /// Its name.
        #[serde(skip_serializing_if = "Option::is_none")]
        secret_name: Option<String>,
    }

    /// Certificates by purpose.
    CertificatesStatus {
        /// The API server's.
        #[serde(skip_serializing_if = "Option::is_none")]
        api_server: Option<SecretStatus>,
        /// The API server's for kubelets.
        #[serde(skip_serializing_if = "Option::is_none")]
        api_server_kubelet_client: Option<SecretStatus>,
        /// The CA.
        #[serde(skip_serializing_if = "Option::is_none")]
        ca: Option<SecretStatus>,
        /// Never set; the reference has it in the schema.
        #[serde(skip_serializing_if = "Option::is_none")]
        etcd: Option<EtcdCertificatesStatus>,
        /// The front-proxy CA.
        #[serde(rename = "frontProxyCA", skip_serializing_if = "Option::is_none")]
        front_proxy_ca: Option<SecretStatus>,
        /// The front-proxy client's.
        #[serde(skip_serializing_if = "Option::is_none")]
        front_proxy_client: Option<SecretStatus>,
        /// The service-account keys.
        #[serde(skip_serializing_if = "Option::is_none")]
        sa: Option<SecretStatus>,
    }

    /// Never set; the reference has it in the schema.
    EtcdCertificatesStatus {
        /// The API server's for etcd.
        #[serde(skip_serializing_if = "Option::is_none")]
        api_server: Option<SecretStatus>,
        /// The CA of etcd.
        #[serde(skip_serializing_if = "Option::is_none")]
        ca: Option<SecretStatus>,
    }

    /// Phases of kubeadm that ran inside the tenant.
    KubeadmPhaseStatus {
        /// The bootstrap-token phase.
        bootstrap_token: KubeadmPhase,
    }

    /// One phase of kubeadm.
    KubeadmPhase {
        /// Checksum of what it wrote.
        #[serde(skip_serializing_if = "Option::is_none")]
        checksum: Option<String>,
        /// When that last changed.
        #[serde(skip_serializing_if = "Option::is_none")]
        last_update: Option<Time>,
    }

    /// The kubeadm configuration.
    KubeadmConfigStatus {
        /// Checksum of its content.
        #[serde(skip_serializing_if = "Option::is_none")]
        checksum: Option<String>,
        /// Its ConfigMap.
        #[serde(skip_serializing_if = "Option::is_none")]
        configmap_name: Option<String>,
        /// When it last changed.
        #[serde(skip_serializing_if = "Option::is_none")]
        last_update: Option<Time>,
    }

    /// Kubeconfigs by user.
    KubeconfigsStatus {
        /// The administrators'.
        #[serde(skip_serializing_if = "Option::is_none")]
        admin: Option<SecretStatus>,
        /// The controller manager's.
        #[serde(skip_serializing_if = "Option::is_none")]
        controller_manager: Option<SecretStatus>,
        /// The scheduler's.
        #[serde(skip_serializing_if = "Option::is_none")]
        scheduler: Option<SecretStatus>,
    }

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
        /// Never set; the reference has it in the schema.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        urls: Vec<String>,
        /// The URL.
        value: String,
    }

    /// The datastore and the tenant's place in it.
    StorageStatus {
        /// The tenant's client certificate.
        #[serde(skip_serializing_if = "Option::is_none")]
        certificate: Option<SecretStatus>,
        /// How it connects.
        #[serde(skip_serializing_if = "Option::is_none")]
        config: Option<StorageConfigStatus>,
        /// The DataStore that holds the data.
        #[serde(skip_serializing_if = "Option::is_none")]
        data_store_name: Option<String>,
        /// Its driver.
        #[serde(skip_serializing_if = "Option::is_none")]
        driver: Option<String>,
        /// What was set up.
        #[serde(skip_serializing_if = "Option::is_none")]
        setup: Option<StorageSetupStatus>,
    }

    /// How a tenant connects to its datastore.
    StorageConfigStatus {
        /// Checksum of the Secret's content.
        #[serde(skip_serializing_if = "Option::is_none")]
        checksum: Option<String>,
        /// The Secret.
        #[serde(skip_serializing_if = "Option::is_none")]
        secret_name: Option<String>,
    }

    /// What was set up for a tenant in its datastore.
    StorageSetupStatus {
        /// Checksum of the configuration that was set up.
        #[serde(skip_serializing_if = "Option::is_none")]
        checksum: Option<String>,
        /// When it last changed.
        #[serde(skip_serializing_if = "Option::is_none")]
        last_update: Option<Time>,
        /// Prefix, database or bucket.
        #[serde(skip_serializing_if = "Option::is_none")]
        schema: Option<String>,
        /// User or role.
        #[serde(skip_serializing_if = "Option::is_none")]
        user: Option<String>,
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
