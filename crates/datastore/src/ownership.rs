//! Ownership of a name in a datastore, decided from its owner record. Pure code that every driver uses.

use kamaji_api::owner::Owner;

use crate::error::{Error, Site};
use crate::tenancy::Tenancy;

/// Ownership of a name, as seen by the tenant that claims it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Recorded as the tenant's.
    Own,
    /// The name is unused: it has no record, role, user or keys.
    Free,
    /// Without a record, but set up for the tenant by an older build.
    Unrecorded,
    /// Recorded as that of the owner whom the tenant succeeds.
    Inherited,
}

/// Ownership of both names of a tenancy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Standings {
    /// Ownership of the schema.
    pub(crate) schema: Standing,
    /// Ownership of the user.
    pub(crate) user: Standing,
}

impl Standings {
    /// Both decisions, or the error of the first name that is denied; `site` makes the site of an operation.
    pub(crate) fn of(
        tenancy: &Tenancy,
        schema: Result<Standing, Denial>,
        user: Result<Standing, Denial>,
        site: impl Fn(String) -> Site,
    ) -> Result<Self, Error> {
        let granted = |what, name: &str, decided: Result<Standing, Denial>| {
            let site = || site(format!("claiming {what} {name}"));
            decided.map_err(|denial| denial.into_error(site(), what, name))
        };
        Ok(Self {
            schema: granted("schema", tenancy.schema.as_str(), schema)?,
            user: granted("user", tenancy.user.as_str(), user)?,
        })
    }

    /// True if both names are recorded as the tenant's.
    pub(crate) fn are_own(self) -> bool {
        self.schema == Standing::Own && self.user == Standing::Own
    }
}

/// Reason for which a tenant may not have a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Denial {
    /// The record names another tenant.
    Owned(Box<Owner>),
    /// The name is in use without a record, or with a record that cannot be read.
    Foreign(String),
}

/// Decides ownership from the record alone; `None` without a record.
pub(crate) fn recorded(
    record: Option<&[u8]>,
    tenancy: &Tenancy,
) -> Result<Option<Standing>, Denial> {
    let Some(record) = record else {
        return Ok(None);
    };
    let owner = Owner::parse(record)
        .map_err(|error| Denial::Foreign(format!("its owner record cannot be used: {error}")))?;
    if owner.is_same_tenant(&tenancy.owner) {
        Ok(Some(Standing::Own))
    } else if tenancy
        .succeeds
        .as_ref()
        .is_some_and(|old| old.is_same_tenant(&owner))
    {
        Ok(Some(Standing::Inherited))
    } else {
        Err(Denial::Owned(Box::new(owner)))
    }
}

/// Error of an operation at `site` whose owner records another writer changed meanwhile.
pub(crate) fn overtaken(site: Site, tenancy: &Tenancy) -> Error {
    Error::Protocol {
        site,
        cause: format!(
            "the owner record of schema {} or user {} was changed meanwhile by somebody else; it \
             is tried again by itself",
            tenancy.schema, tenancy.user
        ),
    }
}

impl Denial {
    /// The error of a claim of `name` at `site`; `what` is `schema` or `user`.
    pub(crate) fn into_error(self, site: Site, what: &'static str, name: &str) -> Error {
        let name = name.to_owned();
        match self {
            Self::Owned(owner) => Error::Owned {
                site,
                what,
                name,
                owner,
            },
            Self::Foreign(reason) => Error::Foreign {
                site,
                what,
                name,
                reason,
            },
        }
    }
}
