//! Bundles of CA certificates: the authorities that clients trust, apart from the one authority that signs.
//!
//! While one CA follows another a bundle holds both, so that clients accept leaves of either.

use super::certificate::Certificate;

/// A CA certificate that clients trust, with the text it was read from.
#[derive(Clone, Debug, PartialEq)]
pub struct TrustedAuthority {
    /// The parsed CA certificate.
    pub certificate: Certificate,
    /// PEM of the certificate, byte for byte as it was read or issued.
    pub pem: Vec<u8>,
}

/// An ordered list of trusted CA certificates; empty if there are none.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TrustBundle {
    authorities: Vec<TrustedAuthority>,
}

impl TrustBundle {
    /// Reads every certificate of a PEM file, in order. Blocks that cannot be read are left out, since one
    /// damaged certificate must not take the trust in the others away.
    pub fn parse(pem: &[u8]) -> Self {
        let authorities = blocks(pem)
            .into_iter()
            .filter_map(|pem| {
                let certificate = Certificate::from_pem(&pem).ok()?;
                Some(TrustedAuthority { certificate, pem })
            })
            .collect();
        Self { authorities }
    }

    /// Returns the bundle as a PEM file: the texts of its certificates, in order.
    pub fn to_pem(&self) -> Vec<u8> {
        let pems = self.authorities.iter().map(|trusted| trusted.pem.clone());
        pems.collect::<Vec<_>>().concat()
    }

    /// Appends a CA certificate at the end.
    pub fn push(&mut self, trusted: TrustedAuthority) {
        self.authorities.push(trusted);
    }

    /// Appends the certificates of another bundle, in their order.
    pub fn append(&mut self, other: Self) {
        self.authorities.extend(other.authorities);
    }

    /// Removes and returns the first certificate; `None` if the bundle is empty.
    pub fn take_first(&mut self) -> Option<TrustedAuthority> {
        (!self.authorities.is_empty()).then(|| self.authorities.remove(0))
    }

    /// Drops the certificates for which `keep` is false; true if any was dropped.
    pub fn retain(&mut self, keep: impl Fn(&Certificate) -> bool) -> bool {
        let before = self.authorities.len();
        self.authorities
            .retain(|trusted| keep(&trusted.certificate));
        self.authorities.len() < before
    }

    /// True if one of the authorities signed `leaf`. Validity in time is not checked.
    pub fn trusts(&self, leaf: &Certificate) -> bool {
        self.certificates().any(|issuer| leaf.is_signed_by(issuer))
    }

    /// Returns the parsed certificates, in order.
    pub fn certificates(&self) -> impl Iterator<Item = &Certificate> {
        self.authorities.iter().map(|trusted| &trusted.certificate)
    }

    /// Returns the number of certificates.
    pub fn len(&self) -> usize {
        self.authorities.len()
    }

    /// True if the bundle has no certificate.
    pub fn is_empty(&self) -> bool {
        self.authorities.is_empty()
    }
}

/// Splits a PEM file into its certificates, each with the comments before it.
pub(super) fn blocks(pem: &[u8]) -> Vec<Vec<u8>> {
    const END: &str = "-----END CERTIFICATE-----";
    let text = String::from_utf8_lossy(pem);
    let mut parts: Vec<&str> = text.split(END).collect();
    parts.pop();
    parts
        .into_iter()
        .map(|part| format!("{}{END}\n", part.trim_start()).into_bytes())
        .collect()
}

#[cfg(test)]
mod tests;
