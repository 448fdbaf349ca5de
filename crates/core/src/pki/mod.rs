//! How are keys and certificates made, read, judged and shown? Pure: time and randomness are
//! arguments. (management-cluster specification, sections 5 and 12)

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
pub mod service_account;
pub mod summary;
mod verification_cache;
mod x509;
