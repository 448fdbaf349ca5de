//! A `TenantControlPlane` whose text has been parsed and checked.
//!
//! Every mistake in a tenant's own text is found by [`Tenant::parse`], so that rendering cannot fail afterwards.

mod error;
mod hold;
mod mended;
mod network;
mod parsed;
mod version;

pub use error::ParseError;
pub use hold::Hold;
pub use kamaji_api::NEWEST_MINOR;
pub use mended::Mended;
pub use network::{Network, default_dns, first_address};
pub use parsed::{Tenant, owner_reference};
pub use version::{OLDEST_MINOR, Version};

#[cfg(test)]
pub(crate) use network::SAN_CHECKS;
pub(crate) use network::is_san;

#[cfg(test)]
mod tests;
