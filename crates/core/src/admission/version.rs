//! May a tenant have this Kubernetes version, and may it go there? (section 4)

use kamaji_api::tenant::TenantControlPlane;

use super::{refusal::Refusal, types::Findings};
use crate::{
    plan::upgrade::evaluate,
    tenant::{NEWEST_MINOR, OLDEST_MINOR, Version},
};

/// The version by itself.
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

/// New tenants are not created with a version whose workers could not join. One that has such a version may
/// go on, and is told.
pub(super) fn oldest(
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

/// The step from the old version, and from the one that is installed, if it is another.
///
/// A version that could not be installed from where the tenant is was never rolled out: going
/// back from it is no downgrade.
pub(super) fn compare(new: &TenantControlPlane, old: &TenantControlPlane, found: &mut Findings) {
    let texts = (&new.spec.kubernetes.version, &old.spec.kubernetes.version);
    if texts.0 == texts.1 {
        return;
    }
    let Ok(wanted) = Version::parse(texts.0) else {
        return;
    };
    let before = Version::parse(texts.1).ok();
    let installed = installed(new).or_else(|| installed(old));
    let step = match (&before, &installed) {
        (Some(before), Some(installed)) if evaluate(installed, before).is_ok() => {
            evaluate(before, &wanted).and_then(|()| evaluate(installed, &wanted))
        }
        (_, Some(from)) | (Some(from), None) => evaluate(from, &wanted),
        (None, None) => Ok(()),
    };
    if let Err(refusal) = step {
        found.refuse(refusal);
    }
}

fn installed(object: &TenantControlPlane) -> Option<Version> {
    let resources = object.status.as_ref()?.kubernetes_resources.as_ref()?;
    Version::parse(resources.version.as_ref()?.version.as_ref()?).ok()
}

#[cfg(test)]
#[path = "version_tests.rs"]
mod tests;
