//! Rules about a tenant's Kubernetes version, and about the step from the version before.

use kamaji_api::tenant::TenantControlPlane;

use super::{refusal::Refusal, types::Findings};
use crate::{
    plan::upgrade::evaluate,
    tenant::{NEWEST_MINOR, OLDEST_MINOR, Version},
};

/// Refuses versions that are too new, and warns of a missing `v`.
pub(super) fn examine(object: &TenantControlPlane, found: &mut Findings) {
    let Ok(version) = Version::parse(&object.spec.kubernetes.version) else {
        return;
    };
    if (version.semver.major, version.semver.minor) > (1, NEWEST_MINOR) {
        found.refuse(Refusal::TooNew {
            version: version.text.clone(),
            major: 1,
            minor: NEWEST_MINOR,
        });
    }
    if !version.text.starts_with('v') {
        found.warn(format!(
            "spec.kubernetes.version {0} has no v, and the registry's tags usually do: write v{0} unless yours do not",
            version.text
        ));
    }
}

/// Refuses a version whose workers could not join, for new tenants. An update of a tenant that runs one gets a
/// warning.
pub(super) fn check_oldest(
    new: &TenantControlPlane,
    old: Option<&TenantControlPlane>,
    found: &mut Findings,
) {
    let Ok(version) = Version::parse(&new.spec.kubernetes.version) else {
        return;
    };
    if (version.semver.major, version.semver.minor) >= (1, OLDEST_MINOR) {
        return;
    }
    let refusal = Refusal::TooOld {
        version: version.text,
        oldest: OLDEST_MINOR,
    };
    match old {
        None => found.refuse(refusal),
        Some(_) => found.warn(refusal.to_string()),
    }
}

/// Refuses steps that Kubernetes does not support: from the old version, and from the installed one if that differs.
///
/// An old version that could not be reached from the installed one was never rolled out: leaving it is not a
/// downgrade.
pub(super) fn compare(new: &TenantControlPlane, old: &TenantControlPlane, found: &mut Findings) {
    let texts = (&new.spec.kubernetes.version, &old.spec.kubernetes.version);
    if texts.0 == texts.1 {
        return;
    }
    let Ok(requested) = Version::parse(texts.0) else {
        return;
    };
    let before = Version::parse(texts.1).ok();
    let mut statuses = [new, old]
        .into_iter()
        .filter_map(|object| object.status.as_ref());
    let installed = statuses.find_map(Version::installed);
    let step = match (&before, &installed) {
        (Some(before), Some(installed)) if evaluate(installed, before).is_ok() => {
            evaluate(before, &requested).and_then(|()| evaluate(installed, &requested))
        }
        (_, Some(from)) | (Some(from), None) => evaluate(from, &requested),
        (None, None) => Ok(()),
    };
    if let Err(refusal) = step {
        found.refuse(refusal);
    }
}

#[cfg(test)]
mod tests;
