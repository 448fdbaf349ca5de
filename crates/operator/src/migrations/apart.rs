//! Servers of a migration: source, target, and the etcds of single resources, each a server of its own.

use kamaji_core::migration::{Refusal, ends::Ends};

use super::outcome::{Stop, failed};
use crate::databases::DatastoreClients;

/// Refuses a target that is the source under another name, and ends that hold single resources of the tenant, which
/// stay. Nothing of the tenant's was asked for at the target yet.
pub(super) async fn require(databases: &DatastoreClients, ends: &Ends) -> Result<(), Stop> {
    let Ends {
        source,
        target,
        overrides,
        ..
    } = ends;
    let (from, to) = (&source.store.name, &target.store.name);
    let same = Box::pin(databases.is_one_server(source, target)).await;
    if same.map_err(failed)? {
        return Err(Stop::Failed(format!(
            "the DataStores {from} and {to} are one server, and the data would be copied over itself; set spec.dataStore back to {from}"
        )));
    }
    for (resource, beside) in overrides {
        for end in [source, target] {
            let same = Box::pin(databases.is_one_server(beside, end)).await;
            if same.map_err(failed)? {
                return Err(failed(Refusal::OverrideStore {
                    resource: resource.clone(),
                    store: beside.store.name.clone(),
                    end: end.store.name.clone(),
                    source_store: from.clone(),
                }));
            }
        }
    }
    Ok(())
}
