//! Identity of the attempt at a migration that a test makes.

use kamaji_datastore::FenceId;

/// The identity of the only attempt of a test.
pub fn attempt() -> FenceId {
    FenceId::parse("uid-of-cp-a/1").unwrap()
}
