//! How are other management clusters reached and followed?

use crate::interest::Interests;

/// Other management clusters that a control plane refers to.
#[derive(Default)]
pub struct Externals {}

impl Externals {
    /// Ends what nobody is interested in any more.
    #[expect(clippy::unused_self, reason = "for now")]
    pub fn sweep(&self, _: &Interests) {}
}
