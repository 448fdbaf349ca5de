//! `kamaji pause` and `kamaji resume`: have the operator leave a tenant alone, and look after it again.

use kamaji_api::labels;
use serde_json::json;

use crate::{
    access::{Access, AccessFlags, TenantName},
    terminal::print,
};

/// Arguments of `kamaji pause` and `kamaji resume`.
#[derive(clap::Args)]
pub struct Arguments {
    /// The tenant, as NAME or NAMESPACE/NAME
    name: TenantName,
    #[command(flatten)]
    access: AccessFlags,
}

/// Sets the annotation by which the operator leaves the tenant alone.
pub async fn pause(arguments: &Arguments) -> anyhow::Result<()> {
    let access = Access::open(&arguments.access).await?;
    let key = access.key(&arguments.name);
    let tenant = access.tenant(&key).await?;
    if labels::is_paused(&tenant.metadata) {
        return print(&format!("{key} is paused already\n"));
    }
    let patch = json!({"metadata": {"annotations": {labels::PAUSED: ""}}});
    access.patch(&tenant, patch).await?;
    print(&format!(
        "{key} is paused: the operator changes nothing of it, and a deletion waits, until `kamaji resume {key}`\n"
    ))
}

/// Removes the annotation that `kamaji pause` sets.
pub async fn resume(arguments: &Arguments) -> anyhow::Result<()> {
    let access = Access::open(&arguments.access).await?;
    let key = access.key(&arguments.name);
    let tenant = access.tenant(&key).await?;
    if !labels::is_paused(&tenant.metadata) {
        return print(&format!("{key} is not paused\n"));
    }
    let patch = json!({"metadata": {"annotations": {labels::PAUSED: null}}});
    access.patch(&tenant, patch).await?;
    print(&format!("{key} is reconciled again\n"))
}
