//! Keys and certificates: issuing, reading, checking, renewing, rotating and summarising them.
//!
//! Pure code: the time and the source of randomness are arguments, so that a plan made twice from the same
//! snapshot has the same keys in it.
//!
//! * `key`, `certificate`, `authority`, `leaf`: private keys, parsed certificates, CAs that can sign, requests.
//! * `leaves`: the leaf certificates of a control plane; `kubeconfig`, `service_account`: the other credentials.
//! * `renew`: the rules by which a leaf is kept or issued again; `expiry`: ends that people hear of.
//! * `tenant_authority`: a tenant's CA that signs, with the CAs that are trusted in its place.
//! * `trust`, `rotation`: bundles of trusted CAs, and the phases in which one CA follows another.
//! * `webhook_certificate`: the serving certificate of the operator's own webhooks, which is built on `rotation`.
//! * `summary`: Secrets shown without their keys.
//! * `verification_cache`: checks that succeeded before; `tally`: the number of costly operations, for tests.

pub mod authority;
pub mod certificate;
mod der;
pub mod expiry;
#[cfg(test)]
mod fixture;
pub mod key;
pub mod kubeconfig;
pub mod leaf;
pub mod leaves;
pub mod renew;
pub mod rotation;
pub mod service_account;
pub mod summary;
pub(crate) mod tally;
pub mod tenant_authority;
pub mod trust;
mod validity;
mod verification_cache;
pub mod webhook_certificate;
mod x509;
