//! `kamaji kubeconfig`: prints the administrator's kubeconfig of a tenant, or merges it into the user's file.

use std::path::PathBuf;

use anyhow::Context;
use kamaji_core::pki::kubeconfig::{Credentials, Kubeconfig};

use crate::{
    access::{Access, AccessFlags, TenantName},
    terminal::print,
};

use super::{
    admin::{self, Entry},
    kubeconfig_file,
    merge::{Addition, merge},
};

/// Arguments of `kamaji kubeconfig`.
#[derive(clap::Args)]
pub struct Arguments {
    /// The tenant, as NAME or NAMESPACE/NAME
    name: TenantName,
    /// Kubeconfig of the tenant that is taken
    #[arg(long, default_value = "admin.conf")]
    key: Entry,
    /// Merge into the first file of KUBECONFIG, by default ~/.kube/config, instead of printing
    #[arg(long)]
    merge: bool,
    /// Merge into this file
    #[arg(long, value_name = "FILE")]
    into: Option<PathBuf>,
    /// Name of cluster, user and context; by default NAMESPACE/NAME
    #[arg(long, value_name = "TEXT", value_parser = entry_name)]
    entry: Option<String>,
    /// Replace an entry of that name that leads to another cluster
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    access: AccessFlags,
}

fn entry_name(text: &str) -> Result<String, String> {
    let usual = |c: char| c.is_ascii_alphanumeric() || "/-_.@:".contains(c);
    if text.is_empty() || text.len() > 253 || !text.chars().all(usual) {
        return Err("up to 253 letters, digits and / - _ . @ :".to_owned());
    }
    Ok(text.to_owned())
}

/// Prints or merges the kubeconfig of the tenant.
pub async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let access = Access::open(&arguments.access).await?;
    let key = access.key(&arguments.name);
    let tenant = access.living_tenant(&key).await?;
    let credentials = admin::read(&access, &tenant, arguments.key).await?;
    let name = arguments.entry.clone().unwrap_or_else(|| key.to_string());
    if !arguments.merge && arguments.into.is_none() {
        return print(&text(&name, &credentials)?);
    }
    let path = match &arguments.into {
        Some(path) => path.clone(),
        None => kubeconfig_file::of_user()?,
    };
    let addition = Addition {
        name: &name,
        credentials: &credentials,
        force: arguments.force,
    };
    kubeconfig_file::change(&path, |file| merge(file, &addition))
        .with_context(|| format!("{} is left as it was", path.display()))?;
    print(&format!(
        "{key} is in {}: use it with `kubectl --context {name}`\n",
        path.display()
    ))
}

/// A kubeconfig with one cluster, user and context of the same name.
fn text(name: &str, credentials: &Credentials) -> anyhow::Result<String> {
    let addition = Addition {
        name,
        credentials,
        force: false,
    };
    let mut file =
        serde_json::json!({"apiVersion": "v1", "kind": "Config", "current-context": name});
    merge(&mut file, &addition)?;
    let text = kubeconfig_file::as_text(&file)?;
    // What is printed is a kubeconfig that the operator itself would read.
    Kubeconfig::parse(text.as_bytes())?;
    Ok(text)
}
