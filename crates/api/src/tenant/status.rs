//! What does the operator say about a tenant? (management-cluster specification, section 11)
//!
//! Members that upstream always writes are not left out when they are empty.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

macro_rules! status {
    ($($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "camelCase")]
        pub struct $name { $($(#[$field_doc])* pub $field: $type,)* }
    )*};
}

pub mod resources;

pub use resources::*;

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
        #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
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
        /// Never set; upstream has it in the schema.
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

    /// Never set; upstream has it in the schema.
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
        /// DataStores of single resources as they were set up; they cannot change.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schemars(length(max = 256))]
        overrides: Option<Vec<StorageOverrideStatus>>,
        /// What was set up.
        #[serde(skip_serializing_if = "Option::is_none")]
        setup: Option<StorageSetupStatus>,
    }

    /// A single resource in a DataStore of its own.
    StorageOverrideStatus {
        /// The DataStore.
        data_store: String,
        /// The resource's prefix, as in the spec.
        resource: String,
        /// Prefix of its keys.
        schema: String,
        /// Its user.
        user: String,
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

#[cfg(test)]
mod tests;
