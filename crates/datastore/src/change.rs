//! The writes that one call of a driver made, for logs and tests.

use std::fmt;

/// One write to a datastore.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// The owner records of schema and user were written, or passed to a successor.
    OwnerRecorded,
    /// The owner records of schema and user were deleted.
    OwnerRemoved,
    /// A thing that was missing was created.
    Created(Item),
    /// A thing of the tenancy got the settings that it has to have.
    Corrected(Item),
    /// A thing of the tenancy was deleted.
    Removed(Item),
    /// Access that the tenant needs was granted; the text is the driver's, for example `role cp-a`.
    AccessGranted(String),
    /// Access beyond the tenant's own was revoked; the text is the driver's.
    AccessRevoked(String),
    /// The tenant's data was deleted; the number counts keys or rows.
    DataRemoved(u64),
}

/// A named thing that a tenancy consists of in a datastore.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// The datastore's own word for it: `role`, `user`, `database`, `bucket`.
    pub kind: &'static str,
    /// Name of the thing, as the datastore has it.
    pub name: String,
}

impl Item {
    /// Names a thing of a tenancy by the datastore's own word.
    pub fn new(kind: &'static str, name: impl Into<String>) -> Self {
        Self {
            kind,
            name: name.into(),
        }
    }
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.name)
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OwnerRecorded => f.write_str("owner recorded"),
            Self::OwnerRemoved => f.write_str("owner record removed"),
            Self::Created(item) => write!(f, "{item} created"),
            Self::Corrected(item) => write!(f, "{item} corrected"),
            Self::Removed(item) => write!(f, "{item} removed"),
            Self::AccessGranted(access) => write!(f, "{access} granted"),
            Self::AccessRevoked(access) => write!(f, "foreign {access} revoked"),
            Self::DataRemoved(count) => write!(f, "{count} keys removed"),
        }
    }
}

/// Writes of one call, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Change {
    /// Writes of the call; empty if the datastore was as desired already.
    pub steps: Vec<Step>,
}

impl Change {
    /// True if the call wrote nothing.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// True if the call revoked access beyond the tenant's own: until then the tenant could reach
    /// data of others, which an administrator has to know.
    pub fn revoked_access(&self) -> bool {
        let mut steps = self.steps.iter();
        steps.any(|step| matches!(step, Step::AccessRevoked(_)))
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("nothing");
        }
        for (index, step) in self.steps.iter().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            write!(f, "{separator}{step}")?;
        }
        Ok(())
    }
}
