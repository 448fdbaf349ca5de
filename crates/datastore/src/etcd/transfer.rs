//! Transfer of one tenant's data from and to etcd.

mod grants;
mod leases;
mod reader;
mod scope;
mod watch;
mod writer;

pub(super) use reader::EtcdReader;
pub(super) use writer::EtcdWriter;
