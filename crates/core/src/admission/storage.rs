//! Rules about a tenant's DataStores and about the names of its schema and user.

use std::collections::BTreeSet;

use kamaji_api::{
    datastore::Driver,
    tenant::{DataStoreOverride, StorageStatus, TenantControlPlane},
};

use super::{
    refusal::Refusal,
    types::{Claim, Facts, Findings},
};
use crate::{
    binding::{
        Part, data_stores, names,
        overrides::{self, changed},
    },
    migration,
};

/// Applies every rule that needs one version of the object only.
pub(super) fn examine(object: &TenantControlPlane, facts: &Facts, found: &mut Findings) {
    let default = facts.default_data_store.as_deref();
    match data_stores::requested(&object.spec, default) {
        Some(name) => {
            require_store("spec.dataStore", name, facts, found);
            require_vacancy(name, object, facts, found);
            require_etcd_beside_overrides(name, object, facts, found);
        }
        None => found.warn(
            "spec.dataStore is not set and the operator has no default (--datastore): the tenant waits until one is named",
        ),
    }
    override_items(object, facts, found);
    let spec = &object.spec;
    let names = [
        (
            "spec.dataStoreSchema",
            &spec.data_store_schema,
            Part::Schema,
        ),
        (
            "spec.dataStoreUsername",
            &spec.data_store_username,
            Part::User,
        ),
    ];
    let driver = data_stores::requested(&object.spec, default)
        .and_then(|name| facts.data_stores.get(name))
        .copied();
    for (field, text, part) in names {
        if let Some(text) = text.as_deref().filter(|text| !text.is_empty()) {
            let name = DataName { field, text, part };
            name.check(driver, found);
            name.check_claims(object, facts, found);
        }
    }
}

fn require_store(field: &str, name: &str, facts: &Facts, found: &mut Findings) {
    if facts.data_stores.contains_key(name) {
        return;
    }
    found.refuse(Refusal::NoDataStore {
        field: field.to_owned(),
        name: name.to_owned(),
    });
}

/// Refuses a DataStore of NATS that another tenant has: all its clients have the same credentials.
fn require_vacancy(name: &str, object: &TenantControlPlane, facts: &Facts, found: &mut Findings) {
    let mut others = facts
        .claims
        .iter()
        .filter(|claim| is_of_another(claim, object));
    if facts.data_stores.get(name) == Some(&Driver::Nats)
        && others.any(|claim| claim.data_store.as_deref() == Some(name))
    {
        found.refuse(Refusal::DataStoreTaken(name.to_owned()));
    }
}

/// Refuses overrides of a tenant whose own DataStore is not etcd.
fn require_etcd_beside_overrides(
    name: &str,
    object: &TenantControlPlane,
    facts: &Facts,
    found: &mut Findings,
) {
    let driver = facts.data_stores.get(name).copied();
    let other = driver.filter(|driver| *driver != Driver::Etcd);
    if let Some(driver) = other.filter(|_| !object.spec.data_store_overrides.is_empty()) {
        found.refuse(Refusal::OverridesBesideKine(
            name.to_owned(),
            driver.as_str(),
        ));
    }
}

/// True unless the claim is that of the tenant itself.
fn is_of_another(claim: &Claim, object: &TenantControlPlane) -> bool {
    let meta = &object.metadata;
    Some(&claim.namespace) != meta.namespace.as_ref() || Some(&claim.name) != meta.name.as_ref()
}

fn override_items(object: &TenantControlPlane, facts: &Facts, found: &mut Findings) {
    let mut seen = BTreeSet::new();
    for (index, item) in object.spec.data_store_overrides.iter().enumerate() {
        let field = format!("spec.dataStoreOverrides[{index}]");
        override_store(&field, item, facts, found);
        let resource = item.resource.as_deref().unwrap_or_default();
        if !is_resource(resource) {
            found.refuse(Refusal::OverrideResource {
                field: format!("{field}.resource"),
                text: resource.to_owned(),
            });
        }
        if !seen.insert(resource.trim_start_matches('/')) {
            found.refuse(Refusal::OverrideTwice(resource.to_owned()));
        }
    }
}

fn override_store(field: &str, item: &DataStoreOverride, facts: &Facts, found: &mut Findings) {
    let field = format!("{field}.dataStore");
    let name = item.data_store.as_deref().unwrap_or_default();
    match facts.data_stores.get(name) {
        None => require_store(&field, name, facts, found),
        Some(Driver::Etcd) => {}
        Some(driver) => found.refuse(Refusal::OverrideDriver {
            field,
            name: name.to_owned(),
            driver: driver.as_str(),
        }),
    }
}

/// True for `/events`, `events` or `group/resource`, without characters that would end the flag's value early.
fn is_resource(text: &str) -> bool {
    let text = text.strip_prefix('/').unwrap_or(text);
    let parts: Vec<&str> = text.split('/').collect();
    parts.len() <= 2
        && parts.iter().all(|part| {
            !part.is_empty()
                && part
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || c == '.' || c == '-')
        })
}

/// A schema or user name in the spec.
struct DataName<'a> {
    field: &'static str,
    text: &'a str,
    part: Part,
}

impl DataName<'_> {
    /// Refuses a name that the datastore does not allow; `driver` is `None` if the DataStore is unknown.
    fn check(&self, driver: Option<Driver>, found: &mut Findings) {
        let by_kine = |driver| names::reached_by_kine(self.part, self.text, driver);
        let examined = names::examine(self.part, self.text, driver);
        if let Err(problem) = examined.and_then(|()| driver.map_or(Ok(()), by_kine)) {
            found.refuse(Refusal::DataName {
                field: self.field,
                text: self.text.to_owned(),
                problem: problem.to_string(),
            });
        }
    }

    /// Refuses a name of another tenant: two tenants with one schema or user would read each other's data.
    fn check_claims(&self, object: &TenantControlPlane, facts: &Facts, found: &mut Findings) {
        let has = |claim: &Claim| match self.part {
            Part::Schema => claim.schema == self.text,
            Part::User => claim.user == self.text,
        };
        let mut others = facts
            .claims
            .iter()
            .filter(|claim| is_of_another(claim, object));
        if others.any(has) {
            found.refuse(Refusal::Claimed {
                field: self.field,
                text: self.text.to_owned(),
            });
        }
    }
}

/// Refuses changes of overrides by which no data can move, and warns of what the others do.
fn compare_overrides(new: &TenantControlPlane, old: &TenantControlPlane, found: &mut Findings) {
    // An update of the spec carries the status that is stored, or none.
    let object = TenantControlPlane {
        status: new.status.clone().or_else(|| old.status.clone()),
        ..new.clone()
    };
    if migration::set_up(&object).is_none() {
        return;
    }
    let requested = overrides::requested(new);
    let kept = overrides::same(&overrides::requested(old), &requested);
    if overrides::recorded(&object).is_none() {
        if !kept {
            let has = overrides::describe(&overrides::requested(old));
            found.refuse(Refusal::OverridesUnrecorded(has));
        }
        return;
    }
    let Some(has) = changed(&object) else {
        return;
    };
    // An update that repeats an old mistake may change other fields.
    let repeated = kept && new.spec.data_store == old.spec.data_store;
    match migration::wanted(&object) {
        Some(Ok(change)) if !repeated => found.warn(format!(
            "spec.dataStoreOverrides: {} moves from {} to {} while the control plane runs; status.storage.migration has the progress, and the list set back aborts it",
            change.subject(), change.source, change.target
        )),
        Some(Err(why)) if repeated => found.warn(format!(
            "was so before: spec.dataStoreOverrides differs from what is set up ({has}), which stays in force: {why}"
        )),
        Some(Err(why)) => found.refuse(Refusal::OverridesChanged(has, why)),
        Some(Ok(_)) | None => {}
    }
}

/// A change of the DataStore of a tenant that is set up.
struct Move<'a> {
    storage: &'a StorageStatus,
    present: &'a str,
    requested: &'a str,
}

impl Move<'_> {
    /// Refuses a move that cannot begin, and warns of what another one does.
    fn examine(&self, found: &mut Findings) {
        let (present, requested) = (self.present, self.requested);
        let mut overrides = self.storage.overrides.iter().flatten();
        if let Some(held) = overrides.find(|item| item.data_store == requested) {
            found.refuse(Refusal::MoveOntoOverride {
                from: present.to_owned(),
                store: requested.to_owned(),
                resource: held.resource.clone(),
            });
            return;
        }
        found.warn(format!(
            "spec.dataStore: the data moves from {present} to {requested} while the control plane runs; status.storage.migration has the progress, and {present} in spec.dataStore aborts it"
        ));
    }
}

/// Refuses moves that cannot begin, and warns of changes that have no effect, since the data of a tenant stays where it
/// was set up.
pub(super) fn compare(
    new: &TenantControlPlane,
    old: &TenantControlPlane,
    facts: &Facts,
    found: &mut Findings,
) {
    compare_overrides(new, old, found);
    let storage = |object: &TenantControlPlane| object.status.as_ref()?.storage.clone();
    let Some(storage) = storage(new).or_else(|| storage(old)) else {
        return;
    };
    let named = storage.data_store_name.clone();
    let Some(present) = named.filter(|name| !name.is_empty()) else {
        return;
    };
    let requested = data_stores::requested(&new.spec, facts.default_data_store.as_deref());
    let requested = requested.unwrap_or_default();
    if new.spec.data_store != old.spec.data_store && requested != present {
        let move_ = Move {
            storage: &storage,
            present: &present,
            requested,
        };
        if new.spec.data_store.is_some() {
            move_.examine(found);
        } else {
            found.warn(format!("spec.dataStore: the data stays in {present}"));
        }
    }
    if let Some(setup) = storage.setup {
        let late = [
            ("dataStoreSchema", &new.spec.data_store_schema, setup.schema),
            (
                "dataStoreUsername",
                &new.spec.data_store_username,
                setup.user,
            ),
        ];
        for (field, wanted, has) in late {
            if let (Some(wanted), Some(has)) = (wanted, has)
                && *wanted != has
            {
                found.warn(format!(
                    "spec.{field} {wanted:?} is ignored: the tenant has {has:?}"
                ));
            }
        }
    }
}

#[cfg(test)]
mod tests;
