//! DataStores of single resources (`spec.dataStoreOverrides`). Once the tenant is set up, the recorded
//! overrides stay in force until it is deleted, since their data does not move.

use kamaji_api::{
    condition::Reason,
    datastore::Driver,
    tenant::{StorageOverrideStatus, TenantControlPlane},
};

use crate::{
    data_store::{ResolvedDataStore, StoreTls},
    pki::certificate::Certificate,
};

/// Resource prefix, for example `/events`, and name of the DataStore that holds it.
pub type Override = (String, String);

/// The overrides in the status; `None` before the tenant is set up.
pub fn recorded(object: &TenantControlPlane) -> Option<&[StorageOverrideStatus]> {
    let storage = object.status.as_ref()?.storage.as_ref()?;
    storage.setup.as_ref()?;
    storage.overrides.as_deref()
}

/// The overrides that the spec asks for, as written.
pub fn requested(object: &TenantControlPlane) -> Vec<Override> {
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

/// The overrides in force: the recorded ones, or the spec's before the tenant is set up.
pub fn effective(object: &TenantControlPlane) -> Vec<Override> {
    match recorded(object) {
        Some(items) => items
            .iter()
            .map(|item| (item.resource.clone(), item.data_store.clone()))
            .collect(),
        None => requested(object),
    }
}

/// True if both lists have the same overrides; order and a leading slash do not count.
pub fn same(left: &[Override], right: &[Override]) -> bool {
    let sorted = |items: &[Override]| {
        let mut items: Vec<_> = items
            .iter()
            .map(|(resource, store)| (resource.trim_start_matches('/').to_owned(), store.clone()))
            .collect();
        items.sort();
        items
    };
    sorted(left) == sorted(right)
}

/// Description of the overrides in force, if the spec asks for others.
pub fn changed(object: &TenantControlPlane) -> Option<String> {
    recorded(object)?;
    let effective = effective(object);
    (!same(&effective, &requested(object))).then(|| describe(&effective))
}

/// The overrides as text, for example `/events in gold, /leases in silver`; `none` if there are none.
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

/// CA bundle with which kube-apiserver trusts all its etcds: `main` unchanged, and those certificates of
/// `others` that are not in it.
pub fn bundle<'a>(main: &[u8], others: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut bundle = main.to_vec();
    let mut included = blocks(main);
    for other in others {
        for block in blocks(other) {
            if included.contains(&block) {
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
            included.push(block);
        }
    }
    bundle
}

/// True if the etcd of `other` accepts client certificates that the CA of `main` signs: a CA with that
/// public key is among its authorities.
pub fn accepts_clients_of(other: &StoreTls, main: &StoreTls) -> bool {
    let Ok(signer) = Certificate::from_pem(&main.ca) else {
        return false;
    };
    blocks(&other.ca)
        .iter()
        .filter_map(|der| Certificate::from_der(der).ok())
        .any(|authority| authority.raw_public == signer.raw_public)
}

/// Reason and message for overrides that cannot stand beside the DataStore `main`: kube-apiserver has one setting of TLS
/// for all its etcds. `None` if they can.
pub fn conflict(
    main: &ResolvedDataStore,
    overrides: &[(String, ResolvedDataStore)],
) -> Option<(Reason, String)> {
    if main.driver != Driver::Etcd && !overrides.is_empty() {
        let (name, driver) = (&main.name, main.driver.as_str());
        return Some((
            Reason::OverrideDriverNotEtcd,
            format!(
                "the DataStore {name} has the driver {driver}, and kube-apiserver reaches it through kine, without TLS: it could not use TLS for the etcds of spec.dataStoreOverrides then; remove those, or name a DataStore of etcd in spec.dataStore"
            ),
        ));
    }
    let tls = main.tls.as_ref()?;
    let (resource, other) = overrides.iter().find(|(_, store)| {
        let other = store.tls.as_ref();
        other.is_none_or(|other| !accepts_clients_of(other, tls))
    })?;
    Some((
        Reason::OverrideAuthorityDiffers,
        format!(
            "the DataStore {} for {resource} does not take client certificates of the CA of the DataStore {}, and kube-apiserver has one client certificate for all its etcds: let that etcd trust this CA, too, and add it to the DataStore's certificateAuthority.certificate, or name another DataStore",
            other.name, main.name
        ),
    ))
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
mod tests;
