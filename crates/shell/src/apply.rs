//! The write door: [`Writer`] sends every write of the operator and the provider to an API server.
//!
//! A write is sent only while this replica leads, is counted by verb and resource, and is dropped if the
//! leadership ends before the answer. An object that is written over and over is refused for some minutes with an
//! error that names the disputed field and the other field manager.
//!
//! - `planned`: objects of a tenant's plan, by server-side apply;
//! - `own`: status, finalizers and annotations of TenantControlPlanes, DataStores and KamajiControlPlanes;
//! - `foreign`: objects of any other kind.

mod address;
mod error;
mod foreign;
mod own;
mod planned;
mod writer;

pub use address::Address;
pub use error::WriteError;
pub use kamaji_core::adoption::MANAGER;
pub use writer::Writer;
