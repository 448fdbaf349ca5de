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
    let common = source
        .endpoints
        .iter()
        .find(|endpoint| source.driver == target.driver && target.endpoints.contains(endpoint));
    if let Some(endpoint) = common {
        return Err(Refusal::SameServer {
            from: source.name.clone(),
            to: target.name.clone(),
            endpoint: endpoint.clone(),
        });
    }
    Ok(())
}

/// True if keys have the same root at both ends: `/registry/` behind kine, `/<schema>/` in etcd.
pub fn have_one_root(source: Driver, target: Driver) -> bool {
    (source == Driver::Etcd) == (target == Driver::Etcd)
}
