//! Files with a snapshot of one tenant: its objects of the management cluster and the data of its API server.
//!
//! | part | content |
//! |---|---|
//! | preamble | magic, version of the format, [`Header`] as JSON; never encrypted, so that files can be listed |
//! | body | frames, compressed by zstd, and encrypted by age unless [`Seal::Plain`] was asked for |
//! | trailer | SHA-256 of everything before it |
//!
//! Frames are Kubernetes objects, then the [`Op`](kamaji_datastore::transfer::Op)s of a transfer in their order,
//! then one [`Footer`] with counts and a SHA-256 of preamble and frames. The operations are a log: whoever applies
//! all of them in order has the tenant's data at the revision of the footer, although the tenant wrote meanwhile.
//!
//! Streams of other formats use the same compression and encryption: [`StreamWriter`], [`SnapshotFile::stream`].
//!
//! Nothing in a file is trusted: [`SnapshotFile::check`] reads all of it before anything is written anywhere, and
//! [`limits`] has a bound for every length that a file decides.

mod bucket;
mod clone;
mod decoder;
mod encoder;
mod encryption;
mod error;
mod file;
mod frame;
mod header;
pub mod limits;
mod listing;
mod replay;
pub mod restore;
mod save;
mod seal;
mod state;
mod stream;

pub use bucket::Bucket;
pub use clone::is_dropped;
pub use decoder::{Decoder, Item, Next};
pub use encoder::Encoder;
pub use encryption::{EncryptionKey, EncryptionKeys};
pub use error::Error;
pub use file::{Checked, NewFile, SnapshotFile};
pub use header::{Footer, Header, root};
pub use listing::{Listed, Listing, list};
pub use replay::{Order, Replay};
pub use save::{Plan, SaveError, save};
pub use seal::{Keys, Proof, Seal};
pub use state::State;
pub use stream::{SEALED_ENDING, StreamReader, StreamWriter};
