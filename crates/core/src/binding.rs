//! Which schema, user and password does a tenant get in its datastore? No connection is made here.
//! (management-cluster specification, sections 5.10 and 6.10)

use std::collections::BTreeMap;

use kamaji_api::datastore::Driver;

use crate::{checksum, entropy::Seed, store::Store, tenant::Tenant};

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

/// The binding of `tenant` in `store`. The password in `live`, the data of the datastore-config
/// Secret, is kept as long as the Secret's own checksum vouches for it.
pub fn bind(tenant: &Tenant, store: &Store, live: Option<(&Data, &str)>, seed: &Seed) -> Binding {
    let kept = live
        .filter(|(data, stamped)| checksum::map(data) == *stamped)
        .and_then(|(data, _)| data.get("DB_PASSWORD"))
        .and_then(|bytes| String::from_utf8(bytes.clone()).ok())
        .filter(|password| !password.is_empty());
    let connection = match store.driver {
        Driver::Etcd => String::new(),
        _ => store.endpoints.first().cloned().unwrap_or_default(),
    };
    let (user, password) = match (&store.driver, &store.basic_auth) {
        (Driver::Nats, Some((user, password))) => (user.clone(), password.clone()),
        _ => (
            tenant.data_store_user().to_owned(),
            kept.unwrap_or_else(|| seed.for_purpose("datastore-password").uuid_v4()),
        ),
    };
    Binding {
        schema: tenant.schema().to_owned(),
        user,
        password,
        connection,
    }
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
