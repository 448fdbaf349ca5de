//! Transfer of one tenant's data between datastores of any driver, or to a file and back.
//!
//! Every driver reads and writes the same [`Record`]s: a key below the root of the tenant's API server, its value
//! byte for byte, its revisions and its remaining time to live. A [`Reader`] pages through the keys and follows the
//! changes, a [`Writer`] applies them at the target. The root is `/<schema>/` in etcd and `/registry/` behind kine.
//!
//! A [`Copy`] moves the records of a tenant that goes on writing. The caller drives it step by step, may observe
//! [`Copy::progress`] or abort between two steps, and takes the tenant's right to write at the end:
//!
//! ```ignore
//! let mut copy = Copy::new(Ends { source, target, copied }, Roots::Different);
//! while copy.step().await? != Phase::Ready {} // copies, follows and verifies while the tenant writes
//! let fenced = store.fence(&read_only).await?; // from here on the tenant's writes are refused
//! let report = copy.finish(fenced).await?; // last changes, last comparison, revision of the target
//! ```
//!
//! [`copy_all`] does the same for data that nobody changes.

mod copy;
mod cursor;
mod digest;
mod ends;
mod error;
mod follow;
pub(crate) mod kine;
mod pace;
pub(crate) mod place;
mod record;
mod settle;
mod state;
mod verify;

pub use copy::{Copy, copy_all};
pub use cursor::Cursor;
pub use digest::{Digest, Digests};
pub use ends::{BATCH_BYTES, BATCH_RECORDS, Changes, Followed, Page, Reader, Writer};
pub use error::{CopyError, Difference};
pub use follow::changes_until;
pub use record::{Op, Record};
pub use state::{Ends, Phase, Progress, Report, Roots};

#[cfg(test)]
mod tests;
