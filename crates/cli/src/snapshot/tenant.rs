//! A tenant's share of its datastore, found by its status.

use anyhow::{Context, bail};
use kamaji_api::{datastore::Driver, owner::Owner, tenant::TenantControlPlane};
use kamaji_core::{
    binding::data_stores, data_store::ResolvedDataStore, secret_role::SecretRole, tenant::Tenant,
};
use kamaji_datastore::{self as datastore, DataStore, Secret, Tenancy};
use kamaji_operator::databases::connection;

use super::cluster::Cluster;

/// A tenant that was set up in a datastore, with an open connection to it.
pub struct Located {
    /// The tenant with its spec parsed.
    pub tenant: Tenant,
    /// The DataStore that its data is in.
    pub store: ResolvedDataStore,
    /// The tenant's share of that datastore.
    pub tenancy: Tenancy,
    /// Connection to the datastore, as its administrator.
    pub database: Box<dyn DataStore>,
}

/// Name of the DataStore in which the tenant was set up; `None` before that.
pub fn set_up_in(object: &TenantControlPlane) -> Option<&str> {
    let name = data_stores::effective(object, None)?;
    data_stores::recorded(object, name).map(|_| name)
}

/// Finds and opens the datastore of a tenant that was set up.
pub async fn locate(cluster: &Cluster, object: &TenantControlPlane) -> anyhow::Result<Located> {
    let tenant = Tenant::parse(object).context("the spec of the TenantControlPlane")?;
    let Some(name) = set_up_in(object) else {
        bail!(
            "{}/{} has no data yet: its condition DataStoreReady says why",
            tenant.namespace,
            tenant.name
        );
    };
    let store = cluster.store(name).await?;
    let owner = Owner {
        cluster: cluster.uid().await?,
        tenant: tenant.uid.clone(),
        namespace: tenant.namespace.clone(),
        name: tenant.name.clone(),
    };
    let user = match (&store.driver, &store.basic_auth) {
        (Driver::Nats, Some((user, _))) => user.clone(),
        _ => tenant.data_store_user(store.driver).into_owned(),
    };
    let tenancy = Tenancy::parse(store.driver, tenant.schema(), &user, owner)?;
    let tenancy = Tenancy {
        recorded: true,
        ..tenancy.with_password(password(cluster, &tenant).await?)
    };
    let database = datastore::connect(&connection(&store)?).await?;
    Ok(Located {
        tenant,
        store,
        tenancy,
        database,
    })
}

/// Password of the tenant's user in its datastore.
async fn password(cluster: &Cluster, tenant: &Tenant) -> anyhow::Result<Secret> {
    let name = tenant.names.secret(SecretRole::DatastoreConfig);
    let secret = cluster.secret(&tenant.namespace, &name).await?;
    let data = secret.and_then(|secret| secret.data).unwrap_or_default();
    let password = data.get("DB_PASSWORD").map(|bytes| bytes.0.clone());
    let password = password.and_then(|bytes| String::from_utf8(bytes).ok());
    let password = password
        .with_context(|| format!("the Secret {}/{name} has no DB_PASSWORD", tenant.namespace))?;
    Ok(Secret::new(password))
}
