//! DataStores of single resources: what was set up once is in force until the tenant is deleted.

use kamaji_api::tenant::{StorageOverrideStatus, TenantControlPlane};

use crate::{pki::certificate::Certificate, store::StoreTls};

/// A resource's prefix, and the DataStore that holds it.
pub type Override = (String, String);

/// The overrides that are recorded; nothing before the first record.
pub fn recorded(object: &TenantControlPlane) -> Option<&[StorageOverrideStatus]> {
    let storage = object.status.as_ref()?.storage.as_ref()?;
    storage.setup.as_ref()?;
    storage.overrides.as_deref()
}

/// What the spec asks for.
pub fn wanted(object: &TenantControlPlane) -> Vec<Override> {
    let items = object.spec.data_store_overrides.iter();
    items
        .map(|item| {
            (
                item.resource.clone().unwrap_or_default(),
                item.data_store.clone().unwrap_or_default(),
            )
        })
        .collect()
}

/// What is in force: the record, or the spec as long as there is none.
pub fn effective(object: &TenantControlPlane) -> Vec<Override> {
    match recorded(object) {
        Some(items) => items
            .iter()
            .map(|item| (item.resource.clone(), item.data_store.clone()))
            .collect(),
        None => wanted(object),
    }
}

/// True if both say the same, in whatever order.
pub fn same(one: &[Override], other: &[Override]) -> bool {
    let sorted = |items: &[Override]| {
        let mut items: Vec<_> = items
            .iter()
            .map(|(resource, store)| (resource.trim_start_matches('/').to_owned(), store.clone()))
            .collect();
        items.sort();
        items
    };
    sorted(one) == sorted(other)
}

/// What is in force, if the spec asks for something else.
pub fn changed(object: &TenantControlPlane) -> Option<String> {
    recorded(object)?;
    let effective = effective(object);
    (!same(&effective, &wanted(object))).then(|| describe(&effective))
}

/// `/events in gold, /leases in silver`.
pub fn describe(items: &[Override]) -> String {
    if items.is_empty() {
        return "none".to_owned();
    }
    let items: Vec<_> = items
        .iter()
        .map(|(resource, store)| format!("{resource} in {store}"))
        .collect();
    items.join(", ")
}

/// The authorities that kube-apiserver must know to trust all its etcds: `main` as it is, and those
/// of `others` that are not in it.
pub fn bundle<'a>(main: &[u8], others: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut bundle = main.to_vec();
    let mut known = blocks(main);
    for other in others {
        for block in blocks(other) {
            if known.contains(&block) {
                continue;
            }
            if !bundle.ends_with(b"\n") {
                bundle.push(b'\n');
            }
            let text = pem::encode_config(
                &pem::Pem::new("CERTIFICATE", block.clone()),
                pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF),
            );
            bundle.extend(text.into_bytes());
            known.push(block);
        }
    }
    bundle
}

/// True if the etcd of `other` takes client certificates that the CA of `main` signs: a CA with
/// that key is among its authorities.
pub fn takes_clients_of(other: &StoreTls, main: &StoreTls) -> bool {
    let Ok(signer) = Certificate::from_pem(&main.ca) else {
        return false;
    };
    blocks(&other.ca)
        .iter()
        .filter_map(|der| Certificate::from_der(der).ok())
        .any(|authority| authority.raw_public == signer.raw_public)
}

fn blocks(text: &[u8]) -> Vec<Vec<u8>> {
    pem::parse_many(text)
        .unwrap_or_default()
        .into_iter()
        .filter(|block| block.tag() == "CERTIFICATE")
        .map(pem::Pem::into_contents)
        .collect()
}

#[cfg(test)]
#[path = "overrides_tests.rs"]
mod tests;
