//! Renewal of leaf certificates: an ordered list of rules, the first violated one of which is the reason to renew.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;

use super::{
    authority::Authority,
    certificate::{Certificate, CertificateError},
    key::{Key, KeyError},
    leaf::LeafRequest,
    validity::before,
    verification_cache::{self, Check},
};
use crate::{checksum, rng::Seed, spread};

/// A leaf certificate as it is stored, and the request and authority that it should conform to.
pub struct Subject<'a> {
    /// Name of the leaf's purpose, for its stream of randomness.
    pub purpose: &'static str,
    /// Content that the certificate should have.
    pub request: &'a LeafRequest,
    /// Authority that should have signed the certificate.
    pub authority: &'a Authority,
    /// PEM of the stored certificate; `None` if there is none.
    pub certificate: Option<&'a [u8]>,
    /// PEM of the stored key; `None` if there is none.
    pub key: Option<&'a [u8]>,
    /// True if a person requested a new certificate.
    pub rotate: bool,
}

impl Subject<'_> {
    /// Returns the name of the leaf's stream of randomness. A leaf that is issued again from the same seed because its
    /// request or its authority changed gets another key and serial number.
    pub fn stream(&self) -> String {
        let authority = checksum::pieces(&[&self.authority.certificate().der]);
        format!("{} {:?} {authority}", self.purpose, self.request)
    }
}

/// The decision about a leaf, or about a file that has one in it: kept or issued again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict<R = Reason> {
    /// Every rule is met until `due`.
    Keep {
        /// Time of the next evaluation.
        due: Timestamp,
    },
    /// A new one is issued, for this reason.
    Renew(R),
}

impl<R> From<Result<Timestamp, R>> for Verdict<R> {
    /// The verdict of rules that return when a leaf is due, or the first violation.
    fn from(examined: Result<Timestamp, R>) -> Self {
        match examined {
            Ok(due) => Self::Keep { due },
            Err(reason) => Self::Renew(reason),
        }
    }
}

/// The rule that a leaf violates, as the reason to issue it again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// Certificate or key is missing or blank.
    #[error("there is none yet")]
    Missing,
    /// A person requested the rotation.
    #[error("rotation was requested")]
    RotationRequested,
    /// Certificate or key cannot be read.
    #[error("it cannot be read: {0}")]
    Unreadable(String),
    /// Certificate and key belong to different pairs.
    #[error("its key belongs to another certificate")]
    KeyMismatch,
    /// Another authority signed the certificate.
    #[error("another authority signed it")]
    IssuedByAnother,
    /// An extended key usage of the request is missing.
    #[error("it may not be used as it should")]
    UsageMissing,
    /// The subject is not the requested one.
    #[error("its subject is {0}")]
    SubjectDiffers(String),
    /// A DNS name or address of the request is missing.
    #[error("it lacks the name {0}")]
    NameMissing(String),
    /// The certificate becomes valid later than now.
    #[error("it is not valid before {0}")]
    NotYetValid(Timestamp),
    /// The certificate ends within the threshold.
    #[error("it ends at {0}")]
    Ends(Timestamp),
}

/// Evaluates a leaf at `now`. A leaf that ends within `threshold` is renewed; a threshold longer than half of the
/// leaf's life counts as half of it.
pub fn evaluate(subject: &Subject, now: Timestamp, threshold: Duration) -> Verdict {
    examine(subject, now, threshold).into()
}

/// A leaf certificate that was kept or issued, in PEM.
pub struct Leaf {
    /// Certificate without the certificate of its authority.
    pub certificate: Vec<u8>,
    /// Private key of the certificate.
    pub key: Vec<u8>,
    /// True if the leaf was issued, false if the stored one was kept.
    pub fresh: bool,
    /// Time of the next evaluation.
    pub due: Timestamp,
}

/// Keeps the leaf of `subject` if [`evaluate`] does, else issues another with randomness of `seed`.
pub fn keep_or_issue(subject: &Subject, now: Timestamp, threshold: Duration, seed: &Seed) -> Leaf {
    if let Verdict::Keep { due } = evaluate(subject, now, threshold) {
        return Leaf {
            certificate: subject.certificate.unwrap_or_default().to_vec(),
            key: subject.key.unwrap_or_default().to_vec(),
            fresh: false,
            due,
        };
    }
    let mut entropy = seed.for_purpose(&subject.stream());
    let pair = subject.authority.sign(subject.request, now, &mut entropy);
    Leaf {
        certificate: pair.certificate_pem.into_bytes(),
        key: pair.key_pem.into_bytes(),
        fresh: true,
        due: next_deadline(pair.not_after, threshold),
    }
}

/// Returns the remaining life below which leaves of the tenant of that uid are renewed: between half of `deadline` and
/// all of it, so that tenants of one age are not renewed at the same time.
pub fn threshold(deadline: Duration, uid: &str) -> Duration {
    deadline.mul_f64(1.0 - spread::share(uid, "certificates") / 2.0)
}

/// Returns the time at which a leaf that ends at `not_after` is evaluated again: `threshold` before.
pub fn next_deadline(not_after: Timestamp, threshold: Duration) -> Timestamp {
    before(not_after, threshold)
}

/// Applies the rules in order: returns when the leaf is due, or the first violation.
fn examine(subject: &Subject, now: Timestamp, threshold: Duration) -> Result<Timestamp, Reason> {
    if subject.rotate {
        return Err(Reason::RotationRequested);
    }
    let (Some(pem), Some(key)) = (subject.certificate, subject.key) else {
        return Err(Reason::Missing);
    };
    let unreadable = |e: &dyn std::error::Error| Reason::Unreadable(e.to_string());
    let certificate = match Certificate::from_pem(pem) {
        Err(CertificateError::Missing) => return Err(Reason::Missing),
        read => read.map_err(|e| unreadable(&e))?,
    };
    verification_cache::once(Check::Pair, &[pem, key], || match Key::from_pem(key) {
        Err(KeyError::Missing) => Err(Reason::Missing),
        Err(error) => Err(unreadable(&error)),
        Ok(key) if key.matches(&certificate) => Ok(()),
        Ok(_) => Err(Reason::KeyMismatch),
    })?;
    if !certificate.is_signed_by(subject.authority.certificate()) {
        return Err(Reason::IssuedByAnother);
    }
    check_content(&certificate, subject.request)?;
    check_validity(&certificate, subject.authority, now, threshold)
}

/// Applies the rules about time. A rule does not count where a new leaf would violate it, too, else leaves would be
/// issued again in each pass: near the authority's end, on a clock that is before its beginning, and with a threshold
/// that is longer than leaves are valid.
fn check_validity(
    certificate: &Certificate,
    authority: &Authority,
    now: Timestamp,
    threshold: Duration,
) -> Result<Timestamp, Reason> {
    let Certificate {
        not_before,
        not_after,
        ..
    } = *certificate;
    let authority = authority.certificate();
    if not_before > now && not_before > authority.not_before {
        return Err(Reason::NotYetValid(not_before));
    }
    if not_after >= authority.not_after {
        return Ok(authority.not_after);
    }
    let life = Duration::try_from(not_after.duration_since(not_before)).unwrap_or_default();
    let due = next_deadline(not_after, threshold.min(life / 2));
    if due <= now {
        return Err(Reason::Ends(not_after));
    }
    Ok(due)
}

/// Compares usages, subject and names with the request. Names beyond the request are accepted.
fn check_content(certificate: &Certificate, request: &LeafRequest) -> Result<(), Reason> {
    if !request
        .usages
        .iter()
        .all(|usage| certificate.usages.contains(usage))
    {
        return Err(Reason::UsageMissing);
    }
    if certificate.common_name != request.common_name
        || certificate.organizations != request.organizations
    {
        let parts = certificate.organizations.iter().map(|o| format!(", O={o}"));
        let rest: String = parts.collect();
        let subject = format!("CN={}{rest}", certificate.common_name);
        return Err(Reason::SubjectDiffers(subject));
    }
    let dns = request
        .dns_names()
        .find(|name| !certificate.dns_names.iter().any(|have| have == name))
        .map(str::to_owned);
    let ip = request
        .ip_addresses
        .iter()
        .find(|ip| !certificate.ip_addresses.contains(ip));
    match dns.or_else(|| ip.map(ToString::to_string)) {
        Some(name) => Err(Reason::NameMissing(name)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
