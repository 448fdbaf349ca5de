//! Which datastore holds a tenant, and what proves the tenant's identity to it?
//! (management-cluster specification, sections 5.9, 5.10 and 14.3)

use kamaji_api::{condition::ConditionType, datastore::Driver};

use super::{
    Draft, Wait,
    secret::{Lifecycle, Planned},
};
use crate::{
    binding::{self, Binding, Data},
    pki::{authority::Authority, leaves, renew},
    store::{Store, StoreTls},
    tenant::Tenant,
};

/// A tenant's place in its datastore.
pub(super) struct Storage {
    pub store: Store,
    pub overrides: Vec<(String, Store)>,
    pub binding: Binding,
}

/// Settles the binding and plans its two Secrets.
pub(super) fn settle(tenant: &Tenant, draft: &mut Draft) -> Option<Storage> {
    let (store, overrides) = match (&draft.snapshot.store, &draft.snapshot.overrides) {
        (Ok(store), Ok(overrides)) => (store.clone(), overrides.clone()),
        (Err(wait), _) | (_, Err(wait)) => {
            let wait = Wait::new(ConditionType::DataStoreReady, wait.reason(), wait);
            draft.wait(wait);
            return None;
        }
    };
    if let Some(wait) = moving(tenant, &store, draft) {
        draft.wait(wait);
    }
    let name = tenant.names.datastore_config();
    let live = draft.live(&name);
    let stamped = draft
        .annotation(&name, kamaji_api::labels::CHECKSUM)
        .map(str::to_owned);
    let known = live.as_ref().zip(stamped.as_deref());
    let binding = binding::bind(tenant, &store, known, &draft.snapshot.seed);
    draft.secret(
        tenant,
        Planned::new(name, "datastore-config", binding.data()),
    );
    certificate(tenant, &store, &binding, draft)?;
    Some(Storage {
        store,
        overrides,
        binding,
    })
}

/// Moving data between datastores is not built yet: say so and stay.
fn moving(tenant: &Tenant, store: &Store, draft: &Draft) -> Option<Wait> {
    let wanted = tenant
        .spec
        .data_store
        .as_ref()
        .filter(|name| !name.is_empty())
        .or(draft.snapshot.settings.default_data_store.as_ref())?;
    (tenant.spec.data_store.is_some() && wanted != &store.name).then(|| {
        Wait::new(
            ConditionType::DataStoreReady,
            "MigrationUnavailable",
            format!(
                "spec.dataStore asks for {wanted}, and the data is in {}: this release cannot migrate, the tenant stays where it is; set spec.dataStore back to {}",
                store.name, store.name
            ),
        )
    })
}

fn certificate(tenant: &Tenant, store: &Store, binding: &Binding, draft: &mut Draft) -> Option<()> {
    let name = tenant.names.datastore_certificate();
    let mut rotated = draft.rotation_requested(&name);
    let data = match &store.tls {
        None => Data::new(),
        Some(tls) if store.driver == Driver::Etcd => {
            let live = draft.live(&name).unwrap_or_default();
            let (data, issued) = etcd(tls, binding, (&live, rotated), draft)?;
            rotated &= issued;
            data
        }
        Some(tls) => copied(tls),
    };
    let planned = Planned {
        rotated,
        ..Planned::new(name, "datastore-certificate", data).lifecycle(Lifecycle::X509)
    };
    draft.secret(tenant, planned);
    Some(())
}

/// The CA and the operator's client certificate, for drivers that authenticate by password.
fn copied(tls: &StoreTls) -> Data {
    let mut data = Data::from([("ca.crt".to_owned(), tls.ca.clone())]);
    if let Some((certificate, key)) = &tls.client {
        data.insert("server.crt".to_owned(), certificate.clone());
        data.insert("server.key".to_owned(), key.clone());
    }
    data
}

/// A client certificate of the tenant's own, whose common name is its user in etcd.
fn etcd(
    tls: &StoreTls,
    binding: &Binding,
    (live, rotate): (&Data, bool),
    draft: &mut Draft,
) -> Option<(Data, bool)> {
    let key = tls.ca_key.as_deref().unwrap_or_default();
    let authority = match Authority::load(&tls.ca, key, draft.snapshot.now) {
        Ok(authority) => authority,
        Err(source) => {
            draft.wait(Wait::new(
                ConditionType::DataStoreReady,
                "DataStoreCertificateAuthorityUnusable",
                format!(
                    "the CA of the datastore cannot sign the tenant's client certificate: {source}"
                ),
            ));
            return None;
        }
    };
    let request = leaves::datastore_client(&binding.user, draft.snapshot.settings.key_algorithm);
    let issued = draft.leaf(renew::Subject {
        purpose: "datastore-client",
        request: &request,
        authority: &authority,
        certificate: live.get("server.crt").map(Vec::as_slice),
        key: live.get("server.key").map(Vec::as_slice),
        rotate,
    });
    let data = Data::from([
        ("ca.crt".to_owned(), tls.ca.clone()),
        ("server.crt".to_owned(), issued.certificate),
        ("server.key".to_owned(), issued.key),
    ]);
    Some((data, issued.fresh))
}
