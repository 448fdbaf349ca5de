//! Fixed time, randomness and authorities for the tests of this module.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;

use super::{
    authority::{self, Authority},
    key::{Key, KeyAlgorithm},
    x509::{self, Body, Extension},
};
use crate::rng::{Entropy, Seed};

pub(super) const DAY: Duration = Duration::from_hours(24);

/// A fixed time in 2026.
pub(super) fn now() -> Timestamp {
    Timestamp::from_second(1_790_000_000).expect("a day in 2026")
}

/// The stream of `purpose`, the same in each test.
pub(super) fn entropy(purpose: &str) -> Entropy {
    Seed::from_text("tests").for_purpose(purpose)
}

/// A CA that was issued at [`now`].
pub(super) fn authority() -> Authority {
    authority::issue(
        "kubernetes",
        KeyAlgorithm::EcdsaP256,
        now(),
        &mut entropy("ca"),
    )
}

/// A self-signed certificate that was issued elsewhere, and its key.
pub(super) struct Foreign {
    pub subject: Vec<u8>,
    pub not_before: Timestamp,
    pub not_after: Timestamp,
    pub extensions: Vec<Extension>,
    pub key: Key,
}

impl Foreign {
    /// A CA that can sign.
    pub fn new() -> Self {
        Self {
            subject: x509::name(&[], "theirs"),
            not_before: now() - DAY,
            not_after: now() + 100 * DAY,
            extensions: vec![Extension::basic_constraints(true)],
            key: Key::generate(KeyAlgorithm::EcdsaP256, &mut entropy("theirs")),
        }
    }

    /// Certificate and key, as PEM.
    pub fn pems(self) -> (String, String) {
        let body = Body {
            issuer: &self.subject,
            subject: &self.subject,
            not_before: self.not_before,
            not_after: self.not_after,
            key: &self.key,
            extensions: self.extensions,
        };
        let der = x509::sign(body, &self.key, &mut entropy("sign"));
        (x509::pem(der), self.key.to_pem())
    }

    /// The loaded CA.
    pub fn load(self) -> Authority {
        let (certificate, key) = self.pems();
        Authority::load(certificate.as_bytes(), key.as_bytes(), now()).expect("a good CA")
    }
}
