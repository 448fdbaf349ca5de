//! Expiry of a DataStore's CA and of the operator's own client certificate for it.

use k8s_openapi::jiff::Timestamp;

use super::ResolvedDataStore;
use crate::pki::{
    certificate::Certificate,
    expiry::{Expiry, Purpose},
};

/// Expiries of the certificates of `store` that no controller renews: those that can be parsed, none without
/// TLS.
pub fn expiries(store: &ResolvedDataStore) -> Vec<Expiry> {
    let Some(tls) = &store.tls else {
        return Vec::new();
    };
    let client = tls.client.as_ref().map(|(certificate, _)| certificate);
    [
        (Purpose::DataStoreCa, Some(&tls.ca)),
        (Purpose::DataStoreClient, client),
    ]
    .into_iter()
    .filter_map(|(purpose, pem)| Some(Expiry::of(purpose, &Certificate::from_pem(pem?).ok()?)))
    .collect()
}

/// Warning about the certificates of `store` that are near their end at `now`; `None` if none is.
pub fn warning(store: &ResolvedDataStore, now: Timestamp) -> Option<String> {
    let near: Vec<String> = expiries(store)
        .into_iter()
        .filter(|expiry| expiry.is_near(now))
        .map(|expiry| {
            let (what, consequence) = match expiry.purpose {
                Purpose::DataStoreClient => (
                    super::CLIENT,
                    "the operator cannot set up or remove tenants",
                ),
                _ => (super::CA, "no tenant can reach its data"),
            };
            format!(
                "{what} ends at {}, and from then on {consequence}",
                expiry.ends
            )
        })
        .collect();
    (!near.is_empty()).then(|| {
        format!(
            "{}: put a new one into what the DataStore refers to",
            near.join("; ")
        )
    })
}

#[cfg(test)]
mod tests;
