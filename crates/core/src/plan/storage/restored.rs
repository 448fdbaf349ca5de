//! Tenants whose Secret with the names of schema and user came back from a backup, and the names themselves did not.

use kamaji_api::{
    condition::{ConditionType, Reason},
    datastore::Driver,
};

use crate::{
    adoption::Verdict,
    binding::{Binding, Part, names},
    data_store::ResolvedDataStore,
    object::{Kind, ObjectRef},
    plan::{builder::PlanBuilder, types::Wait},
    secret_role::SecretRole,
};

/// `None`, with a wait, if a Secret that is not the tenant's yet names another schema than `binding`, and the status
/// none: the tenant would start without data beside the data that it had.
pub(super) fn require_names(
    (store, binding): (&ResolvedDataStore, &Binding),
    builder: &mut PlanBuilder,
) -> Option<()> {
    let setup = builder.tenant.status.storage.as_ref();
    let setup = setup.and_then(|storage| storage.setup.as_ref());
    let recorded = setup.and_then(|setup| setup.schema.as_deref());
    if recorded.is_some_and(|schema| !schema.is_empty()) {
        return Some(());
    }
    let Some((key, [schema, user])) = restored_names(store, builder) else {
        return Some(());
    };
    if schema == binding.schema {
        return Some(());
    }
    let username = match store.driver {
        Driver::Nats => String::new(),
        _ => format!(" and spec.dataStoreUsername to {user:?}"),
    };
    builder.wait(Wait::new(
        ConditionType::DataStoreReady,
        Reason::DataStoreUnrecorded,
        format!(
            "the {key} has no owner and says that the tenant's data is in the schema {schema:?} of the DataStore {store}, and neither status nor spec names it: it came from a backup without the status. Nothing was made in the DataStore. Restore the status, too, or set spec.dataStoreSchema to {schema:?}{username}; or delete the Secret, and the tenant starts without data",
            store = store.name,
        ),
    ));
    None
}

/// Schema and user in the live datastore-config Secret, if it is not the tenant's yet, nobody deletes it, and `store`
/// could have them.
fn restored_names(
    store: &ResolvedDataStore,
    builder: &PlanBuilder,
) -> Option<(ObjectRef, [String; 2])> {
    let (tenant, role) = (builder.tenant, SecretRole::DatastoreConfig);
    let name = tenant.names.secret(role);
    let key = ObjectRef::namespaced(Kind::Secret, &tenant.namespace, &name);
    let child = builder.snapshot.child(&key)?;
    if child.verdict(&key, (&tenant.name, &tenant.uid)) == Verdict::Ours {
        return None;
    }
    let live = builder.live_secret(role)?;
    if live.metadata.deletion_timestamp.is_some() {
        return None;
    }
    let data = builder.live_data(role)?;
    let name = |part, key| {
        let text = String::from_utf8(data.get(key)?.clone()).ok()?;
        let driver = Some(store.driver);
        names::examine(part, &text, driver).is_ok().then_some(text)
    };
    let schema = name(Part::Schema, "DB_SCHEMA")?;
    let user = match store.driver {
        Driver::Nats => String::new(),
        _ => name(Part::User, "DB_USER")?,
    };
    Some((key, [schema, user]))
}
