//! Schema, user and password of a tenant in its datastore, and whose they are. No connection is made
//! here. (management-cluster specification, sections 5.10 and 6.10)

pub mod names;
pub mod overrides;
mod succession;

use std::collections::BTreeMap;

use kamaji_api::{datastore::Driver, labels, owner::Owner};

use crate::{checksum, snapshot::Snapshot, store::Store, tenant::Tenant};

pub use names::{NameProblem, Part};
pub use succession::succeeds;

/// What a tenant has in a datastore.
#[derive(Clone, PartialEq, Eq)]
pub struct Binding {
    /// Prefix, database or bucket.
    pub schema: String,
    /// Role or user.
    pub user: String,
    /// Its password; unused by etcd, where a certificate's common name is the user.
    pub password: String,
    /// `host:port` that kine dials; empty for etcd.
    pub connection: String,
    /// The tenant itself, as the datastore records it.
    pub owner: Owner,
    /// True if the tenant's status says that both were set up for it in this datastore.
    pub recorded: bool,
    /// Uid of the former owner whose place the tenant is told to take.
    pub adopts: Option<String>,
}

/// A name in a datastore that a tenant may not have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} {text:?} {problem}{}", if *.recorded {
    "; it stands in the status, which wins over the spec: correct it there if the tenant never ran under it, else ask whoever put it there"
} else {
    ". The name of a TenantControlPlane's schema and user cannot change: recreate it under another"
})]
pub struct NameRefusal {
    /// Where the name stands.
    pub field: &'static str,
    /// The name.
    pub text: String,
    /// What is wrong with it.
    pub problem: NameProblem,
    /// True if it stands in the status.
    pub recorded: bool,
}

impl std::fmt::Debug for Binding {
    /// Without the password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "schema {} for user {} at {:?}",
            self.schema, self.user, self.connection
        )
    }
}

/// Bytes of a Secret by key.
pub type Data = BTreeMap<String, Vec<u8>>;

/// The binding of `tenant` in `store`, if it may have its names. The password in `live`, the data of
/// the datastore-config Secret, is kept as long as the Secret's own checksum vouches for it.
pub fn bind(
    tenant: &Tenant,
    store: &Store,
    live: Option<(&Data, &str)>,
    snapshot: &Snapshot,
) -> Result<Binding, NameRefusal> {
    examine(tenant, store)?;
    let kept = live
        .filter(|(data, stamped)| checksum::map(data) == *stamped)
        .and_then(|(data, _)| data.get("DB_PASSWORD"))
        .and_then(|bytes| String::from_utf8(bytes.clone()).ok())
        .filter(|password| !password.is_empty());
    let connection = match store.driver {
        Driver::Etcd => String::new(),
        _ => store.endpoints.first().cloned().unwrap_or_default(),
    };
    let seed = &snapshot.seed;
    let (user, password) = match (&store.driver, &store.basic_auth) {
        (Driver::Nats, Some((user, password))) => (user.clone(), password.clone()),
        _ => (
            tenant.data_store_user().to_owned(),
            kept.unwrap_or_else(|| seed.for_purpose("datastore-password").uuid_v4()),
        ),
    };
    let annotations = snapshot.object.metadata.annotations.as_ref();
    Ok(Binding {
        schema: tenant.schema().to_owned(),
        user,
        password,
        connection,
        owner: owner(tenant, &snapshot.cluster),
        recorded: is_recorded(tenant, &snapshot.object, &store.name),
        adopts: annotations.and_then(|all| all.get(labels::ADOPT_OWNER).cloned()),
    })
}

fn owner(tenant: &Tenant, cluster: &str) -> Owner {
    Owner {
        cluster: cluster.to_owned(),
        tenant: tenant.uid.clone(),
        namespace: tenant.namespace.clone(),
        name: tenant.name.clone(),
    }
}

/// Names are parsed wherever they stand: whoever may write a status must not become an administrator.
fn examine(tenant: &Tenant, store: &Store) -> Result<(), NameRefusal> {
    let setup = tenant
        .status
        .storage
        .as_ref()
        .and_then(|s| s.setup.as_ref());
    let filled = |text: Option<&String>| text.is_some_and(|text| !text.is_empty());
    let in_status = [
        filled(setup.and_then(|s| s.schema.as_ref())),
        filled(setup.and_then(|s| s.user.as_ref())),
    ];
    let names = [
        (
            Part::Schema,
            tenant.schema(),
            ["spec.dataStoreSchema", "status.storage.setup.schema"],
        ),
        (
            Part::User,
            tenant.data_store_user(),
            ["spec.dataStoreUsername", "status.storage.setup.user"],
        ),
    ];
    for ((part, text, fields), recorded) in names.into_iter().zip(in_status) {
        // NATS has one user for all.
        if part == Part::User && store.driver == Driver::Nats {
            continue;
        }
        let judged = names::examine(part, text, Some(store.driver)).and_then(|()| {
            let operators = part == Part::User && store.administrators().iter().any(|a| a == text);
            if operators {
                Err(NameProblem::Operator(store.name.clone()))
            } else {
                Ok(())
            }
        });
        judged.map_err(|problem| NameRefusal {
            field: fields[usize::from(recorded)],
            text: text.to_owned(),
            problem,
            recorded,
        })?;
    }
    Ok(())
}

/// True if the status says that the tenant's place in the DataStore `name` was set up under the names
/// that it has now.
fn is_recorded(
    tenant: &Tenant,
    object: &kamaji_api::tenant::TenantControlPlane,
    name: &str,
) -> bool {
    let Some(storage) = &tenant.status.storage else {
        return false;
    };
    let has = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
    let set_up = storage
        .setup
        .as_ref()
        .is_some_and(|setup| has(&setup.schema) && has(&setup.user));
    let here = storage.data_store_name.as_deref() == Some(name)
        || overrides::effective(object)
            .iter()
            .any(|(_, store)| store == name);
    set_up && here
}

impl Binding {
    /// Data of the datastore-config Secret.
    pub fn data(&self) -> Data {
        [
            ("DB_CONNECTION_STRING", &self.connection),
            ("DB_SCHEMA", &self.schema),
            ("DB_USER", &self.user),
            ("DB_PASSWORD", &self.password),
        ]
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value.clone().into_bytes()))
        .collect()
    }
}

#[cfg(test)]
#[path = "binding_tests.rs"]
mod tests;
