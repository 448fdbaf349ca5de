//! Access to a tenant's API server: the kubeconfig of the admin Secret that the operator uses.

use kamaji_api::{labels, tenant::TenantControlPlane};

use super::{
    error::TenantClusterError,
    snapshot::{AdminSecret, TenantClusterSnapshot},
};
use crate::{
    kubeconfig_files,
    pki::kubeconfig::{self, Credentials},
    secret_role::SecretRole,
    tenant::Tenant,
};

/// Key of the operator's kubeconfig in the admin Secret, unless the tenant's annotation names another.
const KUBECONFIG: &str = kubeconfig_files::SUPER_ADMIN;

/// Means of a plan to reach the tenant's API server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Access {
    /// Credentials of the admin Secret, with the CA.
    Credentials(Credentials),
    /// The CA of an earlier reconcile, in PEM: enough to plan, not to write.
    Ca(Vec<u8>),
}

impl Access {
    /// The CAs that the tenant's API server is trusted by, in PEM.
    pub fn ca(&self) -> &[u8] {
        match self {
            Self::Credentials(credentials) => &credentials.ca,
            Self::Ca(ca) => ca,
        }
    }
}

/// The access that the admin Secret of `snapshot` gives, or the CA of the last reconcile if it was not read.
pub(super) fn of(
    tenant: &Tenant,
    snapshot: &TenantClusterSnapshot,
) -> Result<Access, TenantClusterError> {
    let name = tenant.names.secret(SecretRole::AdminKubeconfig);
    let data = match &snapshot.admin_secret {
        AdminSecret::Read(data) => data,
        AdminSecret::Unreadable(why) => {
            let why = why.clone();
            return Err(TenantClusterError::ReadFailed { name, why });
        }
        AdminSecret::NotRead => {
            let last = snapshot.last.as_ref();
            let ca = last.and_then(|last| last.ca.clone());
            return ca.map(Access::Ca).ok_or_else(|| not_read(tenant));
        }
    };
    let key = kubeconfig_key(snapshot.object);
    let bytes = data
        .get(key)
        .ok_or_else(|| TenantClusterError::KubeconfigMissing {
            secret: format!("{}/{name}", tenant.namespace),
            key: key.to_owned(),
        })?;
    Ok(Access::Credentials(kubeconfig::credentials(&bytes.0)?))
}

/// The error of a plan that needs the admin Secret and has been made without it.
pub(super) fn not_read(tenant: &Tenant) -> TenantClusterError {
    let name = tenant.names.secret(SecretRole::AdminKubeconfig);
    TenantClusterError::NotRead(format!("{}/{name}", tenant.namespace))
}

/// The key that the tenant's annotation names, else [`KUBECONFIG`]; an empty annotation names none.
fn kubeconfig_key(object: &TenantControlPlane) -> &str {
    let annotations = object.metadata.annotations.as_ref();
    annotations
        .and_then(|annotations| annotations.get(labels::KUBECONFIG_SECRET_KEY))
        .filter(|key| !key.is_empty())
        .map_or(KUBECONFIG, String::as_str)
}

#[cfg(test)]
mod tests;
