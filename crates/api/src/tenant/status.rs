//! Status of a `TenantControlPlane`, written by the operator only.
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

pub mod migration;
pub mod resources;

pub use migration::*;
pub use resources::*;

status! {
    /// Observed state of a tenant control plane.
    TenantControlPlaneStatus {
        /// State of the addons in the tenant cluster.
        #[serde(skip_serializing_if = "Option::is_none")]
        addons: Option<AddonsStatus>,
        /// Secrets of the tenant's authorities and certificates.
        #[serde(skip_serializing_if = "Option::is_none")]
        certificates: Option<CertificatesStatus>,
        /// Conditions by type. Ready is true if all others are; a message names what is waited for,
        /// its cause and the next action.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
        conditions: Vec<Condition>,
        /// Address and port of the control plane, as ADDRESS:PORT. Empty: no address is assigned
        /// yet.
        #[serde(skip_serializing_if = "Option::is_none")]
        control_plane_endpoint: Option<String>,
        /// Results of the kubeadm phases that the operator runs in the tenant cluster.
        #[serde(skip_serializing_if = "Option::is_none")]
        kubeadm_phase: Option<KubeadmPhaseStatus>,
        /// ConfigMap with the tenant's kubeadm configuration in the management cluster.
        #[serde(skip_serializing_if = "Option::is_none")]
        kubeadmconfig: Option<KubeadmConfigStatus>,
        /// Secrets of the tenant's kubeconfigs.
        #[serde(skip_serializing_if = "Option::is_none")]
        kubeconfig: Option<KubeconfigsStatus>,
        /// State of the tenant's objects in the management cluster.
        #[serde(skip_serializing_if = "Option::is_none")]
        kubernetes_resources: Option<KubernetesResourcesStatus>,
        /// Generation of the spec that the last complete reconcile saw; a reconcile that waits
        /// leaves it.
        #[serde(skip_serializing_if = "Option::is_none")]
        observed_generation: Option<i64>,
        /// Number of the pod template renderer that made the pods. A newer operator keeps it until
        /// the tenant changes, so that pods are not restarted.
        #[serde(skip_serializing_if = "Option::is_none")]
        renderer: Option<String>,
        /// DataStore of the tenant, and the names and credentials that it has there.
        #[serde(skip_serializing_if = "Option::is_none")]
        storage: Option<StorageStatus>,
    }

    /// State of the addons in the tenant cluster.
    AddonsStatus {
        /// State of the addon CoreDNS.
        #[serde(rename = "coreDNS", skip_serializing_if = "Option::is_none")]
        core_dns: Option<AddonStatus>,
        /// State of konnectivity in the management cluster and in the tenant cluster.
        #[serde(skip_serializing_if = "Option::is_none")]
        konnectivity: Option<KonnectivityStatus>,
        /// State of the addon kube-proxy.
        #[serde(skip_serializing_if = "Option::is_none")]
        kube_proxy: Option<AddonStatus>,
    }

    /// State of one addon in the tenant cluster.
    AddonStatus {
        /// True if the addon is installed.
        enabled: bool,
        /// Time at which the operator last changed the addon.
        #[serde(skip_serializing_if = "Option::is_none")]
        last_update: Option<Time>,
    }

    /// State of konnectivity in the management cluster and in the tenant cluster.
    KonnectivityStatus {
        /// Workload of the agents in the tenant cluster.
        #[serde(default)]
        agent: KonnectivityAgentStatus,
        /// Secret with the certificate of the server.
        #[serde(default)]
        certificate: SecretStatus,
        /// ClusterRoleBinding in the tenant cluster that lets the server review tokens.
        #[serde(default)]
        clusterrolebinding: ReferenceStatus,
        /// ConfigMap with the API server's egress selector configuration.
        #[serde(default)]
        config_map: ConfigMapStatus,
        /// True if the addon is in the spec and set up.
        enabled: bool,
        /// TLSRoute of the server. Empty: the tenant has no gateway.
        #[serde(skip_serializing_if = "Option::is_none")]
        gateway: Option<RouteStatus>,
        /// Secret with the kubeconfig of the server.
        #[serde(default)]
        kubeconfig: SecretStatus,
        /// ServiceAccount of the agents in the tenant cluster.
        #[serde(default)]
        sa: ReferenceStatus,
        /// Service and port that agents dial.
        #[serde(default)]
        service: ServiceStatus,
    }

    /// Workload of the konnectivity agents in the tenant cluster.
    KonnectivityAgentStatus {
        /// Time at which the workload last changed.
        #[serde(skip_serializing_if = "Option::is_none")]
        last_update: Option<Time>,
        /// Kind of the workload: DaemonSet or Deployment.
        #[serde(skip_serializing_if = "Option::is_none")]
        mode: Option<String>,
        /// Name of the workload in the tenant cluster.
        #[serde(skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        /// Namespace of the workload in the tenant cluster.
        #[serde(skip_serializing_if = "Option::is_none")]
        namespace: Option<String>,
    }

    /// Name of an object in the tenant cluster.
    ReferenceStatus {
        /// Time at which the object last changed.
        #[serde(skip_serializing_if = "Option::is_none")]
        last_update: Option<Time>,
        /// Name of the object in the tenant cluster.
        #[serde(skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        /// Namespace of the object in the tenant cluster. Empty: the object is cluster-wide.
        #[serde(skip_serializing_if = "Option::is_none")]
        namespace: Option<String>,
    }

    /// Name and checksum of a ConfigMap.
    ConfigMapStatus {
        /// Checksum of the ConfigMap's data.
        #[serde(skip_serializing_if = "Option::is_none")]
        checksum: Option<String>,
        /// Name of the ConfigMap in the tenant's namespace.
        #[serde(skip_serializing_if = "Option::is_none")]
        name: Option<String>,
    }

    /// Name and checksum of a Secret.
    SecretStatus {
        /// Checksum of the Secret's data.
        #[serde(skip_serializing_if = "Option::is_none")]
        checksum: Option<String>,
        /// Time at which the Secret's data last changed.
        #[serde(skip_serializing_if = "Option::is_none")]
        last_update: Option<Time>,
        /// Name of the Secret in the tenant's namespace.
        #[serde(skip_serializing_if = "Option::is_none")]
        secret_name: Option<String>,
    }

    /// Secrets of the tenant's authorities and certificates.
    CertificatesStatus {
        /// Secret with the serving certificate of kube-apiserver.
        #[serde(skip_serializing_if = "Option::is_none")]
        api_server: Option<SecretStatus>,
        /// Secret with the client certificate by which kube-apiserver calls kubelets.
        #[serde(skip_serializing_if = "Option::is_none")]
        api_server_kubelet_client: Option<SecretStatus>,
        /// Secret with the tenant's certificate authority.
        #[serde(skip_serializing_if = "Option::is_none")]
        ca: Option<SecretStatus>,
        /// Always empty: kept for clients that know upstream's schema.
        #[serde(skip_serializing_if = "Option::is_none")]
        etcd: Option<EtcdCertificatesStatus>,
        /// Secret with the certificate authority of the aggregation layer.
        #[serde(rename = "frontProxyCA", skip_serializing_if = "Option::is_none")]
        front_proxy_ca: Option<SecretStatus>,
        /// Secret with the client certificate of the aggregation layer.
        #[serde(skip_serializing_if = "Option::is_none")]
        front_proxy_client: Option<SecretStatus>,
        /// Secret with the key pair that signs service account tokens.
        #[serde(skip_serializing_if = "Option::is_none")]
        sa: Option<SecretStatus>,
    }

    /// Always empty: kept for clients that know upstream's schema.
    EtcdCertificatesStatus {
        /// Always empty: kept for clients that know upstream's schema.
        #[serde(skip_serializing_if = "Option::is_none")]
        api_server: Option<SecretStatus>,
        /// Always empty: kept for clients that know upstream's schema.
        #[serde(skip_serializing_if = "Option::is_none")]
        ca: Option<SecretStatus>,
    }

    /// Results of the kubeadm phases that the operator runs in the tenant cluster.
    KubeadmPhaseStatus {
        /// Result of the phase bootstrap-token, by which nodes can join.
        bootstrap_token: KubeadmPhase,
    }

    /// Result of one kubeadm phase.
    KubeadmPhase {
        /// Checksum of the objects that the phase wrote.
        #[serde(skip_serializing_if = "Option::is_none")]
        checksum: Option<String>,
        /// Time at which the checksum last changed.
        #[serde(skip_serializing_if = "Option::is_none")]
        last_update: Option<Time>,
    }

    /// ConfigMap with the tenant's kubeadm configuration.
    KubeadmConfigStatus {
        /// Checksum of the ConfigMap's data.
        #[serde(skip_serializing_if = "Option::is_none")]
        checksum: Option<String>,
        /// Name of the ConfigMap in the tenant's namespace.
        #[serde(skip_serializing_if = "Option::is_none")]
        configmap_name: Option<String>,
        /// Time at which the ConfigMap's data last changed.
        #[serde(skip_serializing_if = "Option::is_none")]
        last_update: Option<Time>,
    }

    /// Secrets of the tenant's kubeconfigs.
    KubeconfigsStatus {
        /// Secret with the kubeconfigs of the tenant's administrators.
        #[serde(skip_serializing_if = "Option::is_none")]
        admin: Option<SecretStatus>,
        /// Secret with the kubeconfig of kube-controller-manager.
        #[serde(skip_serializing_if = "Option::is_none")]
        controller_manager: Option<SecretStatus>,
        /// Secret with the kubeconfig of kube-scheduler.
        #[serde(skip_serializing_if = "Option::is_none")]
        scheduler: Option<SecretStatus>,
    }

    /// DataStore of the tenant, and the names and credentials that it has there.
    StorageStatus {
        /// Secret with the tenant's client certificate for the DataStore.
        #[serde(skip_serializing_if = "Option::is_none")]
        certificate: Option<SecretStatus>,
        /// Secret with the connection data of the tenant.
        #[serde(skip_serializing_if = "Option::is_none")]
        config: Option<StorageConfigStatus>,
        /// Name of the DataStore that holds the tenant's data.
        #[serde(skip_serializing_if = "Option::is_none")]
        data_store_name: Option<String>,
        /// Driver of the DataStore: etcd, MySQL, PostgreSQL or NATS.
        #[serde(skip_serializing_if = "Option::is_none")]
        driver: Option<String>,
        /// DataStores that held the data before a migration. They keep it, read only, until the
        /// annotation kamaji.clastix.io/release-migration-source names one, or the tenant is deleted.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schemars(length(max = 8))]
        former: Option<Vec<FormerStorageStatus>>,
        /// Migration to another DataStore. Empty: none is under way.
        #[serde(skip_serializing_if = "Option::is_none")]
        migration: Option<StorageMigrationStatus>,
        /// DataStores of single resources in force. They change once a migration has moved the data
        /// as the spec asks.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schemars(length(max = 256))]
        overrides: Option<Vec<StorageOverrideStatus>>,
        /// Names that were set up in the DataStore; they stay in force whatever the spec says.
        #[serde(skip_serializing_if = "Option::is_none")]
        setup: Option<StorageSetupStatus>,
        /// Size of the tenant's data in the DataStore. Empty: not measured yet.
        #[serde(skip_serializing_if = "Option::is_none")]
        usage: Option<StorageUsageStatus>,
    }

    /// Size of the tenant's data in its DataStore. Small changes are written once an hour at most.
    StorageUsageStatus {
        /// Bytes of the data: in etcd of keys and values, in MySQL and PostgreSQL of the tables with
        /// their indexes, in NATS of the bucket. Empty: not measured yet.
        #[serde(skip_serializing_if = "Option::is_none")]
        bytes: Option<i64>,
        /// Keys in etcd and NATS; in MySQL and PostgreSQL rows of kine's table, which has a row for
        /// every version that was not compacted yet.
        keys: i64,
        /// Time of the measurement that found this.
        #[serde(skip_serializing_if = "Option::is_none")]
        measured_at: Option<Time>,
    }

    /// One resource of the tenant in a DataStore of its own.
    StorageOverrideStatus {
        /// Name of the DataStore that holds the resource.
        data_store: String,
        /// Resource as the spec names it, for example /events.
        resource: String,
        /// Prefix of the resource's keys in the DataStore.
        schema: String,
        /// User of the tenant in the DataStore.
        user: String,
    }

    /// Secret with the connection data of the tenant.
    StorageConfigStatus {
        /// Checksum of the Secret's data.
        #[serde(skip_serializing_if = "Option::is_none")]
        checksum: Option<String>,
        /// Name of the Secret in the tenant's namespace.
        #[serde(skip_serializing_if = "Option::is_none")]
        secret_name: Option<String>,
    }

    /// Names that were set up for the tenant in its DataStore.
    StorageSetupStatus {
        /// Checksum of the connection data that was set up.
        #[serde(skip_serializing_if = "Option::is_none")]
        checksum: Option<String>,
        /// Time at which the checksum last changed.
        #[serde(skip_serializing_if = "Option::is_none")]
        last_update: Option<Time>,
        /// Key prefix, database or bucket of the tenant in the DataStore.
        #[serde(skip_serializing_if = "Option::is_none")]
        schema: Option<String>,
        /// User of the tenant in the DataStore; in etcd, a role of that name as well.
        #[serde(skip_serializing_if = "Option::is_none")]
        user: Option<String>,
    }
}

#[cfg(test)]
mod tests;
