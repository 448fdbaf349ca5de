//! What did a driver write?

use std::fmt;

/// One thing written to a store.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// The owner records of schema and user were written.
    OwnerRecorded,
    /// The owner records were deleted.
    OwnerForgotten,
    /// A role that was missing was created.
    RoleCreated(String),
    /// A role was deleted, and with it everybody's binding to it.
    RoleRemoved(String),
    /// A role was given its own key range.
    RangeGranted(String),
    /// A key range that is not the role's own was taken from it.
    RangeRevoked(String),
    /// A user that was missing was created.
    UserCreated(String),
    /// A user was deleted.
    UserRemoved(String),
    /// A user was bound to its role.
    RoleBound(String),
    /// A role that is not the user's own was taken from it.
    RoleUnbound(String),
    /// This many keys were deleted.
    KeysRemoved(u64),
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OwnerRecorded => f.write_str("owner recorded"),
            Self::OwnerForgotten => f.write_str("owner record removed"),
            Self::RoleCreated(role) => write!(f, "role {role} created"),
            Self::RoleRemoved(role) => write!(f, "role {role} removed"),
            Self::RangeGranted(range) => write!(f, "range {range} granted"),
            Self::RangeRevoked(range) => write!(f, "foreign range {range} revoked"),
            Self::UserCreated(user) => write!(f, "user {user} created"),
            Self::UserRemoved(user) => write!(f, "user {user} removed"),
            Self::RoleBound(role) => write!(f, "role {role} bound"),
            Self::RoleUnbound(role) => write!(f, "foreign role {role} unbound"),
            Self::KeysRemoved(count) => write!(f, "{count} keys removed"),
        }
    }
}

/// Everything one call wrote, in the order in which it was written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Change {
    /// The writes.
    pub steps: Vec<Step>,
}

impl Change {
    /// Whether nothing was written.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Whether access that nobody should have had was taken away: worth an event.
    pub fn closed_a_breach(&self) -> bool {
        self.steps
            .iter()
            .any(|step| matches!(step, Step::RangeRevoked(_) | Step::RoleUnbound(_)))
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
