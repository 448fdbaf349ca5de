//! Answers to the clients of a tenant while writes to its API are blocked.
//!
//! The webhook configuration in the tenant cluster selects the writes that are reviewed; every write that is reviewed
//! is denied.

/// Operation that a client of a tenant requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Creation of an object.
    Create,
    /// Change of an object.
    Update,
    /// Deletion of an object.
    Delete,
    /// Connection to an object, as `kubectl exec` makes.
    Connect,
}

/// Reason why writes are blocked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    /// The field `spec.writePermissions` blocks them.
    WritePermissions,
    /// The tenant's data is being moved to another datastore.
    Migration,
}

/// Returns the message of the denial; `None` allows the operation.
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
