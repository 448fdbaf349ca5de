//! Whether a tenant succeeds the owner that a datastore has recorded: after a restore it has another
//! uid.

use kamaji_api::owner::Owner;

use super::Binding;
use crate::store::Store;

/// Decides whether the records of `old` pass to the tenant of `binding`; `lives` is true if a tenant
/// with the old uid exists in this management cluster.
///
/// The old uid's management cluster must be this one, or one that the DataStore's administrator gave
/// up by its annotation, and its namespace must be the tenant's: who may write there could read the
/// old tenant's Secrets. One namespace has one object of a name, so that a namesake of the tenant
/// exists no more. Then a restored status that has the same setup is enough, or the annotation of the
/// tenant that names the old uid.
pub fn succeeds(binding: &Binding, store: &Store, old: &Owner, lives: bool) -> bool {
    let new = &binding.owner;
    let here = old.cluster == new.cluster || store.adopted_clusters.contains(&old.cluster);
    let named = binding.adopts.as_ref() == Some(&old.tenant);
    let namesake = old.name == new.name;
    here && !lives && old.namespace == new.namespace && (named || namesake && binding.recorded)
}

#[cfg(test)]
#[path = "succession_tests.rs"]
mod tests;
