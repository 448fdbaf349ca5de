//! A tenant's share of a datastore: its schema, its user, and the owner that both are recorded for.

use std::fmt;

use kamaji_api::{datastore::Driver, owner::Owner};
use kamaji_core::binding::names::{self, NameProblem, Part};
use thiserror::Error;

/// A text that cannot name a tenant's schema or user in a datastore.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the datastore {what} {name:?} {problem}")]
pub struct NameError {
    /// Kind of the name, `schema` or `user`.
    pub what: &'static str,
    /// The text that was refused.
    pub name: String,
    /// Flaw of the name, and the remedy.
    pub problem: NameProblem,
}

/// Parses a name by the rules of [`names::examine`], which admission and plans use, too.
fn parse(driver: Driver, part: Part, text: &str) -> Result<String, NameError> {
    match names::examine(part, text, Some(driver)) {
        Ok(()) => Ok(text.to_owned()),
        Err(problem) => Err(NameError {
            what: part.as_str(),
            name: text.to_owned(),
            problem,
        }),
    }
}

/// Name of a tenant's database, bucket or key prefix: never empty, without `/`, not one of the
/// administrator's or the operator's.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Schema(String);

impl Schema {
    /// Parses the name of a schema by the rules of `driver`.
    pub fn parse(driver: Driver, text: &str) -> Result<Self, NameError> {
        parse(driver, Part::Schema, text).map(Self)
    }

    /// The name as text, not quoted for any query language.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Name of a tenant's user: never empty, without `/`, not one of the administrator's or the
/// operator's.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct User(String);

impl User {
    /// Parses the name of a user by the rules of `driver`.
    pub fn parse(driver: Driver, text: &str) -> Result<Self, NameError> {
        parse(driver, Part::User, text).map(Self)
    }

    /// The name as text, not quoted for any query language.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text that is left out of debug output.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a text so that debug output hides it.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text in the clear.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Rights of a tenant's user on its own data.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Access {
    /// The tenant reads and writes.
    #[default]
    ReadWrite,
    /// Every write of the tenant is refused: its data is about to be, or was, moved elsewhere. Reads go on where the
    /// driver can refuse the one without the other.
    ReadOnly,
}

/// One tenant's share of a datastore.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tenancy {
    /// The database, bucket or key prefix.
    pub schema: Schema,
    /// The only user that may reach the schema.
    pub user: User,
    /// Password of the user, in datastores that have passwords; etcd knows users by certificate.
    pub password: Option<Secret>,
    /// The tenant that owns schema and user.
    pub owner: Owner,
    /// True if the tenant's status says that both were set up for it: then a schema or user without
    /// an owner record may be the tenant's, made by an older build.
    pub recorded: bool,
    /// Former owner whose records pass to the tenant; `None` without a former owner.
    pub succeeds: Option<Owner>,
    /// Rights of the user on the schema.
    pub access: Access,
    /// Keys that a transfer, a fence or a removal is about, without the rest; `None` for all of them. Drivers other
    /// than etcd know no parts.
    pub part: Option<crate::part::Part>,
}

impl Tenancy {
    /// Parses the names of a tenancy by the rules of `driver`. The tenancy has no password, is not
    /// recorded and has no former owner.
    pub fn parse(
        driver: Driver,
        schema: &str,
        user: &str,
        owner: Owner,
    ) -> Result<Self, NameError> {
        Ok(Self {
            schema: Schema::parse(driver, schema)?,
            user: User::parse(driver, user)?,
            password: None,
            owner,
            recorded: false,
            succeeds: None,
            access: Access::ReadWrite,
            part: None,
        })
    }

    /// The same tenancy with another access.
    #[must_use]
    pub fn with_access(&self, access: Access) -> Self {
        Self {
            access,
            ..self.clone()
        }
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
