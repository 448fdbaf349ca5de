//! Roles of a tenant's Secrets: name, labels, keys, type, pod checksum and status of each, in one table.
//!
//! A further leaf or kubeconfig is a variant of [`SecretRole`] with its row here, what fills it in `plan`, and,
//! where pods use it, its mount in `render`.

use kamaji_api::{
    labels,
    tenant::{SecretStatus, TenantControlPlaneSpec, TenantControlPlaneStatus},
};

use crate::kubeconfig_files;

/// Keys of certificate and private key in a TLS Secret. Cluster API reads CAs under them, and users provide CAs so;
/// the operator's CA Secret has the pair of the CA that signs under them.
pub const TLS_PAIR: (&str, &str) = ("tls.crt", "tls.key");

/// Role of a Secret of a tenant. The order is that in which messages list Secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SecretRole {
    /// CA of the tenant cluster.
    Ca,
    /// CA of the aggregation layer.
    FrontProxyCa,
    /// Key pair that signs tokens of ServiceAccounts.
    ServiceAccount,
    /// Serving certificate of the API server.
    ApiServer,
    /// Client certificate of the API server for kubelets.
    KubeletClient,
    /// Client certificate of the API server for aggregated API servers.
    FrontProxyClient,
    /// Kubeconfigs of the tenant's administrators.
    AdminKubeconfig,
    /// Kubeconfig of the controller manager.
    ControllerManagerKubeconfig,
    /// Kubeconfig of the scheduler.
    SchedulerKubeconfig,
    /// Connection data of the datastore.
    DatastoreConfig,
    /// Client certificate for the datastore, with the datastore's CA.
    DatastoreCertificate,
    /// Serving certificate of the konnectivity server.
    KonnectivityCertificate,
    /// Kubeconfig of the konnectivity server.
    KonnectivityKubeconfig,
}

/// Kind of content of a Secret, which decides its lifecycle label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// Keys that the tenant cluster trusts: issued once, replaced only on request.
    Authority,
    /// Connection data of the datastore.
    Configuration,
    /// Leaf certificate with its key.
    Certificate,
    /// Kubeconfigs with client certificates.
    Kubeconfig,
}

/// Place of a Secret's checksum in the pod template, so that a changed Secret rolls the pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PodChecksum {
    /// Label of this suffix after `COMPONENT_CHECKSUM`; carries the checksum of the data.
    Label(&'static str),
    /// Annotation of this key; carries the checksum annotation of the Secret.
    Annotation(&'static str),
}

struct Row {
    component: &'static str,
    content: Content,
    files: &'static [&'static str],
    pod_checksum: Option<PodChecksum>,
}

impl SecretRole {
    /// All roles, in the order of the enum.
    pub const ALL: [Self; 13] = [
        Self::Ca,
        Self::FrontProxyCa,
        Self::ServiceAccount,
        Self::ApiServer,
        Self::KubeletClient,
        Self::FrontProxyClient,
        Self::AdminKubeconfig,
        Self::ControllerManagerKubeconfig,
        Self::SchedulerKubeconfig,
        Self::DatastoreConfig,
        Self::DatastoreCertificate,
        Self::KonnectivityCertificate,
        Self::KonnectivityKubeconfig,
    ];

    #[allow(clippy::too_many_lines, reason = "one table")]
    const fn row(self) -> Row {
        use Content::{Authority, Certificate, Configuration, Kubeconfig};
        use PodChecksum::{Annotation, Label};
        let (component, content, files, pod_checksum): (_, _, &[&str], _) = match self {
            Self::Ca => ("ca", Authority, &["ca.crt", "ca.key"], Some(Label("ca"))),
            Self::FrontProxyCa => (
                "front-proxy-ca-certificate",
                Authority,
                &["front-proxy-ca.crt", "front-proxy-ca.key"],
                Some(Label("front-proxy-ca-certificate")),
            ),
            Self::ServiceAccount => (
                "sa-certificate",
                Authority,
                &["sa.pub", "sa.key"],
                Some(Label("service-account")),
            ),
            Self::ApiServer => (
                "api-server-certificate",
                Certificate,
                &["apiserver.crt", "apiserver.key"],
                Some(Label("api-server-certificate")),
            ),
            Self::KubeletClient => (
                "api-server-kubelet-client-certificate",
                Certificate,
                &[
                    "apiserver-kubelet-client.crt",
                    "apiserver-kubelet-client.key",
                ],
                Some(Label("api-server-kubelet-client-certificate")),
            ),
            Self::FrontProxyClient => (
                "front-proxy-client-certificate",
                Certificate,
                &["front-proxy-client.crt", "front-proxy-client.key"],
                Some(Label("front-proxy-client-certificate")),
            ),
            Self::AdminKubeconfig => (
                "admin-kubeconfig",
                Kubeconfig,
                &[
                    kubeconfig_files::ADMIN,
                    kubeconfig_files::ADMIN_SERVICE,
                    kubeconfig_files::SUPER_ADMIN,
                    kubeconfig_files::SUPER_ADMIN_SERVICE,
                ],
                None,
            ),
            Self::ControllerManagerKubeconfig => (
                "controller-manager-kubeconfig",
                Kubeconfig,
                &[kubeconfig_files::CONTROLLER_MANAGER],
                Some(Label("controller-manager-kubeconfig")),
            ),
            Self::SchedulerKubeconfig => (
                "scheduler-kubeconfig",
                Kubeconfig,
                &[kubeconfig_files::SCHEDULER],
                Some(Label("scheduler-kubeconfig")),
            ),
            Self::DatastoreConfig => (
                "datastore-config",
                Configuration,
                &[],
                Some(Annotation(labels::STORAGE_CONFIG)),
            ),
            Self::DatastoreCertificate => (
                "datastore-certificate",
                Certificate,
                &["ca.crt", "server.crt", "server.key"],
                Some(Annotation(labels::STORAGE_CERTIFICATE)),
            ),
            Self::KonnectivityCertificate => (
                "konnectivity-certificate",
                Certificate,
                &["tls.crt", "tls.key"],
                Some(Label("konnectivity-certificate")),
            ),
            Self::KonnectivityKubeconfig => (
                "konnectivity-kubeconfig",
                Kubeconfig,
                &[kubeconfig_files::KONNECTIVITY],
                Some(Label("konnectivity-kubeconfig")),
            ),
        };
        Row {
            component,
            content,
            files,
            pod_checksum,
        }
    }

    /// Value of the component label; the Secret's name is the tenant's name, a dash and this.
    pub const fn component(self) -> &'static str {
        self.row().component
    }

    /// Content of the role's Secret.
    pub const fn content(self) -> Content {
        self.row().content
    }

    /// Keys of the Secret that the operator writes and pods mount; empty if they depend on the datastore's driver.
    pub const fn files(self) -> &'static [&'static str] {
        self.row().files
    }

    /// Keys of certificate and private key, for roles that have exactly one of each; empty texts for others.
    pub const fn key_pair(self) -> (&'static str, &'static str) {
        match self.files() {
            [certificate, key] => (certificate, key),
            _ => ("", ""),
        }
    }

    /// Place of the checksum in the pod template; `None` for Secrets that no pod uses.
    pub const fn pod_checksum(self) -> Option<PodChecksum> {
        self.row().pod_checksum
    }

    /// Value of the lifecycle label: `x509` or `kubeconfig`; `None` for content that does not expire by itself.
    pub const fn lifecycle(self) -> Option<&'static str> {
        match self.content() {
            Content::Authority | Content::Configuration => None,
            Content::Certificate => Some("x509"),
            Content::Kubeconfig => Some("kubeconfig"),
        }
    }

    /// True for keys that are issued once and replaced only on request.
    pub const fn is_authority(self) -> bool {
        matches!(self.content(), Content::Authority)
    }

    /// True for Secrets that settings switch on and off, and that are pruned when off.
    pub const fn is_optional(self) -> bool {
        matches!(
            self,
            Self::KonnectivityCertificate | Self::KonnectivityKubeconfig
        )
    }

    /// True if a tenant of this spec has the Secret.
    pub fn is_wanted(self, spec: &TenantControlPlaneSpec) -> bool {
        !self.is_optional() || spec.addons.konnectivity.is_some()
    }

    /// Type of a new Secret. A live one keeps its type, which is immutable.
    pub const fn secret_type(self) -> &'static str {
        match self {
            Self::KonnectivityCertificate => "kubernetes.io/tls",
            _ => "Opaque",
        }
    }

    /// Finalizer of the Secret: the connection data must outlive the tenant's data.
    pub const fn finalizer(self) -> Option<&'static str> {
        match self {
            Self::DatastoreConfig => Some(labels::DATASTORE_SECRET_FINALIZER),
            _ => None,
        }
    }

    /// Entry of the Secret in a status; `None` if it is not recorded. `DatastoreConfig` has an entry of its own type.
    pub fn recorded(self, status: &TenantControlPlaneStatus) -> Option<&SecretStatus> {
        let certificates = status.certificates.as_ref();
        let kubeconfigs = status.kubeconfig.as_ref();
        let konnectivity = || status.addons.as_ref()?.konnectivity.as_ref();
        match self {
            Self::Ca => certificates?.ca.as_ref(),
            Self::FrontProxyCa => certificates?.front_proxy_ca.as_ref(),
            Self::ServiceAccount => certificates?.sa.as_ref(),
            Self::ApiServer => certificates?.api_server.as_ref(),
            Self::KubeletClient => certificates?.api_server_kubelet_client.as_ref(),
            Self::FrontProxyClient => certificates?.front_proxy_client.as_ref(),
            Self::AdminKubeconfig => kubeconfigs?.admin.as_ref(),
            Self::ControllerManagerKubeconfig => kubeconfigs?.controller_manager.as_ref(),
            Self::SchedulerKubeconfig => kubeconfigs?.scheduler.as_ref(),
            Self::DatastoreConfig => None,
            Self::DatastoreCertificate => status.storage.as_ref()?.certificate.as_ref(),
            Self::KonnectivityCertificate => Some(&konnectivity()?.certificate),
            Self::KonnectivityKubeconfig => Some(&konnectivity()?.kubeconfig),
        }
    }

    /// Entry of the Secret in `status.certificates` or `status.kubeconfig`, to be set; `None` for the roles that
    /// `status.storage` and `status.addons` report.
    pub fn entry(self, status: &mut TenantControlPlaneStatus) -> Option<&mut Option<SecretStatus>> {
        let certificates = status.certificates.get_or_insert_default();
        let kubeconfigs = status.kubeconfig.get_or_insert_default();
        match self {
            Self::Ca => Some(&mut certificates.ca),
            Self::FrontProxyCa => Some(&mut certificates.front_proxy_ca),
            Self::ServiceAccount => Some(&mut certificates.sa),
            Self::ApiServer => Some(&mut certificates.api_server),
            Self::KubeletClient => Some(&mut certificates.api_server_kubelet_client),
            Self::FrontProxyClient => Some(&mut certificates.front_proxy_client),
            Self::AdminKubeconfig => Some(&mut kubeconfigs.admin),
            Self::ControllerManagerKubeconfig => Some(&mut kubeconfigs.controller_manager),
            Self::SchedulerKubeconfig => Some(&mut kubeconfigs.scheduler),
            Self::DatastoreConfig
            | Self::DatastoreCertificate
            | Self::KonnectivityCertificate
            | Self::KonnectivityKubeconfig => None,
        }
    }
}

#[cfg(test)]
mod tests;
