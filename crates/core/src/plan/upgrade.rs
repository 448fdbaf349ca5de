//! Gate of upgrades: patches move freely within a minor, minors one at a time and never back.

use kamaji_api::condition::{ConditionType, Reason};

use super::types::Wait;
use crate::tenant::{Tenant, Version};

/// Reason for which a version is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The version is an older minor: Kubernetes supports no downgrade.
    #[error(
        "a downgrade from {from} to {to} is not supported: set spec.kubernetes.version to {from} or newer"
    )]
    Downgrade {
        /// Version that the pods have.
        from: String,
        /// Version of the spec.
        to: String,
    },
    /// The version skips a minor: Kubernetes upgrades one minor at a time.
    #[error("from {from} to {to} is more than one minor: upgrade to v{major}.{next} first")]
    Skips {
        /// Version that the pods have.
        from: String,
        /// Version of the spec.
        to: String,
        /// Major of the next step.
        major: u64,
        /// Minor of the next step.
        next: u64,
    },
}

impl Refusal {
    /// Reason for a condition.
    pub fn reason(&self) -> Reason {
        match self {
            Self::Downgrade { .. } => Reason::DowngradeRefused,
            Self::Skips { .. } => Reason::MinorSkipped,
        }
    }
}

/// Validates a change of version. Patches may change in both directions, as in upstream.
pub fn evaluate(from: &Version, to: &Version) -> Result<(), Refusal> {
    let minor = |v: &Version| (v.semver.major, v.semver.minor);
    let (installed, desired) = (minor(from), minor(to));
    let texts = || (from.text.clone(), to.text.clone());
    if desired < installed {
        let (from, to) = texts();
        return Err(Refusal::Downgrade { from, to });
    }
    if desired.0 != installed.0 || desired.1 > installed.1 + 1 {
        let (from, to) = texts();
        return Err(Refusal::Skips {
            from,
            to,
            major: installed.0,
            next: installed.1 + 1,
        });
    }
    Ok(())
}

/// Holds a tenant at its installed version while the one of its spec is refused, so that everything else about
/// it is still reconciled. Sets `tenant.version` to the version in effect, and returns the refusal.
pub(super) fn hold_refused(tenant: &mut Tenant) -> Option<Wait> {
    let from = tenant.installed_version()?;
    let refusal = evaluate(&from, &tenant.version).err()?;
    tenant.version = from;
    Some(Wait::new(
        ConditionType::UpgradeAllowed,
        refusal.reason(),
        &refusal,
    ))
}

#[cfg(test)]
mod tests;
