//! What does one tenant have in a store?

use std::fmt;

use kamaji_api::owner::{self, Owner};
use thiserror::Error;

/// Names that are never a tenant's: the administrator's, and where the owner records are.
const RESERVED: [&str; 4] = ["root", owner::KEYS, owner::DATABASE, owner::NOBODY];
/// Long enough for any UID or `namespace_name`, short enough for a certificate's common name of
/// upstream and for an identifier of the SQL stores.
const LONGEST: usize = 253;

/// Why a text can't name a tenant's schema or user.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NameError {
    /// An empty name would mean everything in the store.
    #[error("the datastore {what} is empty; set it, or leave it out to use the tenant's UID")]
    Empty {
        /// `schema` or `user`.
        what: &'static str,
    },
    /// The administrator's own name, or one of the operator's.
    #[error(
        "the datastore {what} {name:?} is the administrator's or the operator's own; choose another"
    )]
    Reserved {
        /// `schema` or `user`.
        what: &'static str,
        /// The refused name.
        name: String,
    },
    /// A character that would let the name leave its own prefix or be cut short.
    #[error("the datastore {what} {name:?} contains {found:?}; choose a name without it")]
    Forbidden {
        /// `schema` or `user`.
        what: &'static str,
        /// The refused name.
        name: String,
        /// Its first offending character.
        found: char,
    },
    /// Longer than stores accept.
    #[error("the datastore {what} has {length} bytes; {LONGEST} are allowed")]
    TooLong {
        /// `schema` or `user`.
        what: &'static str,
        /// Its length in bytes.
        length: usize,
    },
}

fn parse(what: &'static str, text: &str) -> Result<String, NameError> {
    if text.is_empty() {
        return Err(NameError::Empty { what });
    }
    if RESERVED.contains(&text) {
        let name = text.to_owned();
        return Err(NameError::Reserved { what, name });
    }
    if let Some(found) = text.chars().find(|c| *c == '/' || c.is_control()) {
        return Err(NameError::Forbidden {
            what,
            name: text.to_owned(),
            found,
        });
    }
    if text.len() > LONGEST {
        return Err(NameError::TooLong {
            what,
            length: text.len(),
        });
    }
    Ok(text.to_owned())
}

/// The name of a tenant's database, bucket or key prefix: never empty, no `/`, not the
/// administrator's.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Schema(String);

impl Schema {
    /// Parses a schema's name.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        parse("schema", text).map(Self)
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name of a tenant's user: never empty, not the administrator's.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct User(String);

impl User {
    /// Parses a user's name.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        parse("user", text).map(Self)
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text that doesn't show itself in debug output.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// One tenant's place in a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tenancy {
    /// The database, bucket or key prefix.
    pub schema: Schema,
    /// Who may reach it.
    pub user: User,
    /// The user's password, in stores that have them; etcd knows users by their certificate.
    pub password: Option<Secret>,
    /// The tenant whose both are.
    pub owner: Owner,
    /// True if the tenant's status says that both were set up for it: then what carries no record
    /// yet may be the tenant's, made by an older build.
    pub recorded: bool,
    /// The former owner whose records pass to the tenant.
    pub succeeds: Option<Owner>,
}

impl Tenancy {
    /// Parses the names of a tenancy without a password.
    pub fn parse(schema: &str, user: &str, owner: Owner) -> Result<Self, NameError> {
        Ok(Self {
            schema: Schema::parse(schema)?,
            user: User::parse(user)?,
            password: None,
            owner,
            recorded: false,
            succeeds: None,
        })
    }

    /// The same tenancy with a password.
    #[must_use]
    pub fn with_password(self, password: Secret) -> Self {
        Self {
            password: Some(password),
            ..self
        }
    }
}

#[cfg(test)]
mod tests;
