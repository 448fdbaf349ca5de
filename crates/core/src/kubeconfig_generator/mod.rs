//! Kubeconfigs that KubeconfigGenerators request: one Secret for each selected TenantControlPlane.
//!
//! - [`demand`] decides whether a generator requests a kubeconfig for a tenant;
//! - [`identity`] resolves user and groups, and refuses texts that a tenant's owner must not choose;
//! - [`ownership`] decides whether a live Secret is the generator's, and whether it is deleted;
//! - [`plan`] plans the Secret of one tenant;
//! - [`status`] sums the results of all tenants up.
//!
//! A generator is written by an administrator of the management cluster. A TenantControlPlane, and every Secret
//! beside it, may be written by the owner of its namespace, who gains nothing beyond what the generator grants.

pub mod demand;
#[cfg(test)]
mod fixture;
pub mod identity;
pub mod ownership;
pub mod plan;
mod server;
pub mod status;

use std::time::Duration;

use crate::pki::key::KeyAlgorithm;

/// Key of the kubeconfig in its Secret.
pub const VALUE: &str = "value";

/// Settings of the process that plans depend on.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Algorithm of new keys (`--key-algorithm`); keys that exist are kept.
    pub key_algorithm: KeyAlgorithm,
    /// Client certificates that end within this are issued again (`--certificate-expiration-deadline`).
    pub expiration_deadline: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            key_algorithm: KeyAlgorithm::EcdsaP256,
            expiration_deadline: Duration::from_hours(24),
        }
    }
}
