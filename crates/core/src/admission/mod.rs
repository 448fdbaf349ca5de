//! May this object be stored as it is written, and what is filled in before?
//! (tenant-cluster specification, section 5)
//!
//! What cannot work is refused, all of it at once. What will not come out as written is a warning.
//! What was wrong before an update, and is not touched by it, is a warning too: nobody has to mend
//! an old mistake before they may scale.

mod data_store;
mod defaults;
mod exposure;
mod network;
mod pods;
mod refusal;
mod storage;
mod text;
mod version;
pub mod writes;

#[cfg(test)]
mod fixture;

use std::collections::{BTreeMap, BTreeSet};

use kamaji_api::{datastore::Driver, tenant::TenantControlPlane};

pub use data_store::validate_data_store;
pub use defaults::{default, patch};
pub use refusal::Refusal;

use crate::{render::collisions, tenant_cluster::kubelet_config};

/// What is known beside the object itself.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Every DataStore by name, with its driver.
    pub data_stores: BTreeMap<String, Driver>,
    /// DataStore of tenants that name none.
    pub default_data_store: Option<String>,
    /// True if the management cluster serves gateway.networking.k8s.io/v1 TLSRoute.
    pub tls_routes: bool,
    /// What other tenants have in the datastores.
    pub claims: Vec<Claim>,
}

/// What a tenant has in the datastores.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Namespace of the tenant.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its prefix, database or bucket.
    pub schema: String,
    /// Its role or user.
    pub user: String,
}

impl Claim {
    /// The claim of a tenant that exists; `None` for one that the API server has not stored yet.
    /// Quick, since it is asked of every tenant.
    pub fn of(object: &TenantControlPlane) -> Option<Self> {
        let meta = &object.metadata;
        let set_up = object
            .status
            .as_ref()
            .and_then(|s| s.storage.as_ref()?.setup.as_ref());
        let first = |candidates: [Option<&String>; 3]| {
            candidates
                .into_iter()
                .flatten()
                .find(|text| !text.is_empty())
                .cloned()
        };
        let uid = meta.uid.as_ref();
        let spec = &object.spec;
        Some(Self {
            namespace: meta.namespace.clone()?,
            name: meta.name.clone()?,
            schema: first([
                set_up.and_then(|s| s.schema.as_ref()),
                spec.data_store_schema.as_ref(),
                uid,
            ])?,
            user: first([
                set_up.and_then(|s| s.user.as_ref()),
                spec.data_store_username.as_ref(),
                uid,
            ])?,
        })
    }
}

/// A tenant that somebody wants to create or change.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// As it shall be.
    pub new: &'a TenantControlPlane,
    /// As it is; `None` when it is created.
    pub old: Option<&'a TenantControlPlane>,
    /// What else is known.
    pub facts: &'a Facts,
}

/// Something that is stored, but may not be what its author expects.
pub type Warning = String;

/// What was found in one object.
#[derive(Default)]
struct Findings {
    refusals: Vec<Refusal>,
    warnings: Vec<Warning>,
}

impl Findings {
    fn refuse(&mut self, refusal: impl Into<Refusal>) {
        self.refusals.push(refusal.into());
    }

    fn warn(&mut self, warning: impl Into<Warning>) {
        self.warnings.push(warning.into());
    }
}

/// Judges a tenant: warnings if it may be stored, else every reason why not.
///
/// Deletion and whatever leaves the spec alone (finalizers, labels, annotations) always pass.
pub fn validate(request: &Request) -> Result<Vec<Warning>, Vec<Refusal>> {
    let Request { new, old, facts } = *request;
    if new.metadata.deletion_timestamp.is_some() || old.is_some_and(|old| old.spec == new.spec) {
        return Ok(Vec::new());
    }
    let mut found = examine(new, facts);
    version::oldest(new, old, &mut found);
    if let Some(old) = old {
        excuse(&mut found, &examine(old, facts));
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

/// Everything that can be said of an object by itself.
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

/// Turns into warnings what was wrong before.
fn excuse(found: &mut Findings, before: &Findings) {
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
