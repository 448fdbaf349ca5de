//! Administrator's credentials of a tenant cluster, from the Secret that the tenant owns.

use anyhow::{Context, bail};
use k8s_openapi::api::core::v1::Secret;
use kamaji_api::tenant::TenantControlPlane;
use kamaji_core::{
    kubeconfig_files,
    names::Names,
    pki::kubeconfig::{Credentials, credentials},
    secret_role::SecretRole,
};
use kamaji_shell::ObjectKey;
use kube::Api;

use crate::access::Access;

/// Kubeconfig among those in the Secret of the administrators.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Entry {
    /// Administrators, at the public address.
    #[value(name = "admin.conf")]
    Admin,
    /// Administrators, at the Service in the management cluster.
    #[value(name = "admin.svc")]
    AdminService,
    /// Group system:masters, at the public address.
    #[value(name = "super-admin.conf")]
    SuperAdmin,
    /// Group system:masters, at the Service in the management cluster.
    #[value(name = "super-admin.svc")]
    SuperAdminService,
}

impl Entry {
    /// Key in the data of the Secret.
    pub fn file(self) -> &'static str {
        match self {
            Self::Admin => kubeconfig_files::ADMIN,
            Self::AdminService => kubeconfig_files::ADMIN_SERVICE,
            Self::SuperAdmin => kubeconfig_files::SUPER_ADMIN,
            Self::SuperAdminService => kubeconfig_files::SUPER_ADMIN_SERVICE,
        }
    }
}

/// A Secret of a tenant that exists and that the tenant owns.
pub async fn owned_secret(
    access: &Access,
    tenant: &TenantControlPlane,
    role: SecretRole,
) -> anyhow::Result<Secret> {
    let metadata = &tenant.metadata;
    let namespace = metadata.namespace.as_deref().unwrap_or_default();
    let name = Names::of(metadata.name.as_deref().unwrap_or_default()).secret(role);
    let api: Api<Secret> = Api::namespaced(access.client(), namespace);
    let what = format!("reading the Secret {namespace}/{name}");
    let found = access.find(&what, api.get(&name)).await?;
    let secret = found.with_context(|| {
        format!(
            "the Secret {namespace}/{name} does not exist yet: `kamaji wait {namespace}/{} --for ready` shows what the tenant waits for",
            metadata.name.as_deref().unwrap_or_default()
        )
    })?;
    let mut owners = secret.metadata.owner_references.iter().flatten();
    if metadata.uid.is_none() || !owners.any(|owner| Some(&owner.uid) == metadata.uid.as_ref()) {
        bail!(
            "the Secret {namespace}/{name} does not belong to this tenant: the tenant's condition Reconciled says what to do"
        );
    }
    Ok(secret)
}

/// Server and credentials of one kubeconfig of a tenant. Of the text in the Secret only server, CA, client certificate and
/// key are taken, each as what it has to be.
pub async fn read(
    access: &Access,
    tenant: &TenantControlPlane,
    entry: Entry,
) -> anyhow::Result<Credentials> {
    let secret = owned_secret(access, tenant, SecretRole::AdminKubeconfig).await?;
    let named = || {
        let metadata = &secret.metadata;
        let text = |part: &Option<String>| part.clone().unwrap_or_default();
        format!(
            "the key {} of the Secret {}/{}",
            entry.file(),
            text(&metadata.namespace),
            text(&metadata.name)
        )
    };
    let data = secret.data.as_ref().and_then(|data| data.get(entry.file()));
    let data = data.with_context(|| format!("{} is missing", named()))?;
    let read = credentials(&data.0).with_context(named)?;
    require_plain(&read).with_context(named)?;
    Ok(read)
}

/// Refuses a server or PEM blocks of another form than the operator writes.
fn require_plain(read: &Credentials) -> anyhow::Result<()> {
    server_address(&read.server)?;
    let blocks = [
        (
            "certificate authority",
            &read.ca,
            "-----BEGIN CERTIFICATE-----",
        ),
        (
            "client certificate",
            &read.certificate,
            "-----BEGIN CERTIFICATE-----",
        ),
        ("client key", &read.key, "-----BEGIN "),
    ];
    for (name, content, begin) in blocks {
        if !content.trim_ascii_start().starts_with(begin.as_bytes()) {
            bail!("its {name} is not PEM: rotate it with `kamaji rotate`");
        }
    }
    Ok(())
}

/// HOST:PORT of a server's URL, which has nothing else than the two.
pub fn server_address(url: &str) -> anyhow::Result<&str> {
    let address = url.strip_prefix("https://").unwrap_or_default();
    let usual = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']');
    let port = address
        .rsplit_once(':')
        .and_then(|(_, port)| port.parse::<u16>().ok());
    if address.len() > 300
        || port.is_none()
        || !address.starts_with(|c: char| c != '-')
        || !address.chars().all(usual)
    {
        bail!("its server is not a URL such as https://192.0.2.10:6443");
    }
    Ok(address)
}

/// Refuses a tenant whose control plane is switched off.
pub fn require_awake(tenant: &TenantControlPlane, key: &ObjectKey) -> anyhow::Result<()> {
    if tenant.spec.control_plane.deployment.replicas == Some(0) {
        bail!(
            "{key} sleeps, so that its API server does not answer: run `kamaji wake {key}` first"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_a_host_and_a_port_and_nothing_else() {
        for right in [
            "https://192.0.2.1:6443",
            "https://[2001:db8::1]:6443",
            "https://a.b.c:443",
        ] {
            assert!(server_address(right).is_ok(), "{right}");
        }
        for wrong in [
            "http://192.0.2.1:6443",
            "https://192.0.2.1",
            "https://user@host:1",
            "https://host:1/path",
            "https://host:99999",
            "https://-o:1",
            "https://$(id):1",
            "https://a b:1",
            "https://h\n:1",
        ] {
            assert!(server_address(wrong).is_err(), "{wrong}");
        }
    }
}
