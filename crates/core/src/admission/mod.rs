//! Admission of `TenantControlPlane` and `DataStore` objects: defaults, refusals and warnings.
//!
//! Everything that cannot work is refused, all of it at once. Values that are stored but have no effect, or another
//! than expected, give a warning. Mistakes that an object had before an update, and that the update does not touch,
//! give a warning too: nobody has to correct an old mistake before they may scale.

mod data_store;
mod defaults;
mod exposure;
mod network;
mod pods;
mod refusal;
mod storage;
mod text;
mod types;
mod version;
pub mod writes;

#[cfg(test)]
mod fixture;

use std::collections::BTreeSet;

use kamaji_api::tenant::TenantControlPlane;

pub use data_store::validate_data_store;
pub use defaults::{default, patch};
pub use refusal::Refusal;
pub use types::{Claim, Facts, Request, Warning};

use types::Findings;

use crate::{render::collisions, tenant_cluster::kubelet_config};

/// Checks a tenant: returns warnings if it may be stored, else every refusal.
///
/// Tenants that are being deleted pass, and so do updates that leave the spec alone (finalizers, labels,
/// annotations).
pub fn validate(request: &Request) -> Result<Vec<Warning>, Vec<Refusal>> {
    let Request { new, old, facts } = *request;
    if new.metadata.deletion_timestamp.is_some() || old.is_some_and(|old| old.spec == new.spec) {
        return Ok(Vec::new());
    }
    let mut found = examine(new, facts);
    version::check_oldest(new, old, &mut found);
    if let Some(old) = old {
        warn_of_old_mistakes(&mut found, &examine(old, facts));
        version::compare(new, old, &mut found);
        storage::compare(new, old, facts, &mut found);
        text::compare(new, old, &mut found);
    }
    if found.refusals.is_empty() {
        Ok(distinct(found.warnings))
    } else {
        Err(found.refusals)
    }
}

/// Applies every rule that needs one version of the object only.
fn examine(object: &TenantControlPlane, facts: &Facts) -> Findings {
    let mut found = Findings::default();
    let tenant = text::examine(object, &mut found);
    version::examine(object, &mut found);
    storage::examine(object, facts, &mut found);
    exposure::examine(object, facts, &mut found);
    pods::examine(object, &mut found);
    if let Some(tenant) = tenant {
        network::examine(&tenant, &mut found);
        found.warnings.extend(collisions::collisions(&tenant));
        let malformed = |refusal: &Refusal| matches!(refusal, Refusal::JsonPatch { .. });
        if !found.refusals.iter().any(malformed)
            && let Err(problem) = kubelet_config::configuration(&tenant)
        {
            found.refuse(problem);
        }
    }
    found
}

/// Turns refusals that the stored object has, too, into warnings.
fn warn_of_old_mistakes(found: &mut Findings, before: &Findings) {
    let known: BTreeSet<String> = before.refusals.iter().map(ToString::to_string).collect();
    let (old, new): (Vec<_>, Vec<_>) = std::mem::take(&mut found.refusals)
        .into_iter()
        .partition(|refusal| known.contains(&refusal.to_string()));
    found.refusals = new;
    found.warnings.extend(
        old.into_iter()
            .map(|refusal| format!("was so before: {refusal}")),
    );
}

fn distinct(warnings: Vec<Warning>) -> Vec<Warning> {
    let mut seen = BTreeSet::new();
    warnings
        .into_iter()
        .filter(|warning| seen.insert(warning.clone()))
        .collect()
}

#[cfg(test)]
mod tests;
