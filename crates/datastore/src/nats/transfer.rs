//! Transfer of a tenant's data from and to the bucket in which kine keeps it.
//!
//! A message of the bucket is one version of one key, and its number in the stream is the revision. Connections are a
//! transfer's own, so that large answers hold up no other operation.

mod consumer;
mod deletions;
mod entry;
mod keys;
mod link;
mod listing;
mod messages;
mod place;
mod publish;
mod reader;
mod s2;
mod writer;

pub(super) use link::Link;
pub(super) use reader::BucketReader;
pub(super) use writer::BucketWriter;
