//! `kamaji upgrade`: asks for another version of Kubernetes.

use serde_json::json;

use crate::{
    access::{Access, AccessFlags, TenantName},
    terminal::print,
};

use super::version::parse_version;

/// Arguments of `kamaji upgrade`.
#[derive(clap::Args)]
pub struct Arguments {
    /// The tenant, as NAME or NAMESPACE/NAME
    name: TenantName,
    /// The version, for example v1.36.3; one minor at a time
    #[arg(value_parser = parse_version)]
    version: String,
    #[command(flatten)]
    access: AccessFlags,
}

/// Sets the version in the spec of exactly the tenant that was read.
pub async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let access = Access::open(&arguments.access).await?;
    let key = access.key(&arguments.name);
    let tenant = access.living_tenant(&key).await?;
    let (old, new) = (&tenant.spec.kubernetes.version, &arguments.version);
    if old == new {
        return print(&format!("{key} asks for {new} already\n"));
    }
    let patch = json!({"spec": {"kubernetes": {"version": new}}});
    let changed = access.patch(&tenant, patch).await?;
    print(&format!(
        "{key} asks for {} now: `kamaji wait {key} --for version={new}` shows when it is there\n",
        changed.spec.kubernetes.version
    ))
}
