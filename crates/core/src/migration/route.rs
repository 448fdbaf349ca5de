//! Pairs of DataStores between which data can move, and what stands in the way.

use kamaji_api::datastore::Driver;

use crate::data_store::ResolvedDataStore;

/// Drivers whose data can be read and written as a whole while their right to write can be taken. NATS has neither.
const MOVABLE: [Driver; 3] = [Driver::Etcd, Driver::MySql, Driver::PostgreSql];

/// Reason for which data does not move, which only a change by a person ends.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A driver cannot take part.
    #[error(
        "data does not move from {from} to {to}: NATS cannot take a tenant's right to write; set spec.dataStore back to {source_store}"
    )]
    Driver {
        /// Driver of the source.
        from: &'static str,
        /// Driver of the target.
        to: &'static str,
        /// Name of the source.
        source_store: String,
    },
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

/// Checks that data can move from `source` to `target`.
pub fn check(source: &ResolvedDataStore, target: &ResolvedDataStore) -> Result<(), Refusal> {
    if !MOVABLE.contains(&source.driver) || !MOVABLE.contains(&target.driver) {
        return Err(Refusal::Driver {
            from: source.driver.as_str(),
            to: target.driver.as_str(),
            source_store: source.name.clone(),
        });
    }
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
