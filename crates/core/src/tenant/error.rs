//! Mistakes in the text of a tenant.

use std::net::IpAddr;

use ipnet::IpNet;

/// A mistake in a tenant's text. The message names the field and the way out.
#[derive(Debug, thiserror::Error)]
pub enum ParseError {
    /// The object lacks `metadata.name`, `namespace` or `uid`: it did not come from an API server.
    #[error("the TenantControlPlane has no metadata.{0}: read it from the API server, or add it")]
    Metadata(&'static str),
    /// The name is not a DNS label, which labels, Services and certificates need.
    #[error(
        "metadata.name {name:?} is not a DNS label of at most 63 characters (a-z, 0-9 and -, a letter first): recreate the TenantControlPlane under such a name"
    )]
    Name {
        /// The name of the object.
        name: String,
    },
    /// `spec.kubernetes.version` is not a version.
    #[error("spec.kubernetes.version {text:?} is not a version such as v1.36.3: {source}")]
    Version {
        /// The text as it was written.
        text: String,
        /// The error of the parser.
        source: semver::Error,
    },
    /// A field is not an IP address.
    #[error("{field} {text:?} is not an IP address: write one such as 192.0.2.10 or 2001:db8::10")]
    Address {
        /// Path of the field in the object.
        field: &'static str,
        /// The text as it was written.
        text: String,
    },
    /// A field is not an address range.
    #[error("{field} {text:?} is not a CIDR: write one such as 10.96.0.0/16 or 2001:db8:1::/112")]
    Cidr {
        /// Path of the field in the object.
        field: &'static str,
        /// The text as it was written.
        text: String,
    },
    /// No service range is set; a tenant cluster needs one for its Services.
    #[error("spec.networkProfile.serviceCidrs is empty: name at least one range")]
    NoServiceCidr,
    /// Two of the service and pod ranges overlap, so that both would hand out the same addresses.
    #[error("{one} overlaps {other} in spec.networkProfile: choose ranges that do not overlap")]
    Overlap {
        /// The range that is named first.
        one: String,
        /// The range that overlaps it.
        other: String,
    },
    /// A DNS address lies outside of every service range, so that its Service would be refused.
    #[error(
        "spec.networkProfile.dnsServiceIPs has {address}, which is in none of the service ranges {ranges}: choose an address within them"
    )]
    DnsOutside {
        /// The address as it was written.
        address: IpAddr,
        /// Every service range, joined by commas.
        ranges: String,
    },
    /// A service range is too small to hold the default DNS address.
    #[error(
        "the service range {range} is too small to hold the DNS address: use /28 (IPv4) or /123 (IPv6) or larger"
    )]
    TooSmall {
        /// The service range in question.
        range: IpNet,
    },
    /// A port lies outside of 1 to 65535.
    #[error("spec.networkProfile.port {port} is not a port: choose one from 1 to 65535")]
    Port {
        /// The port as it was written.
        port: i32,
    },
    /// A list has more items than any cluster can use.
    #[error("{field} has {count} items, of which there may be {most}: remove some")]
    TooMany {
        /// Path of the field in the object.
        field: &'static str,
        /// Number of items in the list.
        count: usize,
        /// Largest number of items that is allowed.
        most: usize,
    },
    /// A further name for the API server's certificate is neither a DNS name nor an address.
    #[error(
        "spec.networkProfile.certSANs has {text:?}, which is neither an IP address nor a DNS name or wildcard (no scheme, no port): correct or remove it"
    )]
    CertSan {
        /// The text as it was written.
        text: String,
    },
}
