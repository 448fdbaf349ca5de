//! Ends of certificates that are not renewed automatically, and the time from which conditions warn of them.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;

use super::{certificate::Certificate, validity::before};

/// Time before the end at which warnings begin: 90 days, or a third of the certificate's life where that is less.
pub const NOTICE: Duration = Duration::from_hours(90 * 24);

/// Purpose of a certificate that people renew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Purpose {
    /// The CA of a tenant cluster.
    Ca,
    /// The CA of a tenant's aggregation layer.
    FrontProxyCa,
    /// The CA of a DataStore.
    DataStoreCa,
    /// The operator's own client certificate for a DataStore.
    DataStoreClient,
}

impl Purpose {
    /// Every purpose, in the order of metrics.
    pub const ALL: [Self; 4] = [
        Self::Ca,
        Self::FrontProxyCa,
        Self::DataStoreCa,
        Self::DataStoreClient,
    ];

    /// Returns the value of the metrics' label: `ca`, `front-proxy-ca`, `datastore-ca` or `datastore-client`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ca => "ca",
            Self::FrontProxyCa => "front-proxy-ca",
            Self::DataStoreCa => "datastore-ca",
            Self::DataStoreClient => "datastore-client",
        }
    }
}

/// End of one certificate, and the time from which it is near.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expiry {
    /// Purpose of the certificate.
    pub purpose: Purpose,
    /// Time at which the certificate ends.
    pub ends: Timestamp,
    /// Time from which warnings are given.
    pub notice: Timestamp,
}

impl Expiry {
    /// Computes both times for a certificate.
    pub fn of(purpose: Purpose, certificate: &Certificate) -> Self {
        let Certificate {
            not_before,
            not_after,
            ..
        } = *certificate;
        let life = Duration::try_from(not_after.duration_since(not_before)).unwrap_or_default();
        Self {
            purpose,
            ends: not_after,
            notice: before(not_after, NOTICE.min(life / 3)),
        }
    }

    /// True from the time of notice on.
    pub fn is_near(&self, now: Timestamp) -> bool {
        self.notice <= now
    }
}

#[cfg(test)]
mod tests;
