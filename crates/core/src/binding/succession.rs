//! Succession of a tenant to a recorded owner: after a restore the tenant has another uid.

use kamaji_api::owner::Owner;

use super::types::Binding;
use crate::data_store::ResolvedDataStore;

/// Decides whether the records of `old` pass to the tenant of `binding`; `lives` is true if a tenant
/// with the old uid exists in this management cluster.
///
/// The old uid's management cluster must be this one, or one that the DataStore's administrator gave
/// up by its annotation. The old namespace must be the tenant's, since its authors could read the old
/// tenant's Secrets. Then one of two things is enough: the tenant's annotation names the old uid, or the
/// tenant has the old name and a restored status with the same setup; one namespace has one object of a
/// name, so that the former one exists no more.
pub fn succeeds(binding: &Binding, store: &ResolvedDataStore, old: &Owner, lives: bool) -> bool {
    let new = &binding.owner;
    let same_cluster = old.cluster == new.cluster || store.adopted_clusters.contains(&old.cluster);
    let named = binding.adopts.as_ref() == Some(&old.tenant);
    let namesake = old.name == new.name;
    same_cluster
        && !lives
        && old.namespace == new.namespace
        && (named || namesake && binding.recorded)
}

#[cfg(test)]
mod tests;
