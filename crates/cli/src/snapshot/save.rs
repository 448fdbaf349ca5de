//! `kamaji snapshot save`: writes a snapshot of a tenant that goes on writing.

use anyhow::{Context, bail};
use k8s_openapi::{api::core::v1::Secret, jiff::Timestamp};
use kamaji_api::tenant::TenantControlPlane;
use kamaji_core::{binding::overrides, secret_role::SecretRole, tenant::Tenant};
use kamaji_shell::ObjectKey;
use kamaji_snapshot::{Header, Plan, root};

use super::{
    cluster::{Cluster, ClusterFlags, tenant_key},
    keys::SealFlags,
    location::Location,
    objects,
    tenant::{Located, locate},
};

/// Arguments of `kamaji snapshot save`.
#[derive(clap::Args)]
pub struct Arguments {
    /// The tenant, as NAMESPACE/NAME
    #[arg(value_parser = tenant_key)]
    tenant: ObjectKey,
    /// File, or object in an object store (s3://BUCKET/NAME); neither may exist
    location: String,
    #[command(flatten)]
    seal: SealFlags,
    /// Leave out the resources of spec.dataStoreOverrides, which are in other datastores
    #[arg(long)]
    leave_out_overrides: bool,
    #[command(flatten)]
    cluster: ClusterFlags,
}

/// Saves a tenant: its objects first, then its data, consistent at one revision.
pub async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let seal = arguments.seal.seal()?;
    let location = Location::parse(&arguments.location)?;
    let folder = location.require_free().await?;
    let cluster = Cluster::connect(&arguments.cluster).await?;
    let object = cluster.tenant(&arguments.tenant).await?;
    let left_out = left_out(arguments, &object)?;
    let Located {
        tenant,
        store,
        tenancy,
        database,
    } = locate(&cluster, &object).await?;
    let mut source = database.reader(&tenancy).await?;
    let header = Header {
        tenant: tenancy.owner.clone(),
        driver: store.driver,
        data_store: store.name.clone(),
        schema: tenancy.schema.to_string(),
        root: root(store.driver, tenancy.schema.as_str()),
        begun: source.revision().await?,
        kubernetes: tenant.spec.kubernetes.version.clone(),
        taken: Timestamp::now().to_string(),
        left_out,
        encrypted: seal.encrypts(),
    };
    let secrets = secrets(&cluster, &tenant).await?;
    let plan = Plan {
        header,
        objects: objects::saved(&object, &secrets)?,
        seal,
        folder,
    };
    let saved = kamaji_snapshot::save(&mut *source, &plan).await;
    let (file, footer) = saved.with_context(|| format!("saving {}", arguments.tenant))?;
    location.put(file).await?;
    println!(
        "{} is saved to {}: {} operations, {} bytes before compression, consistent at revision {}",
        arguments.tenant, arguments.location, footer.ops, footer.bytes, footer.revision
    );
    Ok(())
}

/// Resources of the tenant that other datastores hold; an error unless they may be left out.
fn left_out(arguments: &Arguments, object: &TenantControlPlane) -> anyhow::Result<Vec<String>> {
    let elsewhere = overrides::effective(object).into_iter();
    let elsewhere: Vec<String> = elsewhere.map(|(resource, _)| resource).collect();
    if !elsewhere.is_empty() && !arguments.leave_out_overrides {
        bail!(
            "{} keeps {} in datastores of their own, which have revisions of their own: one snapshot cannot be consistent \
             over several; give --leave-out-overrides to save the rest",
            arguments.tenant,
            elsewhere.join(", ")
        );
    }
    Ok(elsewhere)
}

/// Secrets that the tenant owns, in the order of their roles.
async fn secrets(cluster: &Cluster, tenant: &Tenant) -> anyhow::Result<Vec<Secret>> {
    let mut secrets = Vec::new();
    for role in SecretRole::ALL {
        let name = tenant.names.secret(role);
        let secret = cluster.secret(&tenant.namespace, &name).await?;
        secrets.extend(secret.filter(|secret| belongs_to(secret, &tenant.uid)));
    }
    Ok(secrets)
}

/// True if the tenant of this uid owns the Secret.
fn belongs_to(secret: &Secret, uid: &str) -> bool {
    let owners = secret.metadata.owner_references.iter().flatten();
    owners.into_iter().any(|owner| owner.uid == uid)
}
