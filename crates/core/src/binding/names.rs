//! Schema and user of a tenant: which names it has, and which names a datastore allows. Admission, plans and
//! drivers use these rules.

use kamaji_api::{
    datastore::Driver,
    owner,
    tenant::{StorageSetupStatus, TenantControlPlaneSpec},
};

use crate::kine;

/// Kind of a name in a datastore.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Name of a key prefix, database or bucket.
    Schema,
    /// Name of a role or user.
    User,
}

impl Part {
    /// The word in messages and owner records: `schema` or `user`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Schema => "schema",
            Self::User => "user",
        }
    }
}

/// Checks that kine reaches a schema or user of this name; every name passes for etcd, which has no kine.
pub fn reached_by_kine(part: Part, text: &str, driver: Driver) -> Result<(), NameProblem> {
    match part {
        Part::Schema => kine::check_schema(driver, text)?,
        Part::User => kine::check_user(driver, text)?,
    }
    Ok(())
}

/// Names of a tenant in its datastores; empty where nothing gives one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DatabaseNames<'a> {
    /// Name of the key prefix, database or bucket.
    pub schema: &'a str,
    /// Name of the role or user.
    pub user: &'a str,
}

/// The names that a tenant has or gets. For each, what `setup` in the status records wins, then
/// `spec.dataStoreSchema` or `spec.dataStoreUsername`, then the uid; empty texts count as absent.
pub fn schema_and_user<'a>(
    setup: Option<&'a StorageSetupStatus>,
    spec: &'a TenantControlPlaneSpec,
    uid: &'a str,
) -> DatabaseNames<'a> {
    let first = |recorded: Option<&'a String>, requested: Option<&'a String>| {
        let mut given = recorded.into_iter().chain(requested).map(String::as_str);
        given.find(|text| !text.is_empty()).unwrap_or(uid)
    };
    DatabaseNames {
        schema: first(
            setup.and_then(|setup| setup.schema.as_ref()),
            spec.data_store_schema.as_ref(),
        ),
        user: first(
            setup.and_then(|setup| setup.user.as_ref()),
            spec.data_store_username.as_ref(),
        ),
    }
}

/// Reason for which a name cannot be a tenant's; its text goes after the name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameProblem {
    /// An empty name would mean the whole datastore.
    #[error("is empty: write a name, or leave it out to get the tenant's uid")]
    Empty,
    /// The name is the administrator's, the database's or the operator's own.
    #[error("is the administrator's or the datastore's own: choose another name")]
    Reserved,
    /// The operator itself logs in as this user.
    #[error("is the user that the operator itself has in the DataStore {0}: choose another name")]
    Operator(String),
    /// A character could take the name out of its own range, or cut it short.
    #[error("contains {0:?}: use letters, digits, _ and -")]
    Character(char),
    /// kine, through which the tenant uses the datastore, cannot pass the name on.
    #[error(transparent)]
    Unreachable(#[from] kine::Unreachable),
    /// The name is longer than the datastore accepts.
    #[error("has {length} bytes, {driver} takes {most}: choose a shorter name")]
    TooLong {
        /// Length of the name in bytes.
        length: usize,
        /// Kind of the datastore, as in `spec.driver`.
        driver: &'static str,
        /// Most bytes that the datastore accepts.
        most: usize,
    },
}

/// Names that PostgreSQL has for itself.
const POSTGRESQL: [&str; 3] = ["postgres", "template0", "template1"];
/// Names that MySQL has for itself.
const MYSQL: [&str; 7] = [
    "mysql",
    "sys",
    "information_schema",
    "performance_schema",
    "mysql.sys",
    "mysql.session",
    "mysql.infoschema",
];

/// Most bytes of a name: PostgreSQL 63, MySQL 64 for a schema and 32 for a user, others 253. Without a
/// driver the most lenient limit counts.
pub fn longest(part: Part, driver: Option<Driver>) -> usize {
    match (driver, part) {
        (Some(Driver::MySql), Part::User) => 32,
        (Some(Driver::MySql), Part::Schema) => 64,
        (Some(Driver::PostgreSql), _) => 63,
        _ => 253,
    }
}

/// Checks that a datastore of this driver allows the name. Without a driver, only what every driver
/// refuses is refused.
pub fn examine(part: Part, text: &str, driver: Option<Driver>) -> Result<(), NameProblem> {
    let most = longest(part, driver);
    let of_driver: &[&str] = match driver {
        Some(Driver::PostgreSql) => &POSTGRESQL,
        Some(Driver::MySql) => &MYSQL,
        _ => &[],
    };
    let reserved = ["root", owner::KEYS, owner::DATABASE, owner::AUTH_PROBE_USER];
    if text.is_empty() {
        Err(NameProblem::Empty)
    } else if reserved.contains(&text) || of_driver.contains(&text) {
        Err(NameProblem::Reserved)
    } else if let Some(c) = text
        .chars()
        .find(|c| *c == '/' || c.is_control() || c.is_whitespace())
    {
        Err(NameProblem::Character(c))
    } else if text.len() > most {
        Err(NameProblem::TooLong {
            length: text.len(),
            driver: driver.map_or("the datastore", Driver::as_str),
            most,
        })
    } else {
        Ok(())
    }
}

#[cfg(test)]
#[path = "names_tests.rs"]
mod tests;
