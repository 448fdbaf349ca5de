//! Transfer of a tenant's data from and to kine's table, and the fence before the last part of it.
//!
//! Sessions are the tenant's own: what a tenant has planted in its database must not run as the administrator.

mod fence;
mod inserts;
mod link;
mod reader;
mod rows;
mod table;
mod writer;

pub(super) use fence::{drain, last_write};
pub(super) use link::Link;
pub(super) use reader::TableReader;
pub(super) use table::prepare;
pub(super) use writer::TableWriter;
