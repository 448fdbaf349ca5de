//! Number of tenants that come and go in a test.

/// Cycles of creation and deletion: a handful, and in `make soak` 200.
pub fn cycles() -> usize {
    if std::env::var_os("KAMAJI_SOAK").is_some() {
        200
    } else {
        12
    }
}
