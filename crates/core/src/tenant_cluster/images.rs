//! Images of the addons, by the tenant's Kubernetes version.

use crate::tenant::Version;

/// The tag of CoreDNS that kubeadm of the tenant's version installs.
pub fn coredns(version: &Version) -> &'static str {
    match (version.minor(), version.semver.patch) {
        (..=29, _) | (30, 0..=4) | (31, 0) => "v1.11.1",
        (30..=32, _) => "v1.11.3",
        (33, _) => "v1.12.0",
        (34, _) => "v1.12.1",
        (35, _) => "v1.13.1",
        (36, _) => "v1.14.2",
        _ => "v1.14.6",
    }
}

/// Newest minor that konnectivity has a release for; newer minors use it as well.
const NEWEST_KONNECTIVITY: u64 = 36;

/// The tag of konnectivity's server and agent.
pub fn konnectivity(version: &Version) -> String {
    format!("v0.{}.0", version.minor().min(NEWEST_KONNECTIVITY))
}

/// The tag of kube-proxy: the version.
pub fn kube_proxy(version: &Version) -> String {
    tag(&version.text)
}

/// `text` as the tag of an image: tags cannot have a `+`, which registries write as `_`.
pub fn tag(text: &str) -> String {
    text.replace('+', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_follow_the_tenant_and_not_the_operator() {
        let tag = |text: &str| coredns(&Version::parse(text).unwrap());
        assert_eq!(tag("v1.30.2"), "v1.11.1");
        assert_eq!(tag("v1.30.14"), "v1.11.3");
        assert_eq!(tag("v1.33.0"), "v1.12.0");
        assert_eq!(tag("v1.36.3"), "v1.14.2");
        assert_eq!(tag("v1.37.2"), "v1.14.6");
        let version = Version::parse("v1.35.1+vendor.1").unwrap();
        assert_eq!(konnectivity(&version), "v0.35.0");
        assert_eq!(kube_proxy(&version), "v1.35.1_vendor.1");
    }

    #[test]
    fn konnectivity_of_a_minor_without_a_release_is_the_newest() {
        let of = |text: &str| konnectivity(&Version::parse(text).unwrap());
        assert_eq!(of("v1.36.3"), "v0.36.0");
        assert_eq!(of("v1.37.2"), "v0.36.0");
    }
}
