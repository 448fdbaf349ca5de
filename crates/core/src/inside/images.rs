//! Which images belong to a tenant's version? (table 3.12)

use crate::tenant::Version;

/// The tag of CoreDNS that kubeadm of the tenant's version installs.
pub fn coredns(version: &Version) -> &'static str {
    match (version.minor(), version.semver.patch) {
        (..=29, _) | (30, 0..=4) | (31, 0) => "v1.11.1",
        (30..=32, _) => "v1.11.3",
        (33, _) => "v1.12.0",
        (34, _) => "v1.12.1",
        (35, _) => "v1.13.1",
        _ => "v1.14.2",
    }
}

/// The tag of konnectivity's server and agent.
pub fn konnectivity(version: &Version) -> String {
    format!("v0.{}.0", version.minor())
}

/// The tag of kube-proxy: the version, without what tags cannot have.
pub fn kube_proxy(version: &Version) -> String {
    version.text.replace('+', "_")
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
        let version = Version::parse("v1.35.1+vendor.1").unwrap();
        assert_eq!(konnectivity(&version), "v0.35.0");
        assert_eq!(kube_proxy(&version), "v1.35.1_vendor.1");
    }
}
