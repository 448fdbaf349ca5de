//! [`Query`]: the text of a query, and what it is sent for.

/// A query, and the operation that needs it in the words of errors.
#[derive(Clone, Copy)]
pub(super) struct Query<'a> {
    pub(super) doing: &'a str,
    pub(super) text: &'a str,
}

impl<'a> Query<'a> {
    /// Names the operation `doing` and the text of its query.
    pub(super) fn new(doing: &'a str, text: &'a str) -> Self {
        Self { doing, text }
    }
}
