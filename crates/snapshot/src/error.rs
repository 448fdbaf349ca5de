//! Errors of reading and writing snapshots.

use std::io;

use crate::limits;

/// Reason for which a snapshot cannot be written or read; the caller names the file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file cannot be read or written.
    #[error("{doing}: {source}")]
    Io {
        /// The operation, for example `writing /backup/demo.snap`.
        doing: String,
        /// Cause by the operating system.
        source: io::Error,
    },
    /// The file is something else.
    #[error("it is not a snapshot of kamaji: its first bytes are others; check the name")]
    NotASnapshot,
    /// A newer build wrote the file, with the version of its format.
    #[error(
        "its format {0} is newer than this build: use the kamaji that wrote it, or a later one"
    )]
    Newer(u32),
    /// Bytes are missing at the end.
    #[error("it ends too early: it was cut off; download or save it again")]
    Truncated,
    /// The content contradicts itself.
    #[error("it was altered or damaged: {0}; download or save it again")]
    Damaged(String),
    /// A length or a number exceeds its bound.
    #[error("{what} exceeds the bound of {most}: {remedy}")]
    TooLarge {
        /// Part of the file that is too large.
        what: String,
        /// Most that is allowed.
        most: u64,
        /// Next action of a person.
        remedy: &'static str,
    },
    /// No key opens the file.
    #[error("it is encrypted, and no key that was given opens it: {0}")]
    Locked(&'static str),
    /// The file is not encrypted, although a key was given.
    #[error(
        "it is not encrypted, and a key was given: whoever can write to where it lies can have made it; check the name, \
         or read it by --plain instead of the key if it was saved so"
    )]
    Unencrypted,
    /// A name of a file or an object cannot be used.
    #[error("{text}: {reason}")]
    Location {
        /// The name as it was given.
        text: String,
        /// Flaw of the name, and the remedy.
        reason: String,
    },
    /// An object store refuses or cannot be reached.
    #[error("{url}: {doing}: {source}; check name, credentials and endpoint")]
    Bucket {
        /// URL of the object.
        url: String,
        /// The operation that failed.
        doing: &'static str,
        /// Error of the object store.
        source: Box<object_store::Error>,
    },
    /// A recipient or an identity cannot be read.
    #[error("the age key {text:?} cannot be used: {reason}")]
    Key {
        /// The recipient, or the name of the file of the identity.
        text: String,
        /// Flaw of the key, and the remedy.
        reason: String,
    },
}

impl Error {
    /// Error of an operation on a file.
    pub fn io(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Io { doing, source }
    }

    /// Error of a read from the body: what ends early was cut off, everything else is damage.
    pub(crate) fn body(source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::UnexpectedEof => Self::Truncated,
            _ => Self::Damaged(source.to_string()),
        }
    }

    /// Error of a part of a file that no honest tenant has.
    pub(crate) fn hostile(what: impl Into<String>, most: usize) -> Self {
        Self::TooLarge {
            what: what.into(),
            most: most as u64,
            remedy: "kamaji writes no such file; save it again",
        }
    }

    /// Error of a file whose data is more than the caller asked for.
    pub(crate) fn data(most: u64) -> Self {
        Self::TooLarge {
            what: "its decompressed data".to_owned(),
            most,
            remedy: "if the tenant has that much, raise --max-data",
        }
    }

    /// Error of a tenant that changes too many keys while it is saved.
    pub(crate) fn changed() -> Self {
        Self::TooLarge {
            what: "the number of keys that were changed while the snapshot was saved".to_owned(),
            most: limits::CHANGED as u64,
            remedy: "save it at a time when the tenant writes less",
        }
    }
}
