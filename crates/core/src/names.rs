//! Names of all objects of a tenant, from the tenant's name.

use crate::{object::Kind, secret_role::SecretRole};

/// Names of the objects that belong to one tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names(String);

const KONNECTIVITY_ROUTE: &str = "-konnectivity";
const KUBEADM_CONFIG: &str = "-kubeadmconfig";
const KONNECTIVITY_EGRESS: &str = "-konnectivity-egress-selector-configuration";

impl Names {
    /// Names for the tenant named `tenant`.
    pub fn of(tenant: &str) -> Self {
        Self(tenant.to_owned())
    }

    fn suffixed(&self, suffix: &str) -> String {
        format!("{}{suffix}", self.0)
    }

    /// Service, Deployment, Ingress and `TLSRoute` of the control plane: the tenant's own name.
    pub fn control_plane(&self) -> String {
        self.0.clone()
    }

    /// Secret of a role.
    pub fn secret(&self, role: SecretRole) -> String {
        format!("{}-{}", self.0, role.component())
    }

    /// `ConfigMap` with the kubeadm configuration.
    pub fn kubeadm_config(&self) -> String {
        self.suffixed(KUBEADM_CONFIG)
    }

    /// `ConfigMap` with the API server's egress selector.
    pub fn konnectivity_egress(&self) -> String {
        self.suffixed(KONNECTIVITY_EGRESS)
    }

    /// `TLSRoute` of the konnectivity server.
    pub fn konnectivity_route(&self) -> String {
        self.suffixed(KONNECTIVITY_ROUTE)
    }

    /// True if plans of the tenant make an object of that kind and name. Others are not the tenant's children,
    /// even if they carry its labels.
    pub fn include(&self, kind: Kind, name: &str) -> bool {
        let Some(suffix) = name.strip_prefix(self.0.as_str()) else {
            return false;
        };
        match kind {
            Kind::Service | Kind::Deployment | Kind::Ingress => suffix.is_empty(),
            Kind::TlsRoute => suffix.is_empty() || suffix == KONNECTIVITY_ROUTE,
            Kind::ConfigMap => [KUBEADM_CONFIG, KONNECTIVITY_EGRESS].contains(&suffix),
            Kind::Secret => suffix.strip_prefix('-').is_some_and(|component| {
                let mut roles = SecretRole::ALL.into_iter();
                roles.any(|role| role.component() == component)
            }),
            _ => false,
        }
    }

    /// True for a name that a Secret of some tenant may have, whatever the tenant's name: the first tenant that
    /// is called so would find the Secret in its way.
    pub fn may_be_of_a_tenant(secret: &str) -> bool {
        SecretRole::ALL.into_iter().any(|role| {
            let rest = secret.strip_suffix(role.component());
            rest.is_some_and(|rest| rest.ends_with('-'))
        })
    }

    /// Secrets with keys that are issued once. A person may create them before the tenant.
    pub fn authorities(&self) -> Vec<String> {
        let authorities = SecretRole::ALL
            .into_iter()
            .filter(|role| role.is_authority());
        authorities.map(|role| self.secret(role)).collect()
    }
}
