//! Authority of a tenant cluster: the CA that signs its leaves, and the CAs that its clients and servers trust.
//!
//! Both are one certificate as a rule. While one CA follows another the trusted ones are two, and either of them
//! signs, wherever it stands in the bundle: the private key says which.

use k8s_openapi::jiff::Timestamp;

use super::{
    authority::{Authority, AuthorityError},
    trust,
};

/// Most certificates of a bundle. Each kubeconfig carries the whole bundle, and a rotation needs two.
pub const MOST_TRUSTED: usize = 16;

/// A CA that signs, with the bundle of CAs that is trusted in its place.
#[derive(Clone, Debug)]
pub struct TenantAuthority {
    signer: Authority,
    trust_pem: Vec<u8>,
}

/// A reason why the material of a tenant's authority cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TenantAuthorityError {
    /// No certificate of the bundle can sign with the private key.
    #[error(transparent)]
    Signer(#[from] AuthorityError),
    /// The bundle has more than [`MOST_TRUSTED`] certificates.
    #[error(
        "it has {0} certificates, and at most {MOST_TRUSTED} are accepted: remove those that signed nothing that is still in use"
    )]
    TooMany(usize),
}

impl TenantAuthority {
    /// Loads a bundle of CA certificates, and the private key of one of them, which signs. The bundle is kept byte
    /// for byte. Fails if no certificate up to the signer can be read, or none can sign at `now`.
    pub fn load(
        bundle_pem: &[u8],
        key_pem: &[u8],
        now: Timestamp,
    ) -> Result<Self, TenantAuthorityError> {
        let blocks = trust::blocks(bundle_pem);
        let signer = match blocks.len() {
            0 | 1 => Authority::load(bundle_pem, key_pem, now)?,
            2..=MOST_TRUSTED => find_signer(&blocks, key_pem, now)?,
            count => return Err(TenantAuthorityError::TooMany(count)),
        };
        Ok(Self {
            signer,
            trust_pem: bundle_pem.to_vec(),
        })
    }

    /// Returns the CA that signs; its certificate's PEM is that of this CA alone.
    pub fn signer(&self) -> &Authority {
        &self.signer
    }

    /// Returns the PEM of every CA that is trusted, the signer among them, as it was loaded or issued.
    pub fn trust_pem(&self) -> &[u8] {
        &self.trust_pem
    }

    /// True if other CAs are trusted beside the signer.
    pub fn trusts_others(&self) -> bool {
        self.signer.certificate_pem() != self.trust_pem
    }
}

impl From<Authority> for TenantAuthority {
    /// An authority that is trusted alone.
    fn from(signer: Authority) -> Self {
        Self {
            trust_pem: signer.certificate_pem().to_vec(),
            signer,
        }
    }
}

/// The first certificate that can sign with the key; else the reason why the one that the key belongs to cannot.
fn find_signer(
    blocks: &[Vec<u8>],
    key_pem: &[u8],
    now: Timestamp,
) -> Result<Authority, AuthorityError> {
    let mut reason = AuthorityError::Mismatch;
    for block in blocks {
        match Authority::load(block, key_pem, now) {
            Ok(signer) => return Ok(signer),
            Err(AuthorityError::Mismatch) => {}
            Err(damaged @ (AuthorityError::Certificate(_) | AuthorityError::Key(_))) => {
                return Err(damaged);
            }
            Err(unusable) => reason = unusable,
        }
    }
    Err(reason)
}

#[cfg(test)]
mod tests;
