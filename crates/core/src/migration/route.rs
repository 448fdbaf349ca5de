//! Pairs of DataStores between which data can move, and what stands in the way.

use kamaji_api::datastore::Driver;

use crate::{
    binding::{change::ChangeRefusal, overrides},
    data_store::ResolvedDataStore,
};

/// Reason for which data does not move, which only a change by a person ends.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Both DataStores name the same server.
    #[error(
        "the DataStores {from} and {to} have the endpoint {endpoint} in common, so that the data would be copied over itself; set spec.dataStore back to {from}"
    )]
    SameServer {
        /// Name of the source.
        from: String,
        /// Name of the target.
        to: String,
        /// Endpoint that both have.
        endpoint: String,
    },
    /// Overrides do not go with the target.
    #[error(
        "{0}; remove spec.dataStoreOverrides from a tenant of its own, or set spec.dataStore back"
    )]
    Overrides(String),
    /// An end of the migration holds single resources of the tenant, too.
    #[error(
        "the DataStore {store}, which holds {resource} by status.storage.overrides, is the same server as the DataStore {end}: the copy would replace what {resource} has there, or its fence would lock it; set spec.dataStore back to {source_store}, or name a DataStore of another etcd"
    )]
    OverrideStore {
        /// Resource of the override.
        resource: String,
        /// DataStore of the override.
        store: String,
        /// Source or target that is the same server.
        end: String,
        /// Name of the source.
        source_store: String,
    },
    /// Single resources do not move as the spec asks.
    #[error("{0}; or set spec.dataStoreOverrides back to what status.storage.overrides has")]
    Change(ChangeRefusal),
    /// Two DataStores of one tenant are one server.
    #[error(
        "the DataStores {one} and {other} are one server, where the tenant has the same keys in both: a copy, or its removal, would touch what {other} holds; set spec.dataStoreOverrides back to what status.storage.overrides has, or name a DataStore of another etcd"
    )]
    OneServer {
        /// Source or target of the migration.
        one: String,
        /// The DataStore beside it.
        other: String,
    },
    /// The etcd of an override would not take the tenant's client certificate.
    #[error("{0}; or set spec.dataStoreOverrides back to what status.storage.overrides has")]
    Authority(String),
    /// The status can record no further source.
    #[error(
        "the tenant left its data in {0} DataStores already; release one with the annotation kamaji.clastix.io/release-migration-source, whose value is its name"
    )]
    Former(usize),
    /// The data is being restored.
    #[error(
        "the data is being restored from a snapshot; wait for `kamaji snapshot restore` to end"
    )]
    Restoring,
    /// An annotation cannot be read.
    #[error("{0}")]
    Options(String),
}

/// DataStores that a tenant uses.
#[derive(Clone, Copy, Debug)]
pub struct InForce<'a> {
    /// The tenant's own DataStore.
    pub main: &'a ResolvedDataStore,
    /// Resources with their DataStores.
    pub items: &'a [(String, ResolvedDataStore)],
}

/// Checks that the whole data can move from `source` to `target`, while single resources stay.
pub fn check_whole(
    source: &ResolvedDataStore,
    target: &ResolvedDataStore,
    in_force: InForce<'_>,
) -> Result<(), Refusal> {
    check(source, target)?;
    check_overrides(source, target, in_force.items)?;
    let conflict = overrides::conflict(target, in_force.items);
    conflict.map_or(Ok(()), |(_, message)| Err(Refusal::Overrides(message)))
}

/// Checks that single resources can move from `source` to `target`, which are etcds: each is a server of its own, and
/// takes the tenant's client certificate.
pub fn check_part(
    source: &ResolvedDataStore,
    target: &ResolvedDataStore,
    InForce { main, items }: InForce<'_>,
) -> Result<(), Refusal> {
    let one_server = |one: &ResolvedDataStore, other: &ResolvedDataStore| Refusal::OneServer {
        one: one.name.clone(),
        other: other.name.clone(),
    };
    if is_same(source, target) {
        return Err(one_server(source, target));
    }
    for end in [source, target] {
        let stores = items.iter().map(|(_, store)| store).chain([main]);
        let mut others = stores.filter(|store| store.name != end.name);
        if let Some(other) = others.find(|other| is_same(end, other)) {
            return Err(one_server(end, other));
        }
    }
    if target.name == main.name {
        return Ok(());
    }
    let moved = [("an override".to_owned(), target.clone())];
    let conflict = overrides::conflict(main, &moved);
    conflict.map_or(Ok(()), |(_, message)| Err(Refusal::Authority(message)))
}

/// Checks that data can move from `source` to `target`.
pub fn check(source: &ResolvedDataStore, target: &ResolvedDataStore) -> Result<(), Refusal> {
    if let Some(endpoint) = common_endpoint(source, target) {
        return Err(Refusal::SameServer {
            from: source.name.clone(),
            to: target.name.clone(),
            endpoint: endpoint.clone(),
        });
    }
    Ok(())
}

/// Checks that neither end holds single resources of the tenant: these stay where they are, under the same schema.
pub fn check_overrides(
    source: &ResolvedDataStore,
    target: &ResolvedDataStore,
    overrides: &[(String, ResolvedDataStore)],
) -> Result<(), Refusal> {
    for (resource, store) in overrides {
        let mut ends = [source, target].into_iter();
        let shared = ends.find(|end| is_same(end, store));
        if let Some(end) = shared {
            return Err(Refusal::OverrideStore {
                resource: resource.clone(),
                store: store.name.clone(),
                end: end.name.clone(),
                source_store: source.name.clone(),
            });
        }
    }
    Ok(())
}

fn is_same(one: &ResolvedDataStore, other: &ResolvedDataStore) -> bool {
    one.name == other.name || common_endpoint(one, other).is_some()
}

fn common_endpoint<'a>(
    one: &'a ResolvedDataStore,
    other: &ResolvedDataStore,
) -> Option<&'a String> {
    let mut endpoints = one.endpoints.iter();
    endpoints.find(|endpoint| one.driver == other.driver && other.endpoints.contains(endpoint))
}

/// True if keys have the same root at both ends: `/registry/` behind kine, `/<schema>/` in etcd.
pub fn have_one_root(source: Driver, target: Driver) -> bool {
    (source == Driver::Etcd) == (target == Driver::Etcd)
}
