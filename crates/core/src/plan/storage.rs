//! Plans the binding of a tenant in its datastores, and the Secrets with its credentials.
//!
//! Names are parsed, then claimed and set up in the datastore ([`Step::Bind`]), and only then is a
//! client certificate signed: a refused tenant gets neither.

mod restored;

use kamaji_api::{
    condition::{ConditionType, Reason},
    datastore::Driver,
};

use super::{
    builder::{LiveContent, PlanBuilder},
    certificates::keep_or_issue,
    migrating,
    secret::{DesiredSecret, plan_secret},
    types::{Step, Wait},
};
use crate::{
    binding::{self, Binding, Data, LiveSecret, overrides},
    data_store::{ResolvedDataStore, StoreTls, usage},
    pki::{authority::Authority, leaves, renew},
    secret_role::SecretRole,
};

/// Binding of a tenant, with the datastores that it is in.
pub(super) struct Storage {
    pub store: ResolvedDataStore,
    pub overrides: Vec<(String, ResolvedDataStore)>,
    pub binding: Binding,
}

/// Plans the datastore-config Secret, the bindings and the datastore certificate, in this order.
pub(super) fn plan_storage(builder: &mut PlanBuilder) -> Option<Storage> {
    let (store, overrides) = resolved(builder)?;
    let Bindings {
        main: mut binding,
        others,
    } = bind(&store, &overrides, builder)?;
    restored::require_names((&store, &binding), builder)?;
    binding.access = migrating::access(&store, builder);
    let role = SecretRole::DatastoreConfig;
    plan_secret(DesiredSecret::new(role, binding.data()), builder);
    builder
        .steps
        .push(Step::Bind(Box::new(store.clone()), binding.clone()));
    for (store, mut binding) in others {
        binding.access = migrating::access(&store, builder);
        builder.steps.push(Step::Bind(Box::new(store), binding));
    }
    let storage = Storage {
        store,
        overrides,
        binding,
    };
    plan_certificate(&storage, builder)?;
    warn_of_size(&storage.store, builder);
    Some(storage)
}

/// Warns of a tenant whose data exceeds the soft limit of its DataStore.
fn warn_of_size(store: &ResolvedDataStore, builder: &mut PlanBuilder) {
    let found = &builder.snapshot.usage;
    let old = builder.tenant.status.storage.as_ref();
    let old = old.and_then(|storage| storage.usage.as_ref());
    let usage = usage::published(old, found.measured.as_ref());
    let warning = usage::warning(&store.name, usage.as_ref(), found.soft_limit.as_ref());
    if let Some(message) = warning {
        builder.warn(Wait::new(
            ConditionType::DataStoreReady,
            Reason::SoftLimitExceeded,
            message,
        ));
    }
}

/// The tenant's DataStore and those of single resources. `None`, with a wait, if one of them is not resolved or
/// cannot serve the tenant; waits that only report something do not stop the plan.
fn resolved(
    builder: &mut PlanBuilder,
) -> Option<(ResolvedDataStore, Vec<(String, ResolvedDataStore)>)> {
    let (store, overrides) = match (&builder.snapshot.store, &builder.snapshot.overrides) {
        (Ok(store), Ok(overrides)) => (store.clone(), overrides.clone()),
        (Err(wait), _) | (_, Err(wait)) => {
            let wait = Wait::new(ConditionType::DataStoreReady, wait.reason(), wait);
            builder.wait(wait);
            return None;
        }
    };
    migrating::report(builder);
    if let Some(fault) = &builder.snapshot.store_fault {
        let message = &fault.message;
        builder.wait(Wait::new(
            ConditionType::DataStoreReady,
            fault.reason,
            message,
        ));
    }
    if let Some((reason, message)) = overrides::conflict(&store, &overrides) {
        builder.wait(Wait::new(ConditionType::DataStoreReady, reason, message));
        return None;
    }
    Some((store, overrides))
}

/// Bindings of a tenant: in its DataStore, and in those of single resources.
struct Bindings {
    main: Binding,
    others: Vec<(ResolvedDataStore, Binding)>,
}

/// Parses the names of the tenant in each datastore. `None`, with a wait, if one of them is refused.
fn bind(
    store: &ResolvedDataStore,
    overrides: &[(String, ResolvedDataStore)],
    builder: &mut PlanBuilder,
) -> Option<Bindings> {
    let (tenant, snapshot) = (builder.tenant, builder.snapshot);
    let role = SecretRole::DatastoreConfig;
    let live = builder.live_data(role);
    let stamped = builder.annotation(role, kamaji_api::labels::CHECKSUM);
    let recorded = live.as_ref().zip(stamped);
    let recorded = recorded.map(|(data, checksum)| LiveSecret { data, checksum });
    let in_store = |store: &ResolvedDataStore| binding::bind(tenant, store, recorded, snapshot);
    let bound = in_store(store).and_then(|main| {
        let others = overrides
            .iter()
            .map(|(_, store)| in_store(store).map(|binding| (store.clone(), binding)));
        let others = others.collect::<Result<_, _>>()?;
        Ok(Bindings { main, others })
    });
    match bound {
        Ok(bindings) => Some(bindings),
        Err(refusal) => {
            let message = format!("the DataStore {}: {refusal}", store.name);
            builder.wait(Wait::new(
                ConditionType::DataStoreReady,
                Reason::DataStoreNameRefused,
                message,
            ));
            None
        }
    }
}

fn plan_certificate(storage: &Storage, builder: &mut PlanBuilder) -> Option<()> {
    let (store, binding) = (&storage.store, &storage.binding);
    let role = SecretRole::DatastoreCertificate;
    let live = builder.live_content(role);
    let mut rotated = live.rotation_requested;
    let data = match &store.tls {
        None => Data::new(),
        Some(tls) if store.driver == Driver::Etcd => {
            let leaf = etcd(tls, binding, &live, builder)?;
            rotated &= leaf.fresh;
            let others = storage.overrides.iter();
            let others = others.filter_map(|(_, store)| Some(store.tls.as_ref()?.ca.as_slice()));
            Data::from([
                ("ca.crt".to_owned(), overrides::bundle(&tls.ca, others)),
                ("server.crt".to_owned(), leaf.certificate),
                ("server.key".to_owned(), leaf.key),
            ])
        }
        Some(tls) => copied(tls),
    };
    let desired = DesiredSecret {
        rotated,
        ..DesiredSecret::new(role, data)
    };
    plan_secret(desired, builder);
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
    live: &LiveContent,
    builder: &mut PlanBuilder,
) -> Option<renew::Leaf> {
    let key = tls.ca_key.as_deref().unwrap_or_default();
    let authority = match Authority::load(&tls.ca, key, builder.snapshot.now) {
        Ok(authority) => authority,
        Err(source) => {
            builder.wait(Wait::new(
                ConditionType::DataStoreReady,
                Reason::DataStoreCertificateAuthorityUnusable,
                format!(
                    "the CA of the datastore cannot sign the tenant's client certificate: {source}"
                ),
            ));
            return None;
        }
    };
    let request = leaves::datastore_client(&binding.user, builder.snapshot.settings.key_algorithm);
    let subject = renew::Subject {
        purpose: "datastore-client",
        request: &request,
        authority: &authority,
        certificate: live.file("server.crt"),
        key: live.file("server.key"),
        rotate: live.rotation_requested,
    };
    Some(keep_or_issue(&subject, builder))
}

#[cfg(test)]
mod tests;
