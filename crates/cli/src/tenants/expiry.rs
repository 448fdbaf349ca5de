//! Nearest end of a tenant's certificates, from the Secrets that it owns.

use std::collections::BTreeMap;

use k8s_openapi::{api::core::v1::Secret, jiff::Timestamp};
use kamaji_api::labels;
use kamaji_core::{
    names::Names,
    orphan,
    pki::{certificate::Certificate, kubeconfig},
    secret_role::{Content, SecretRole},
};
use kamaji_shell::ObjectKey;
use kube::{Api, api::ListParams};

use crate::access::Access;

/// Secrets in one page: a Secret has up to 1 MiB, and an answer of the API server is read up to 64 MiB.
const PAGE: u32 = 30;
/// Pages that are read at most.
const PAGES: usize = 2000;

/// Nearest end by uid of the tenant.
pub type Ends = BTreeMap<String, Timestamp>;

/// Reads the ends of the certificates in all Secrets of a namespace, of all namespaces, or of one tenant.
pub async fn read(
    access: &Access,
    namespace: Option<&str>,
    tenant: Option<&ObjectKey>,
) -> anyhow::Result<Ends> {
    let api: Api<Secret> = match namespace {
        Some(namespace) => Api::namespaced(access.client(), namespace),
        None => Api::all(access.client()),
    };
    let mut selector = format!("{}=kamaji", labels::PROJECT);
    if let Some(key) = tenant {
        selector = format!("{selector},{}={}", labels::NAME, key.name);
    }
    let mut page = ListParams::default().labels(&selector).limit(PAGE);
    let mut ends = Ends::new();
    for _ in 0..PAGES {
        let listed = access
            .call("listing Secrets with certificates", api.list(&page))
            .await?;
        for secret in &listed.items {
            collect(secret, &mut ends);
        }
        match listed.metadata.continue_ {
            Some(next) if !next.is_empty() => page = page.continue_token(&next),
            _ => break,
        }
    }
    Ok(ends)
}

/// Takes the ends of one Secret's certificates for the tenant that owns it.
fn collect(secret: &Secret, ends: &mut Ends) {
    let mut owners = secret.metadata.owner_references.iter().flatten();
    let Some(owner) = owners.find(|owner| orphan::is_tenant(owner)) else {
        return;
    };
    let name = secret.metadata.name.as_deref().unwrap_or_default();
    let names = Names::of(&owner.name);
    let role = SecretRole::ALL
        .into_iter()
        .find(|role| names.secret(*role) == name);
    let Some(end) = role.and_then(|role| nearest(role, secret)) else {
        return;
    };
    let known = ends.entry(owner.uid.clone()).or_insert(end);
    *known = end.min(*known);
}

/// Nearest end of the certificates in the Secret of a role; `None` if it has none that can be read.
fn nearest(role: SecretRole, secret: &Secret) -> Option<Timestamp> {
    let data = secret.data.as_ref()?;
    let files = role.files().iter();
    let ends = files.filter_map(|file| {
        let content = &data.get(*file)?.0;
        let pem = match role.content() {
            Content::Kubeconfig => kubeconfig::credentials(content).ok()?.certificate,
            Content::Authority | Content::Certificate => content.clone(),
            Content::Configuration => return None,
        };
        Some(Certificate::from_pem(&pem).ok()?.not_after)
    });
    ends.min()
}
