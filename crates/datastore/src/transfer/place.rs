//! Place of a writer at a target: a random text that is noted beside the owner record, where no tenant can write.
//! A writer takes it when it is made, and every later change of an earlier writer is refused.

use std::fmt::Write as _;

use rand_core::{OsRng, RngCore};

use crate::error::{Error, Site};

/// A text that no other writer has: 32 hexadecimal digits.
pub(crate) fn draw() -> String {
    let mut random = [0; 16];
    OsRng.fill_bytes(&mut random);
    random.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Error of a writer that has `own` where `noted` is the place in force.
pub(crate) fn require(
    own: &str,
    noted: Option<&str>,
    site: impl FnOnce() -> Site,
) -> Result<(), Error> {
    if noted == Some(own) {
        Ok(())
    } else {
        Err(Error::Superseded { site: site() })
    }
}
