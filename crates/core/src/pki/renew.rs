//! Is a leaf certificate due? An ordered list of rules; the first that is violated says why.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;

use super::{
    authority::Authority,
    certificate::{Certificate, CertificateError},
    key::{Key, KeyError},
    leaf::LeafRequest,
    validity::before,
    verification_cache,
};
use crate::checksum;

/// A leaf and what it should be.
pub struct Subject<'a> {
    /// What it is for.
    pub purpose: &'static str,
    /// What it should say.
    pub request: &'a LeafRequest,
    /// Who should have signed it.
    pub authority: &'a Authority,
    /// The certificate that is there, PEM.
    pub certificate: Option<&'a [u8]>,
    /// The key that is there, PEM.
    pub key: Option<&'a [u8]>,
    /// True if a person asked for a new one.
    pub rotate: bool,
}

impl Subject<'_> {
    /// The name of its stream of randomness. A leaf that is issued again from the same seed because its request or
    /// its authority changed has another key and serial number.
    pub fn stream(&self) -> String {
        let authority = checksum::pieces(&[&self.authority.certificate().der]);
        format!("{} {:?} {authority}", self.purpose, self.request)
    }
}

/// What is to be done with a leaf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is as it should be until then.
    Keep {
        /// When it is to be looked at again.
        due: Timestamp,
    },
    /// It must be issued anew.
    Renew(Reason),
}

/// Why a leaf is issued anew.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// There is none.
    #[error("there is none yet")]
    Missing,
    /// A person asked.
    #[error("rotation was requested")]
    RotationRequested,
    /// It cannot be read.
    #[error("it cannot be read: {0}")]
    Unreadable(String),
    /// Two halves of different pairs.
    #[error("its key belongs to another certificate")]
    KeyMismatch,
    /// The CA has changed.
    #[error("another authority signed it")]
    IssuedByAnother,
    /// A usage is missing.
    #[error("it may not be used as it should")]
    UsageMissing,
    /// It is about somebody else.
    #[error("its subject is {0}")]
    SubjectDiffers(String),
    /// A name is missing.
    #[error("it lacks the name {0}")]
    NameMissing(String),
    /// Clocks.
    #[error("it is not valid before {0}")]
    NotYetValid(Timestamp),
    /// It ends.
    #[error("it ends at {0}")]
    Ends(Timestamp),
}

/// Judges a leaf.
pub fn evaluate(subject: &Subject, now: Timestamp, threshold: Duration) -> Verdict {
    match examine(subject, now, threshold) {
        Ok(due) => Verdict::Keep { due },
        Err(reason) => Verdict::Renew(reason),
    }
}

/// When a leaf that ends at `not_after` is to be looked at again.
pub fn next_deadline(not_after: Timestamp, threshold: Duration) -> Timestamp {
    before(not_after, threshold)
}

/// The rules: when the leaf is next due, or which of them it violates.
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
    verification_cache::once("pair", &[pem, key], || match Key::from_pem(key) {
        Err(KeyError::Missing) => Err(Reason::Missing),
        Err(error) => Err(unreadable(&error)),
        Ok(key) if key.matches(&certificate) => Ok(()),
        Ok(_) => Err(Reason::KeyMismatch),
    })?;
    if !certificate.is_signed_by(subject.authority.certificate()) {
        return Err(Reason::IssuedByAnother);
    }
    says(&certificate, subject.request)?;
    lasts(&certificate, subject.authority, now, threshold)
}

/// A rule about time holds where a new leaf would be no better, else leaves would be issued again in
/// each pass: near the authority's end, on a clock that is before its beginning, and with a
/// threshold that is longer than leaves are valid.
fn lasts(
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

fn says(certificate: &Certificate, request: &LeafRequest) -> Result<(), Reason> {
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
#[path = "renew_tests.rs"]
mod tests;
