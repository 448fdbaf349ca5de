//! Servers of a migration: source, target, and the DataStores of what does not move, each a server of its own.

use kamaji_core::migration::{
    Refusal,
    ends::{End, Ends},
};

use super::outcome::{Stop, failed};
use crate::databases::DatastoreClients;

/// Refuses a target that is the source under another name, and ends that hold what does not move. Nothing of the tenant's was asked for at the target yet.
pub(super) async fn require(databases: &DatastoreClients, ends: &Ends) -> Result<(), Stop> {
    let Ends {
        source,
        target,
        beside,
        is_part,
        ..
    } = ends;
    let (from, to) = (&source.store.name, &target.store.name);
    let same = Box::pin(databases.is_one_server(source, target)).await;
    let same = same.map_err(failed)?;
    if same && *is_part {
        return Err(one_server(from, to));
    }
    if same {
        return Err(Stop::Failed(format!(
            "the DataStores {from} and {to} are one server, and the data would be copied over itself; set spec.dataStore back to {from}"
        )));
    }
    for (resource, beside) in beside {
        for end in [source, target] {
            let same = Box::pin(databases.is_one_server(beside, end)).await;
            let same = same.map_err(failed)?;
            if same && *is_part {
                return Err(one_server(&end.store.name, &beside.store.name));
            }
            if same {
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

/// Name of the DataStore in force that is the server of `end`, if there is one: what the tenant has there is its data,
/// whatever a status calls it. Of an end that the tenant goes on using, its own DataStore does not count.
pub(super) async fn in_force_at(
    databases: &DatastoreClients,
    end: &End,
    in_force: &[End],
) -> Result<Option<String>, Stop> {
    for own in in_force {
        let same = if own.store.name == end.store.name {
            !end.stays
        } else {
            Box::pin(databases.share_a_server(own, end))
                .await
                .map_err(failed)?
        };
        if same {
            return Ok(Some(own.store.name.clone()));
        }
    }
    Ok(None)
}

fn one_server(one: &str, other: &str) -> Stop {
    failed(Refusal::OneServer {
        one: one.to_owned(),
        other: other.to_owned(),
    })
}
