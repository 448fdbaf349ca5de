//! Resolution of a `DataStore`: its references to Secrets are read, and its endpoints and certificates are
//! checked.

pub mod expiry;
pub mod probe;
pub mod status;
pub mod usage;

use std::collections::BTreeMap;

use k8s_openapi::{api::core::v1::Secret, jiff::Timestamp};
use kamaji_api::{
    condition::Reason,
    datastore::{ContentRef, DataStore, Driver},
    labels,
};

use crate::{
    endpoint::host_port::HostPort,
    kine,
    pki::{authority::Authority, certificate::Certificate, key::Key},
};

/// Longest name of a DataStore, in bytes: tenants' pods carry it as the value of a label.
pub const LONGEST_NAME: usize = 63;

/// Secrets by namespace and name: those that a `DataStore` names and that exist.
pub type Secrets = BTreeMap<(String, String), Secret>;

/// A `DataStore` with its references resolved. Credentials are left out of debug output.
#[derive(Clone)]
pub struct ResolvedDataStore {
    /// Name of the DataStore.
    pub name: String,
    /// Kind of the database, as in `spec.driver`.
    pub driver: Driver,
    /// Endpoints as `host:port`, as written; each one parses.
    pub endpoints: Vec<String>,
    /// TLS material; `None` if the DataStore has none. etcd always has it.
    pub tls: Option<StoreTls>,
    /// User and password of the operator; `None` if the DataStore has none.
    pub basic_auth: Option<(String, String)>,
    /// True if an administrator accepts a datastore without access control, by annotation.
    pub without_access_control: bool,
    /// Uids of management clusters that were given up, by annotation: tenants here may succeed theirs.
    pub adopted_clusters: Vec<String>,
}

impl ResolvedDataStore {
    /// Users that the operator itself logs in as: the common name of its client certificate and its user.
    pub fn administrators(&self) -> Vec<String> {
        let client = self.tls.as_ref().and_then(|tls| tls.client.as_ref());
        let common_name = client
            .and_then(|(certificate, _)| Certificate::from_pem(certificate).ok())
            .map(|certificate| certificate.common_name);
        let user = self.basic_auth.as_ref().map(|(user, _)| user.clone());
        common_name
            .into_iter()
            .chain(user)
            .filter(|name| !name.is_empty())
            .collect()
    }
}

/// TLS material of a `DataStore`, as PEM.
#[derive(Clone)]
pub struct StoreTls {
    /// Certificate of the CA.
    pub ca: Vec<u8>,
    /// Key of the CA; etcd's must be there, tenants' client certificates are signed with it.
    pub ca_key: Option<Vec<u8>>,
    /// The operator's own client certificate and key.
    pub client: Option<(Vec<u8>, Vec<u8>)>,
}

impl std::fmt::Debug for ResolvedDataStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{:?} DataStore {} at {}",
            self.driver,
            self.name,
            self.endpoints.join(",")
        )
    }
}

/// Flaw that keeps a `DataStore` from being used; its text names field and remedy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// A Secret that the DataStore names does not exist.
    #[error(
        "{field} names the Secret {namespace}/{name}, which does not exist: create it or correct the reference"
    )]
    SecretMissing {
        /// Path of the field in the DataStore.
        field: &'static str,
        /// Namespace of the Secret.
        namespace: String,
        /// Name of the Secret.
        name: String,
    },
    /// A Secret that the DataStore names has no such key.
    #[error(
        "{field} names the key {key:?} of Secret {namespace}/{name}, which has only {has}: correct keyPath or the Secret"
    )]
    KeyMissing {
        /// Path of the field in the DataStore.
        field: &'static str,
        /// Namespace of the Secret.
        namespace: String,
        /// Name of the Secret.
        name: String,
        /// Key that is missing.
        key: String,
        /// Keys that the Secret has, joined by commas.
        has: String,
    },
    /// A field has neither content nor a complete reference.
    #[error(
        "{field} has neither content nor a complete secretReference (name, namespace, keyPath): give one"
    )]
    Nothing {
        /// Path of the field in the DataStore.
        field: &'static str,
    },
    /// Certificate, key or text that cannot be used.
    #[error("{field} {problem}")]
    Material {
        /// Path of the field in the DataStore.
        field: &'static str,
        /// Flaw and remedy; the text goes after the field.
        problem: String,
    },
    /// An endpoint is not `host:port`.
    #[error(
        "spec.endpoints has {text:?}, which is not host:port: write it without a scheme, for example 10.0.0.5:2379"
    )]
    Endpoint {
        /// The endpoint as written.
        text: String,
    },
    /// The name is too long for a label, with its length.
    #[error(
        "its name has {0} characters, and a label of tenants' pods carries it, which takes 63: create it under a shorter name"
    )]
    Name(usize),
    /// A DataStore of NATS has no user and password.
    #[error("spec.basicAuth is required for the driver NATS: give username and password")]
    NoBasicAuth,
}

impl StoreError {
    /// Reason of the condition that the DataStore is valid, as in upstream.
    pub fn reason(&self) -> Reason {
        let field = match self {
            Self::SecretMissing { field, .. }
            | Self::KeyMissing { field, .. }
            | Self::Nothing { field }
            | Self::Material { field, .. } => field,
            Self::Endpoint { .. } => return Reason::EndpointsValidationFailed,
            Self::NoBasicAuth => "spec.basicAuth",
            Self::Name(_) => return Reason::NameTooLong,
        };
        if field.starts_with("spec.basicAuth") {
            Reason::BasicAuthValidationFailed
        } else {
            Reason::TLSConfigurationValidationFailed
        }
    }
}

/// Every Secret that `store` names, as (namespace, name), sorted and without duplicates.
pub fn references(store: &DataStore) -> Vec<(String, String)> {
    let spec = &store.spec;
    let mut refs: Vec<&ContentRef> = Vec::new();
    if let Some(auth) = &spec.basic_auth {
        refs.extend([&auth.username, &auth.password]);
    }
    if let Some(tls) = &spec.tls_config {
        refs.push(&tls.certificate_authority.certificate);
        refs.extend(&tls.certificate_authority.private_key);
        if let Some(client) = &tls.client_certificate {
            refs.extend([&client.certificate, &client.private_key]);
        }
    }
    let mut out: Vec<_> = refs
        .into_iter()
        .filter(|r| r.content.as_ref().is_none_or(|c| c.0.is_empty()))
        .filter_map(|r| r.secret_reference.as_ref())
        .filter_map(|r| Some((r.namespace.clone()?, r.name.clone()?)))
        .collect();
    out.sort();
    out.dedup();
    out
}

/// Resolves and checks `store`: every reference exists, every endpoint parses, every key matches its
/// certificate, and neither CA nor client certificate has expired at `now`.
pub fn resolve(
    store: &DataStore,
    secrets: &Secrets,
    now: Timestamp,
) -> Result<ResolvedDataStore, StoreError> {
    let spec = &store.spec;
    let name = store.metadata.name.clone().unwrap_or_default();
    if name.len() > LONGEST_NAME {
        return Err(StoreError::Name(name.len()));
    }
    for text in &spec.endpoints {
        if text.parse::<HostPort>().is_err() {
            return Err(StoreError::Endpoint { text: text.clone() });
        }
    }
    Ok(ResolvedDataStore {
        name,
        driver: spec.driver,
        endpoints: spec.endpoints.clone(),
        tls: tls(store, secrets, now)?,
        basic_auth: basic_auth(store, secrets)?,
        without_access_control: annotation(store, labels::WITHOUT_ACCESS_CONTROL) == Some("true"),
        adopted_clusters: annotation(store, labels::ADOPT_CLUSTERS)
            .into_iter()
            .flat_map(|text| text.split(','))
            .map(|uid| uid.trim().to_owned())
            .filter(|uid| !uid.is_empty())
            .collect(),
    })
}

fn annotation<'a>(store: &'a DataStore, key: &str) -> Option<&'a str> {
    let annotations = store.metadata.annotations.as_ref()?;
    annotations.get(key).map(String::as_str)
}

/// User and password of the operator; those of NATS are the tenants' as well, so that kine must be able to pass
/// them on.
fn basic_auth(
    store: &DataStore,
    secrets: &Secrets,
) -> Result<Option<(String, String)>, StoreError> {
    let driver = store.spec.driver;
    let Some(auth) = &store.spec.basic_auth else {
        return match driver {
            Driver::Nats => Err(StoreError::NoBasicAuth),
            _ => Ok(None),
        };
    };
    let resolve = |reference, field| {
        let text = text(&content(reference, field, secrets)?, field)?;
        if kine::carries(driver, &text) {
            return Ok(text);
        }
        Err(StoreError::Material {
            field,
            problem: "has a character that kine cannot pass to NATS: use letters, digits, - and _"
                .to_owned(),
        })
    };
    Ok(Some((
        resolve(&auth.username, "spec.basicAuth.username")?,
        resolve(&auth.password, "spec.basicAuth.password")?,
    )))
}

const CA: &str = "spec.tlsConfig.certificateAuthority.certificate";
const CA_KEY: &str = "spec.tlsConfig.certificateAuthority.privateKey";
const CLIENT: &str = "spec.tlsConfig.clientCertificate.certificate";
const CLIENT_KEY: &str = "spec.tlsConfig.clientCertificate.privateKey";

fn tls(
    store: &DataStore,
    secrets: &Secrets,
    now: Timestamp,
) -> Result<Option<StoreTls>, StoreError> {
    let etcd = store.spec.driver == Driver::Etcd;
    let Some(tls) = &store.spec.tls_config else {
        return if etcd {
            Err(StoreError::Nothing { field: CA })
        } else {
            Ok(None)
        };
    };
    let ca = content(&tls.certificate_authority.certificate, CA, secrets)?;
    let certificate = certificate(&ca, CA)?;
    if certificate.not_after <= now {
        return Err(StoreError::Material {
            field: CA,
            problem: format!(
                "ended at {}: renew the datastore's CA and update the reference",
                certificate.not_after
            ),
        });
    }
    let ca_key = match &tls.certificate_authority.private_key {
        Some(key) => Some(content(key, CA_KEY, secrets)?),
        None if etcd => return Err(StoreError::Nothing { field: CA_KEY }),
        None => None,
    };
    if let Some(key) = &ca_key {
        Authority::load(&ca, key, now).map_err(|source| StoreError::Material {
            field: CA_KEY,
            problem: format!("does not go with the CA certificate: {source}"),
        })?;
    }
    let client = match &tls.client_certificate {
        Some(pair) => {
            let cert = content(&pair.certificate, CLIENT, secrets)?;
            let key = content(&pair.private_key, CLIENT_KEY, secrets)?;
            client_pair(&cert, &key, now)?;
            Some((cert, key))
        }
        None if etcd => return Err(StoreError::Nothing { field: CLIENT }),
        None => None,
    };
    Ok(Some(StoreTls { ca, ca_key, client }))
}

fn client_pair(cert: &[u8], key: &[u8], now: Timestamp) -> Result<(), StoreError> {
    let certificate = certificate(cert, CLIENT)?;
    if certificate.not_after <= now {
        return Err(StoreError::Material {
            field: CLIENT,
            problem: format!(
                "ended at {}: renew the operator's client certificate",
                certificate.not_after
            ),
        });
    }
    let parsed = Key::from_pem(key).map_err(|source| StoreError::Material {
        field: CLIENT_KEY,
        problem: format!("cannot be read: {source}"),
    })?;
    if parsed.matches(&certificate) {
        Ok(())
    } else {
        Err(StoreError::Material {
            field: CLIENT_KEY,
            problem:
                "is not the key of the client certificate: give the pair that belongs together"
                    .to_owned(),
        })
    }
}

fn certificate(pem: &[u8], field: &'static str) -> Result<Certificate, StoreError> {
    Certificate::from_pem(pem).map_err(|source| StoreError::Material {
        field,
        problem: format!("is not a PEM certificate: {source}"),
    })
}

fn text(bytes: &[u8], field: &'static str) -> Result<String, StoreError> {
    String::from_utf8(bytes.to_vec()).map_err(|_| StoreError::Material {
        field,
        problem: "is not UTF-8 text: write it as text".to_owned(),
    })
}

fn content(
    reference: &ContentRef,
    field: &'static str,
    secrets: &Secrets,
) -> Result<Vec<u8>, StoreError> {
    if let Some(bytes) = reference.content.as_ref().filter(|c| !c.0.is_empty()) {
        return Ok(bytes.0.clone());
    }
    let (namespace, name, key) = reference
        .secret_reference
        .as_ref()
        .and_then(|r| Some((r.namespace.clone()?, r.name.clone()?, r.key_path.clone())))
        .ok_or(StoreError::Nothing { field })?;
    let secret = secrets
        .get(&(namespace.clone(), name.clone()))
        .ok_or_else(|| StoreError::SecretMissing {
            field,
            namespace: namespace.clone(),
            name: name.clone(),
        })?;
    let data = secret.data.clone().unwrap_or_default();
    match data.get(&key) {
        Some(bytes) => Ok(bytes.0.clone()),
        None => Err(StoreError::KeyMissing {
            field,
            namespace,
            name,
            key,
            has: data.keys().cloned().collect::<Vec<_>>().join(", "),
        }),
    }
}

#[cfg(test)]
mod tests;
