//! Schema and user of a tenant: which names it has, and which names a datastore allows. Admission, plans and
//! drivers use these rules.

use std::borrow::Cow;

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
    let recorded = setup.and_then(|setup| setup.schema.as_ref());
    DatabaseNames {
        schema: first(recorded, spec.data_store_schema.as_ref()).unwrap_or(uid),
        user: given_user(setup, spec).unwrap_or(uid),
    }
}

/// The user that a tenant has or gets at a datastore of `driver`: as [`schema_and_user`] finds it, but MySQL
/// gets the uid without hyphens, since its users have at most 32 characters.
pub fn user_at<'a>(
    setup: Option<&'a StorageSetupStatus>,
    spec: &'a TenantControlPlaneSpec,
    uid: &'a str,
    driver: Driver,
) -> Cow<'a, str> {
    given_user(setup, spec).map_or_else(|| default_user(uid, driver), Cow::Borrowed)
}

/// The user of a tenant with `uid` that is given none, at a datastore of `driver`.
pub fn default_user(uid: &str, driver: Driver) -> Cow<'_, str> {
    match driver {
        Driver::MySql => Cow::Owned(uid.replace('-', "")),
        _ => Cow::Borrowed(uid),
    }
}

fn given_user<'a>(
    setup: Option<&'a StorageSetupStatus>,
    spec: &'a TenantControlPlaneSpec,
) -> Option<&'a str> {
    let recorded = setup.and_then(|setup| setup.user.as_ref());
    first(recorded, spec.data_store_username.as_ref())
}

/// The first text that is not empty.
fn first<'a>(recorded: Option<&'a String>, requested: Option<&'a String>) -> Option<&'a str> {
    let mut given = recorded.into_iter().chain(requested).map(String::as_str);
    given.find(|text| !text.is_empty())
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
    /// MySQL and MariaDB take the quotes off the user that logs in, so that it is another one.
    #[error(
        "stands between single quotes, which MySQL leaves out at the log-in: choose a name without them"
    )]
    Quoted,
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
    /// MySQL keeps a grant's database name as a pattern, in which these characters take two places.
    #[error(
        "has {length} characters where _, % and \\ count twice, MySQL takes {most}: choose a shorter name"
    )]
    PatternTooLong {
        /// Characters of the pattern.
        length: usize,
        /// Most characters of a pattern.
        most: usize,
    },
}

/// Names that PostgreSQL has for itself; `public` and `none` can be no role. Further ones begin with [`PG`].
const POSTGRESQL: [&str; 5] = ["postgres", "template0", "template1", "public", "none"];
/// Start of the names of PostgreSQL's own roles.
const PG: &str = "pg_";
/// Names that MySQL and MariaDB have for themselves, `public` for every user.
const MYSQL: [&str; 9] = [
    "mariadb.sys",
    "public",
    "mysql",
    "sys",
    "information_schema",
    "performance_schema",
    "mysql.sys",
    "mysql.session",
    "mysql.infoschema",
];

/// Length of a uid with its hyphens.
const UID: usize = 36;

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
    let mysql = driver == Some(Driver::MySql);
    let most = if mysql && part == Part::User && is_uid(text) {
        UID
    } else {
        longest(part, driver)
    };
    let of_driver: &[&str] = match driver {
        Some(Driver::PostgreSql) => &POSTGRESQL,
        Some(Driver::MySql) => &MYSQL,
        _ => &[],
    };
    // The user of NATS is a credential of the DataStore, which no tenant chooses.
    let reserved = ["root", owner::KEYS, owner::DATABASE, owner::AUTH_PROBE_USER];
    if text.is_empty() {
        Err(NameProblem::Empty)
    } else if (part, driver) != (Part::User, Some(Driver::Nats)) && reserved.contains(&text)
        || of_driver.contains(&text)
        || mysql && of_driver.contains(&text.to_lowercase().as_str())
        || (driver == Some(Driver::PostgreSql) && part == Part::User && text.starts_with(PG))
    {
        Err(NameProblem::Reserved)
    } else if let Some(c) = text.chars().find(|c| is_forbidden(*c, mysql)) {
        Err(NameProblem::Character(c))
    } else if mysql && part == Part::User && is_quoted(text) {
        Err(NameProblem::Quoted)
    } else if text.len() > most {
        Err(NameProblem::TooLong {
            length: text.len(),
            driver: driver.map_or("the datastore", Driver::as_str),
            most,
        })
    } else if mysql && part == Part::Schema && pattern_length(text) > most {
        Err(NameProblem::PatternTooLong {
            length: pattern_length(text),
            most,
        })
    } else {
        Ok(())
    }
}

/// True for a uid with its hyphens: upstream gave it to users of MariaDB, which takes 80 characters.
fn is_uid(text: &str) -> bool {
    text.len() == UID && uuid::Uuid::try_parse(text).is_ok()
}

/// True for what no driver takes, and for what MySQL does not take beyond that: identifiers there have no
/// character above U+FFFF.
fn is_forbidden(c: char, mysql: bool) -> bool {
    c == '/' || c.is_control() || c.is_whitespace() || mysql && c > '\u{ffff}'
}

/// True for a text between two single quotes.
fn is_quoted(text: &str) -> bool {
    text.len() > 1 && text.starts_with('\'') && text.ends_with('\'')
}

/// Characters of a database name in a grant, with `_`, `%` and the backslash escaped.
fn pattern_length(text: &str) -> usize {
    let escaped = text.chars().filter(|c| matches!(c, '_' | '%' | '\\'));
    text.chars().count() + escaped.count()
}

#[cfg(test)]
mod tests;
