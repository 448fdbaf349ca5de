//! Does an operator lead in another namespace? A lease keeps apart only those of its own namespace, and two
//! operators, be they ours or one of the reference, would undo each other's work.

use k8s_openapi::{api::coordination::v1::Lease, jiff::Timestamp};
use kube::{Api, Client, api::ListParams};

use super::{super::clock, DURATION, holder};

/// A lease that was not renewed for so many times its duration is nobody's: clocks of machines differ.
const PATIENCE: u32 = 4;

/// Namespace and holder of a lease `name` that somebody holds outside `own`; `None` if that is not allowed to
/// be known.
pub(super) async fn find(client: &Client, (name, own): (&str, &str)) -> Option<(String, String)> {
    let api: Api<Lease> = Api::all(client.clone());
    let params = ListParams::default().fields(&format!("metadata.name={name}"));
    match api.list(&params).await {
        Ok(leases) => held_elsewhere(&leases.items, own, clock::now()),
        Err(error) => {
            tracing::warn!(%error, "whether an operator leads in another namespace is not known: let this one list leases everywhere");
            None
        }
    }
}

/// The one that was acquired first; in doubt the one whose namespace comes first, so that two that begin at
/// the same time agree.
fn held_elsewhere(leases: &[Lease], own: &str, now: Timestamp) -> Option<(String, String)> {
    let acquired = |lease: &Lease| {
        let spec = lease.spec.as_ref();
        let time = spec.and_then(|spec| spec.acquire_time.as_ref());
        let namespace = lease.metadata.namespace.clone().unwrap_or_default();
        (time.map(|time| time.0), namespace)
    };
    let held = |lease: &&Lease| {
        let renewed = lease
            .spec
            .as_ref()
            .and_then(|spec| spec.renew_time.as_ref());
        let age = renewed.map(|at| now.duration_since(at.0).unsigned_abs());
        let fresh = age.is_some_and(|age| age < DURATION * PATIENCE);
        fresh && holder(lease).is_some_and(|holder| !holder.is_empty())
    };
    let first = leases
        .iter()
        .filter(held)
        .min_by_key(|lease| acquired(lease))?;
    let namespace = first.metadata.namespace.clone().unwrap_or_default();
    (namespace != own).then(|| (namespace, holder(first).unwrap_or_default().to_owned()))
}

#[cfg(test)]
#[path = "rivals_tests.rs"]
mod tests;
