//! Change of a tenant's DataStores that a spec asks for: the whole data moves, or single resources do.

use std::collections::{BTreeMap, BTreeSet};

use kamaji_api::tenant::{StorageMigrationStatus, StorageStatus, TenantControlPlane};

use super::{
    overrides::{self, Override},
    resources,
};

/// Most resources that a text names.
const NAMED: usize = 5;

/// Data that is to move, from one DataStore to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// DataStore that holds the data.
    pub source: String,
    /// DataStore that the data is to move to.
    pub target: String,
    /// Resources that move, as the spec or the status names them; empty for the whole data.
    pub resources: Vec<String>,
}

/// Reason for which the resources of a change do not move.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChangeRefusal {
    /// The whole and single resources are to move.
    #[error(
        "spec.dataStore and spec.dataStoreOverrides are both to change, and data moves by one of them at a time: set one back ({0}), and change it once the other has moved"
    )]
    Both(String),
    /// Resources are to move between more than two DataStores.
    #[error(
        "{0} and {1} are to move between different DataStores, and one change has one source and one target: change those of one pair first, and the others once status.storage.migration is empty again"
    )]
    Pairs(String, String),
    /// The keys of a resource are not known.
    #[error(
        "the data of {0} does not move: {1}; leave {0} where it is, or create another TenantControlPlane with the list that is wanted"
    )]
    Resource(String, resources::Unknown),
    /// An override names the tenant's own DataStore.
    #[error(
        "{0} is to be in {1}, which is the tenant's own DataStore: leave it out of the list instead"
    )]
    Own(String, String),
    /// A resource is in the list twice.
    #[error("the list has {0} twice: keep one")]
    Twice(String),
}

impl Change {
    /// The change that a record is about.
    pub fn of(record: &StorageMigrationStatus) -> Self {
        Self {
            source: record.source.clone(),
            target: record.target.clone(),
            resources: record.resources.clone(),
        }
    }

    /// True if the whole data is to move.
    pub fn is_whole(&self) -> bool {
        self.resources.is_empty()
    }

    /// The data that moves, as text: `the data`, or `the data of /events and /pods`.
    pub fn subject(&self) -> String {
        match &self.resources[..] {
            [] => "the data".to_owned(),
            [one] => format!("the data of {one}"),
            [some @ .., last] if some.len() < NAMED => {
                format!("the data of {} and {last}", some.join(", "))
            }
            all => format!("the data of {} resources", all.len()),
        }
    }

    /// The way back, as text.
    pub fn way_back(&self) -> String {
        if self.is_whole() {
            format!("set spec.dataStore back to {}", self.source)
        } else {
            "set spec.dataStoreOverrides back to what status.storage.overrides has".to_owned()
        }
    }

    /// True if the tenant goes on using the source once the data has moved: for the rest of its data.
    pub fn leaves_rest_at_source(&self, storage: &StorageStatus) -> bool {
        self.has_rest_at(&self.source, storage)
    }

    /// True if the tenant uses the target already: for the rest of its data.
    pub fn joins_rest_at_target(&self, storage: &StorageStatus) -> bool {
        self.has_rest_at(&self.target, storage)
    }

    /// True if data that does not move is in the DataStore `name`.
    fn has_rest_at(&self, name: &str, storage: &StorageStatus) -> bool {
        let own = storage.data_store_name.as_deref() == Some(name);
        let mut others = storage.overrides.iter().flatten();
        !self.is_whole()
            && (own || others.any(|item| item.data_store == name && !self.moves(&item.resource)))
    }

    /// True if `resource` moves.
    pub fn moves(&self, resource: &str) -> bool {
        let name = |text: &str| text.trim_start_matches('/').to_owned();
        self.resources.iter().any(|one| name(one) == name(resource))
    }

    /// Prefixes of the keys that move, below the root; empty for the whole data.
    pub fn prefixes(&self) -> Result<Vec<String>, ChangeRefusal> {
        let known = self.resources.iter().map(|resource| {
            let prefix = resources::prefix(resource);
            prefix.map_err(|why| ChangeRefusal::Resource(resource.clone(), why))
        });
        known.collect()
    }
}

/// The storage of a tenant that is set up.
pub fn set_up(object: &TenantControlPlane) -> Option<&StorageStatus> {
    let storage = object.status.as_ref()?.storage.as_ref()?;
    storage.setup.as_ref()?;
    let named = storage.data_store_name.as_deref();
    named
        .is_some_and(|name| !name.is_empty())
        .then_some(storage)
}

/// The change of DataStores that the spec asks for, if the tenant's data is in others. A spec without a DataStore leaves
/// the data where it is.
pub fn wanted(object: &TenantControlPlane) -> Option<Result<Change, ChangeRefusal>> {
    let storage = set_up(object)?;
    let present = storage.data_store_name.as_deref()?;
    let named = object.spec.data_store.as_deref();
    let whole = named.filter(|name| !name.is_empty() && *name != present);
    let moved = if overrides::recorded(object).is_some() {
        moved(present, object)
    } else {
        Ok(Vec::new())
    };
    let moved = match moved {
        Ok(moved) => moved,
        Err(refusal) => return Some(Err(refusal)),
    };
    match (whole, moved.split_first()) {
        (None, None) => None,
        (Some(_), Some(_)) => {
            let in_force = overrides::describe(&overrides::effective(object));
            let back =
                format!("spec.dataStore to {present}, or spec.dataStoreOverrides to {in_force}");
            Some(Err(ChangeRefusal::Both(back)))
        }
        (Some(target), None) => Some(Ok(Change {
            source: present.to_owned(),
            target: target.to_owned(),
            resources: Vec::new(),
        })),
        (None, Some((first, rest))) => Some(of_resources(first, rest)),
    }
}

/// A resource that is to move.
struct Moved {
    resource: String,
    from: String,
    to: String,
}

/// Resources that the spec has in other DataStores than the status.
fn moved(own: &str, object: &TenantControlPlane) -> Result<Vec<Moved>, ChangeRefusal> {
    let name = |(resource, store): Override| {
        (
            resource.trim_start_matches('/').to_owned(),
            (resource, store),
        )
    };
    let recorded: BTreeMap<_, _> = overrides::effective(object).into_iter().map(name).collect();
    let mut requested = BTreeMap::new();
    for item in overrides::requested(object) {
        let (key, item) = name(item);
        if requested.contains_key(&key) {
            return Err(ChangeRefusal::Twice(item.0));
        }
        requested.insert(key, item);
    }
    let keys: BTreeSet<&String> = recorded.keys().chain(requested.keys()).collect();
    let mut all = Vec::new();
    for key in keys {
        let (from, to) = (recorded.get(key), requested.get(key));
        let store = |item: Option<&Override>| item.map_or(own, |(_, store)| store).to_owned();
        let resource = to.or(from).map(|(resource, _)| resource.clone());
        let moved = Moved {
            resource: resource.unwrap_or_default(),
            from: store(from),
            to: store(to),
        };
        if to.is_some_and(|to| to.1 == own) && from != to {
            return Err(ChangeRefusal::Own(moved.resource, moved.to));
        }
        if moved.from != moved.to {
            all.push(moved);
        }
    }
    Ok(all)
}

/// The change that moves `first` and `rest`, which have to have one source and one target.
fn of_resources(first: &Moved, rest: &[Moved]) -> Result<Change, ChangeRefusal> {
    let mut others = rest.iter();
    if let Some(other) = others.find(|one| (&one.from, &one.to) != (&first.from, &first.to)) {
        let names = (first.resource.clone(), other.resource.clone());
        return Err(ChangeRefusal::Pairs(names.0, names.1));
    }
    let all = std::iter::once(first).chain(rest);
    let change = Change {
        source: first.from.clone(),
        target: first.to.clone(),
        resources: all.map(|one| one.resource.clone()).collect(),
    };
    change.prefixes()?;
    Ok(change)
}

#[cfg(test)]
mod tests;
