//! What is a tenant's client told when writes are not let through? (sections 2.4 and 3.11)
//!
//! Which writes are asked about is said by the webhook configuration inside the tenant; whatever
//! arrives here that writes is denied.

/// What a client of a tenant wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Create an object.
    Create,
    /// Change an object.
    Update,
    /// Delete an object.
    Delete,
    /// Connect to one, as exec does.
    Connect,
}

/// Why writes are not let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    /// `spec.writePermissions` says so.
    WritePermissions,
    /// The tenant's data is being moved.
    Migration,
}

/// The answer: `None` lets it through.
pub fn denial(gate: Gate, operation: Operation) -> Option<String> {
    let verb = match operation {
        Operation::Create => "creating",
        Operation::Update => "changing",
        Operation::Delete => "deleting",
        Operation::Connect => return None,
    };
    Some(match gate {
        Gate::WritePermissions => format!(
            "{verb} objects is blocked for this control plane: its provider has set spec.writePermissions of the TenantControlPlane; ask them to lift it"
        ),
        Gate::Migration => format!(
            "{verb} objects is not possible for the moment: the data of this control plane is being moved to another datastore; try again when that is done"
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_write_is_denied_with_a_reason_and_connections_pass() {
        for gate in [Gate::WritePermissions, Gate::Migration] {
            for operation in [Operation::Create, Operation::Update, Operation::Delete] {
                assert!(denial(gate, operation).is_some_and(|text| text.contains("objects is")));
            }
            assert_eq!(denial(gate, Operation::Connect), None);
        }
    }
}
