//! Digests of a DataStore and a binding: equal ones need no new connection, and no new request.

use std::hash::{DefaultHasher, Hash, Hasher};

use kamaji_core::{binding::Binding, data_store::ResolvedDataStore};

/// Digest of `store`, and of `binding` if there is one.
pub(super) fn digest(store: &ResolvedDataStore, binding: Option<&Binding>) -> u64 {
    let mut hasher = DefaultHasher::new();
    (
        &store.name,
        store.driver.as_str(),
        &store.endpoints,
        &store.basic_auth,
        store.without_access_control,
    )
        .hash(&mut hasher);
    if let Some(tls) = &store.tls {
        (&tls.ca, &tls.ca_key, &tls.client).hash(&mut hasher);
    }
    if let Some(binding) = binding {
        (&binding.schema, &binding.user, &binding.password).hash(&mut hasher);
        binding.access.hash(&mut hasher);
    }
    hasher.finish()
}
