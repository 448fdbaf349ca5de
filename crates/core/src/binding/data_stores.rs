//! DataStores of a tenant: requested, in force, and recorded as set up.

use kamaji_api::tenant::{StorageStatus, TenantControlPlane, TenantControlPlaneSpec};

use super::{
    change::{self, Change},
    names::{self, DatabaseNames},
    overrides,
};

/// The DataStore that a spec asks for: `spec.dataStore`, else `default`, the operator's `--datastore`. `None`
/// if neither is given.
pub fn requested<'a>(
    spec: &'a TenantControlPlaneSpec,
    default: Option<&'a str>,
) -> Option<&'a str> {
    let named = spec.data_store.as_deref();
    named.filter(|name| !name.is_empty()).or(default)
}

/// The DataStore that holds the tenant's data: the recorded one once the tenant is set up, since data does not
/// move, else the requested one.
pub fn effective<'a>(object: &'a TenantControlPlane, default: Option<&'a str>) -> Option<&'a str> {
    let storage = object.status.as_ref().and_then(|s| s.storage.as_ref());
    let recorded = storage
        .filter(|storage| storage.setup.is_some())
        .and_then(|storage| storage.data_store_name.as_deref());
    recorded
        .filter(|name| !name.is_empty())
        .or_else(|| requested(&object.spec, default))
}

/// Names of every DataStore in force: [`effective`] first, then those of single resources. A name may
/// repeat, and none is empty.
pub fn all(object: &TenantControlPlane, default: Option<&str>) -> Vec<String> {
    let overrides = overrides::effective(object);
    effective(object, default)
        .map(str::to_owned)
        .into_iter()
        .chain(overrides.into_iter().map(|(_, name)| name))
        .filter(|name| !name.is_empty())
        .collect()
}

/// Names of every DataStore that holds data of the tenant, or is about to: those of [`all`] first, then the one that
/// the spec asks for, the target of a migration, and those that the data has left. A name may repeat.
pub fn holding(object: &TenantControlPlane, default: Option<&str>) -> Vec<String> {
    let mut names = all(object, default);
    names.extend(further(object, default));
    names
}

/// The names of [`holding`] that are not in force.
pub fn further(object: &TenantControlPlane, default: Option<&str>) -> Vec<String> {
    let storage = object.status.as_ref().and_then(|s| s.storage.as_ref());
    let requested = object.spec.data_store.clone();
    let wanted = change::wanted(object).and_then(Result::ok);
    let migration = storage.and_then(|storage| storage.migration.as_ref());
    let former = storage.and_then(|storage| storage.former.as_deref());
    let mut names: Vec<String> = requested
        .into_iter()
        .chain(wanted.map(|change| change.target))
        .chain(migration.map(|record| record.target.clone()))
        .chain(
            former
                .into_iter()
                .flatten()
                .map(|had| had.data_store.clone()),
        )
        .collect();
    let effective = effective(object, default);
    names.retain(|name| !name.is_empty() && Some(name.as_str()) != effective);
    names.sort();
    names.dedup();
    names
}

/// True if a fence takes the tenant's right to write the whole of what it has in the DataStore `data_store`. The fence of
/// single resources leaves the rest, and the datastore itself knows of it.
pub fn is_fenced(storage: &StorageStatus, data_store: &str) -> bool {
    storage.migration.as_ref().is_some_and(|record| {
        let here = record.fence.is_some() && record.source == data_store;
        here && !Change::of(record).leaves_rest_at_source(storage)
    })
}

/// True if the status, as it is now, lets the tenant write in the DataStore `data_store`: it is in force, and no
/// migration has fenced it.
pub fn may_write(object: &TenantControlPlane, default: Option<&str>, data_store: &str) -> bool {
    let storage = object.status.as_ref().and_then(|s| s.storage.as_ref());
    let fenced = storage.is_some_and(|storage| is_fenced(storage, data_store));
    !fenced && all(object, default).iter().any(|name| name == data_store)
}

/// The names that the status records as set up for the tenant in the DataStore `data_store`; `None` if it
/// records nothing there, or not both names. The owner record in the datastore has the last word.
pub fn recorded<'a>(object: &'a TenantControlPlane, data_store: &str) -> Option<DatabaseNames<'a>> {
    let storage = object.status.as_ref()?.storage.as_ref()?;
    let is_main = storage.data_store_name.as_deref() == Some(data_store);
    let overrides = overrides::effective(object);
    if !is_main && overrides.iter().all(|(_, name)| name != data_store) {
        return None;
    }
    let setup = storage.setup.as_ref()?;
    let filled = |text: &'a Option<String>| text.as_deref().filter(|text| !text.is_empty());
    Some(DatabaseNames {
        schema: filled(&setup.schema)?,
        user: filled(&setup.user)?,
    })
}

/// The names of a tenant that the API server has stored; `None` for one without a uid that gives no names of
/// its own. Quick, since admission calls it for every tenant.
pub fn claimed(object: &TenantControlPlane) -> Option<DatabaseNames<'_>> {
    let storage = object.status.as_ref().and_then(|s| s.storage.as_ref());
    let setup = storage.and_then(|storage| storage.setup.as_ref());
    let uid = object.metadata.uid.as_deref().unwrap_or_default();
    let found = names::schema_and_user(setup, &object.spec, uid);
    (!found.schema.is_empty() && !found.user.is_empty()).then_some(found)
}

#[cfg(test)]
mod tests;
