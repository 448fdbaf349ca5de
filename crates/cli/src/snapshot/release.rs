//! `kamaji snapshot release`: ends the fence of a clone.

use kamaji_api::labels;
use kamaji_shell::ObjectKey;

use super::cluster::{Cluster, ClusterFlags, tenant_key};

/// Arguments of `kamaji snapshot release`.
#[derive(clap::Args)]
pub struct Arguments {
    /// The clone, as NAMESPACE/NAME
    #[arg(value_parser = tenant_key)]
    tenant: ObjectKey,
    #[command(flatten)]
    cluster: ClusterFlags,
}

/// Removes the annotation that fences the clone; the operator replaces its pods.
pub async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let cluster = Cluster::connect(&arguments.cluster).await?;
    let tenant = cluster.tenant(&arguments.tenant).await?;
    let annotations = tenant.metadata.annotations.iter().flatten();
    let has = |key: &str| annotations.clone().any(|(name, _)| name == key);
    if has(labels::RESTORING) {
        anyhow::bail!(
            "the data of {} is not whole yet: let `kamaji snapshot restore` end, or run it again",
            arguments.tenant
        );
    }
    if !has(labels::FENCED) {
        println!("{} is not fenced", arguments.tenant);
        return Ok(());
    }
    cluster.annotate(&tenant, &[(labels::FENCED, None)]).await?;
    println!(
        "{} is released: its pods are replaced, with scheduler, controller manager and webhooks",
        arguments.tenant
    );
    Ok(())
}
