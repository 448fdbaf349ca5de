//! Kubernetes versions as tenants write them.

use super::error::ParseError;
use kamaji_api::tenant::TenantControlPlaneStatus;

/// Oldest Kubernetes minor that new tenants may run: kubeadm of older ones cannot read the configuration that
/// workers get, and the images that belong to them were never published.
pub const OLDEST_MINOR: u64 = 30;

/// A Kubernetes version: the text as the user wrote it, which is also the image tag, and its parsed form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// Text as written, for example `v1.36.3`.
    pub text: String,
    /// Parsed version, without the leading `v`.
    pub semver: semver::Version,
}

impl Version {
    /// Version that a status records as installed; `None` until the first pods were ready.
    pub fn installed(status: &TenantControlPlaneStatus) -> Option<Self> {
        let resources = status.kubernetes_resources.as_ref()?;
        Self::parse(resources.version.as_ref()?.version.as_ref()?).ok()
    }

    /// Parses `v1.36.3` or `1.36.3`.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        semver::Version::parse(text.strip_prefix('v').unwrap_or(text))
            .map(|semver| Self {
                text: text.to_owned(),
                semver,
            })
            .map_err(|source| ParseError::Version {
                text: text.to_owned(),
                source,
            })
    }

    /// Returns the minor version: 36 for v1.36.3.
    pub fn minor(&self) -> u64 {
        self.semver.minor
    }
}
