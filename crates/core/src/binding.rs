//! Binding of a tenant to a datastore: schema, user, password and owner. Pure code; drivers make the
//! connection.

pub mod change;
pub mod data_stores;
pub mod names;
pub mod overrides;
pub mod resources;
mod succession;
mod types;

use kamaji_api::{datastore::Driver, labels, owner::Owner};

use crate::{checksum, data_store::ResolvedDataStore, snapshot::Snapshot, tenant::Tenant};

pub use names::{NameProblem, Part};
pub use succession::succeeds;
pub use types::{Access, Binding, Data, LiveSecret, NameRefusal};

/// The binding of `tenant` in `store`, if it may have its names. The password in `live` stays as long as the
/// Secret's own checksum matches its data; else a new one is drawn from the snapshot's seed.
pub fn bind(
    tenant: &Tenant,
    store: &ResolvedDataStore,
    live: Option<LiveSecret>,
    snapshot: &Snapshot,
) -> Result<Binding, NameRefusal> {
    examine(tenant, store)?;
    let current = live
        .filter(|live| checksum::map(live.data) == live.checksum)
        .and_then(|live| live.data.get("DB_PASSWORD"))
        .and_then(|bytes| String::from_utf8(bytes.clone()).ok())
        .filter(|password| !password.is_empty());
    let connection = match store.driver {
        Driver::Etcd => String::new(),
        _ => store.endpoints.first().cloned().unwrap_or_default(),
    };
    let seed = &snapshot.seed;
    let (user, password) = match (&store.driver, &store.basic_auth) {
        (Driver::Nats, Some((user, password))) => (user.clone(), password.clone()),
        _ => (
            tenant.data_store_user(store.driver).into_owned(),
            current.unwrap_or_else(|| seed.for_purpose("datastore-password").uuid_v4()),
        ),
    };
    let annotations = snapshot.object.metadata.annotations.as_ref();
    Ok(Binding {
        schema: tenant.schema().to_owned(),
        user,
        password,
        connection,
        owner: owner(tenant, &snapshot.cluster),
        recorded: data_stores::recorded(&snapshot.object, &store.name).is_some(),
        adopts: annotations.and_then(|all| all.get(labels::ADOPT_OWNER).cloned()),
        access: Access::ReadWrite,
        part: Vec::new(),
    })
}

fn owner(tenant: &Tenant, cluster: &str) -> Owner {
    Owner {
        cluster: cluster.to_owned(),
        tenant: tenant.uid.clone(),
        namespace: tenant.namespace.clone(),
        name: tenant.name.clone(),
    }
}

/// Checks both names, whether they stand in the spec or in the status: an author of statuses must not become
/// an administrator.
fn examine(tenant: &Tenant, store: &ResolvedDataStore) -> Result<(), NameRefusal> {
    let setup = tenant
        .status
        .storage
        .as_ref()
        .and_then(|s| s.setup.as_ref());
    let filled = |text: Option<&String>| text.is_some_and(|text| !text.is_empty());
    let in_status = [
        filled(setup.and_then(|s| s.schema.as_ref())),
        filled(setup.and_then(|s| s.user.as_ref())),
    ];
    let user = tenant.data_store_user(store.driver);
    let names = [
        (
            Part::Schema,
            tenant.schema(),
            ["spec.dataStoreSchema", "status.storage.setup.schema"],
        ),
        (
            Part::User,
            &*user,
            ["spec.dataStoreUsername", "status.storage.setup.user"],
        ),
    ];
    for ((part, text, fields), recorded) in names.into_iter().zip(in_status) {
        // NATS has one user for all.
        if part == Part::User && store.driver == Driver::Nats {
            continue;
        }
        let examined = names::examine(part, text, Some(store.driver))
            .and_then(|()| names::reached_by_kine(part, text, store.driver));
        let administrators = || store.administrators().iter().any(|admin| admin == text);
        let checked = examined.and_then(|()| {
            if part == Part::User && administrators() {
                Err(NameProblem::Operator(store.name.clone()))
            } else {
                Ok(())
            }
        });
        checked.map_err(|problem| NameRefusal {
            field: fields[usize::from(recorded)],
            text: text.to_owned(),
            problem,
            recorded,
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
