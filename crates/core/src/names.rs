//! What is each object of a tenant called? (management-cluster specification, table 0.5)

use crate::object::Kind;

/// Names every object that belongs to one tenant, from the tenant's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names(String);

macro_rules! suffixed {
    ($($(#[$doc:meta])* $name:ident => $suffix:literal,)*) => {
        impl Names {
            $($(#[$doc])* pub fn $name(&self) -> String { format!("{}{}", self.0, $suffix) })*
        }
    };
}

impl Names {
    /// Of the tenant of this name.
    pub fn of(tenant: &str) -> Self {
        Self(tenant.to_owned())
    }

    /// Every Secret that a tenant may have.
    pub fn secrets(&self) -> [String; 13] {
        SECRETS.map(|suffix| format!("{}{suffix}", self.0))
    }

    /// True if an object of that kind and name is one that plans of the tenant make: others that
    /// carry its labels are none of its children.
    pub fn include(&self, kind: Kind, name: &str) -> bool {
        let Some(suffix) = name.strip_prefix(self.0.as_str()) else {
            return false;
        };
        match kind {
            Kind::Service | Kind::Deployment | Kind::Ingress => suffix.is_empty(),
            Kind::TlsRoute => suffix.is_empty() || suffix == KONNECTIVITY_ROUTE,
            Kind::ConfigMap => CONFIG_MAPS.contains(&suffix),
            Kind::Secret => SECRETS.contains(&suffix),
            _ => false,
        }
    }

    /// The Secrets with keys that are made once: who may put them there beforehand.
    pub fn authorities(&self) -> [String; 3] {
        [self.ca(), self.front_proxy_ca(), self.service_account()]
    }
}

/// What distinguishes names of one kind.
const KONNECTIVITY_ROUTE: &str = "-konnectivity";
const CONFIG_MAPS: [&str; 2] = [
    "-kubeadmconfig",
    "-konnectivity-egress-selector-configuration",
];
const SECRETS: [&str; 13] = [
    "-ca",
    "-front-proxy-ca-certificate",
    "-sa-certificate",
    "-api-server-certificate",
    "-api-server-kubelet-client-certificate",
    "-front-proxy-client-certificate",
    "-admin-kubeconfig",
    "-controller-manager-kubeconfig",
    "-scheduler-kubeconfig",
    "-datastore-config",
    "-datastore-certificate",
    "-konnectivity-certificate",
    "-konnectivity-kubeconfig",
];

suffixed! {
    /// Service, Deployment, Ingress and `TLSRoute` of the control plane.
    control_plane => "",
    /// `ConfigMap` with the kubeadm configuration.
    kubeadm_config => "-kubeadmconfig",
    /// Secret with the CA.
    ca => "-ca",
    /// Secret with the front-proxy CA.
    front_proxy_ca => "-front-proxy-ca-certificate",
    /// Secret with the service-account key pair.
    service_account => "-sa-certificate",
    /// Secret with the API server's certificate.
    api_server => "-api-server-certificate",
    /// Secret with the API server's client certificate for kubelets.
    kubelet_client => "-api-server-kubelet-client-certificate",
    /// Secret with the front-proxy client certificate.
    front_proxy_client => "-front-proxy-client-certificate",
    /// Secret with the administrators' kubeconfigs.
    admin_kubeconfig => "-admin-kubeconfig",
    /// Secret with the controller manager's kubeconfig.
    controller_manager_kubeconfig => "-controller-manager-kubeconfig",
    /// Secret with the scheduler's kubeconfig.
    scheduler_kubeconfig => "-scheduler-kubeconfig",
    /// Secret with the datastore's connection data.
    datastore_config => "-datastore-config",
    /// Secret with the datastore's client certificate.
    datastore_certificate => "-datastore-certificate",
    /// `ConfigMap` with the API server's egress selector.
    konnectivity_egress => "-konnectivity-egress-selector-configuration",
    /// Secret with the konnectivity server's certificate.
    konnectivity_certificate => "-konnectivity-certificate",
    /// Secret with the konnectivity server's kubeconfig.
    konnectivity_kubeconfig => "-konnectivity-kubeconfig",
    /// `TLSRoute` of the konnectivity server.
    konnectivity_route => "-konnectivity",
}
