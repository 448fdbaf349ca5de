//! Connection data of a datastore: endpoints, TLS material and the administrator's credentials.

use std::fmt;

use kamaji_api::datastore::Driver;
use kamaji_core::endpoint::HostPort;

use crate::tenancy::Secret;

/// A certificate with its private key, PEM. The key is left out of debug output.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity {
    /// The certificate, followed by its intermediates if there are any.
    pub cert_pem: Vec<u8>,
    /// Private key of the certificate: PKCS#1, PKCS#8 or SEC1.
    pub key_pem: Vec<u8>,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity(..)")
    }
}

/// TLS material of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// CA certificates that may sign the datastore's server certificate, PEM; at least one.
    pub ca_pem: Vec<u8>,
    /// Client certificate of the operator; `None` where the datastore asks for a password alone.
    pub client: Option<Identity>,
}

/// User and password of the operator, as an administrator of the datastore.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BasicAuth {
    /// Name of the user.
    pub user: String,
    /// Password of the user.
    pub password: Secret,
}

/// Connection data of one datastore, as its administrator. It shows itself without credentials,
/// for example `etcd 10.0.0.1:2379,10.0.0.2:2379`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// Kind of the datastore.
    pub driver: Driver,
    /// Endpoints of the datastore, at least one; an operation succeeds if one of them can serve it.
    pub endpoints: Vec<HostPort>,
    /// TLS material; etcd demands it.
    pub tls: Option<Tls>,
    /// User and password; etcd ignores them, since it knows its users by certificate.
    pub basic_auth: Option<BasicAuth>,
    /// True if an administrator accepts a datastore without access control.
    pub without_access_control: bool,
}

impl fmt::Display for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.driver.as_str())?;
        for (index, endpoint) in self.endpoints.iter().enumerate() {
            let separator = if index == 0 { "" } else { "," };
            write!(f, "{separator}{endpoint}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
