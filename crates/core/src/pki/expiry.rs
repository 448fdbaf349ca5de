//! The end of certificates that nobody renews by itself, and when a person should hear of it.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;

use super::{certificate::Certificate, validity::before};

/// A person hears of the end so long before it, or a third of the certificate's life where that is less.
pub const NOTICE: Duration = Duration::from_hours(90 * 24);

/// What such a certificate is for.
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
    /// Every purpose.
    pub const ALL: [Self; 4] = [
        Self::Ca,
        Self::FrontProxyCa,
        Self::DataStoreCa,
        Self::DataStoreClient,
    ];

    /// How metrics name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ca => "ca",
            Self::FrontProxyCa => "front-proxy-ca",
            Self::DataStoreCa => "datastore-ca",
            Self::DataStoreClient => "datastore-client",
        }
    }
}

/// When one such certificate ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expiry {
    /// What it is for.
    pub purpose: Purpose,
    /// When it ends.
    pub ends: Timestamp,
    /// From when on a person should know.
    pub notice: Timestamp,
}

impl Expiry {
    /// Of a certificate.
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

    /// True once a person should know.
    pub fn is_near(&self, now: Timestamp) -> bool {
        self.notice <= now
    }
}

#[cfg(test)]
#[path = "expiry_tests.rs"]
mod tests;
