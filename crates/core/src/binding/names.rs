//! Names that a tenant's schema and user may have in a datastore: one rule for admission and plans.

use kamaji_api::{datastore::Driver, owner};

/// What a name is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Key prefix, database or bucket.
    Schema,
    /// Role or user.
    User,
}

impl Part {
    /// The part's word in messages and owner records: `schema` or `user`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Schema => "schema",
            Self::User => "user",
        }
    }
}

/// Why a name cannot be a tenant's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameProblem {
    /// It would mean the whole store.
    #[error("is empty: write a name, or leave it out to get the tenant's uid")]
    Empty,
    /// It is the administrator's, the database's or the operator's own.
    #[error("is the administrator's or the datastore's own: choose another name")]
    Reserved,
    /// The operator itself logs in by it.
    #[error("is the user that the operator itself has in the DataStore {0}: choose another name")]
    Operator(String),
    /// It could leave its own range, or be cut short.
    #[error("contains {0:?}: use letters, digits, _ and -")]
    Character(char),
    /// Longer than the datastore takes.
    #[error("has {length} bytes, {driver} takes {most}: choose a shorter name")]
    TooLong {
        /// Its bytes.
        length: usize,
        /// Which datastore.
        driver: &'static str,
        /// How many it takes.
        most: usize,
    },
}

const POSTGRESQL: [&str; 3] = ["postgres", "template0", "template1"];
const MYSQL: [&str; 7] = [
    "mysql",
    "sys",
    "information_schema",
    "performance_schema",
    "mysql.sys",
    "mysql.session",
    "mysql.infoschema",
];

/// Judges a name by itself; without a driver by the most lenient limits.
pub fn examine(part: Part, text: &str, driver: Option<Driver>) -> Result<(), NameProblem> {
    let most = match (driver, part) {
        (Some(Driver::MySql), Part::User) => 32,
        (Some(Driver::MySql), Part::Schema) => 64,
        (Some(Driver::PostgreSql), _) => 63,
        _ => 253,
    };
    let own: &[&str] = match driver {
        Some(Driver::PostgreSql) => &POSTGRESQL,
        Some(Driver::MySql) => &MYSQL,
        _ => &[],
    };
    let reserved = ["root", owner::KEYS, owner::DATABASE, owner::NOBODY];
    if text.is_empty() {
        Err(NameProblem::Empty)
    } else if reserved.contains(&text) || own.contains(&text) {
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
