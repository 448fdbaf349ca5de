//! `kamaji rotate`: asks the operator to issue certificates and kubeconfigs of a tenant again.

use anyhow::bail;
use k8s_openapi::api::core::v1::Secret;
use kamaji_api::labels;
use kamaji_core::secret_role::{Content, SecretRole};
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde_json::json;

use crate::{
    access::{Access, AccessFlags, MANAGER, TenantName, of_version},
    terminal::print,
};

use super::admin::owned_secret;

/// Arguments of `kamaji rotate`.
#[derive(clap::Args)]
#[command(group = clap::ArgGroup::new("chosen").required(true))]
pub struct Arguments {
    /// The tenant, as NAME or NAMESPACE/NAME
    name: TenantName,
    /// Secret without the tenant's name in front, for example api-server-certificate; may be given several times
    #[arg(long = "secret", group = "chosen", value_name = "ROLE", value_parser = role)]
    secrets: Vec<SecretRole>,
    /// All certificates and kubeconfigs that are not authorities
    #[arg(long, group = "chosen")]
    all_leaves: bool,
    /// Allow authorities: workers, kubeconfigs and tokens of the old one are not accepted afterwards
    #[arg(long)]
    break_trust: bool,
    #[command(flatten)]
    access: AccessFlags,
}

fn can_rotate(role: SecretRole) -> bool {
    role.content() != Content::Configuration
}

fn role(text: &str) -> Result<SecretRole, String> {
    let roles = || SecretRole::ALL.into_iter().filter(|role| can_rotate(*role));
    roles()
        .find(|role| role.component() == text)
        .ok_or_else(|| {
            let names: Vec<_> = roles().map(SecretRole::component).collect();
            format!("choose one of {}", names.join(", "))
        })
}

/// Annotates the Secrets, each as it was read.
pub async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let access = Access::open(&arguments.access).await?;
    let key = access.key(&arguments.name);
    let tenant = access.living_tenant(&key).await?;
    if labels::is_paused(&tenant.metadata) {
        bail!("{key} is paused, so that nothing is issued: run `kamaji resume {key}` first");
    }
    let mut roles = arguments.secrets.clone();
    if arguments.all_leaves {
        let leaves = SecretRole::ALL.into_iter();
        roles = leaves
            .filter(|role| role.lifecycle().is_some() && role.is_wanted(&tenant.spec))
            .collect();
    }
    if let Some(authority) = roles.iter().find(|role| role.is_authority())
        && !arguments.break_trust
    {
        bail!(
            "{} is an authority: workers have to join again and kubeconfigs to be fetched again once it is replaced; give --break-trust if that is wanted",
            authority.component()
        );
    }
    let mut secrets = Vec::new();
    for role in roles {
        secrets.push(owned_secret(&access, &tenant, role).await?);
    }
    for secret in &secrets {
        ask(&access, secret).await?;
    }
    print(&format!(
        "{} Secrets of {key} are issued again; their annotation {} has the time once it is done\n",
        secrets.len(),
        labels::ROTATE
    ))
}

async fn ask(access: &Access, secret: &Secret) -> anyhow::Result<()> {
    let metadata = &secret.metadata;
    let text = |part: &Option<String>| part.clone().unwrap_or_default();
    let (namespace, name) = (text(&metadata.namespace), text(&metadata.name));
    let patch = json!({"metadata": {"annotations": {labels::ROTATE: ""}}});
    let patch = of_version(metadata, patch)?;
    let parameters = PatchParams {
        field_manager: Some(MANAGER.to_owned()),
        ..PatchParams::default()
    };
    let api: Api<Secret> = Api::namespaced(access.client(), &namespace);
    let what = format!("annotating the Secret {namespace}/{name}");
    let patch = Patch::Merge(patch);
    access
        .call(&what, api.patch(&name, &parameters, &patch))
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_expire_cannot_be_chosen() {
        assert_eq!(role("ca"), Ok(SecretRole::Ca));
        let refused = role("datastore-config").unwrap_err();
        assert!(refused.contains("admin-kubeconfig"), "{refused}");
    }
}
