//! [`Remote`]: clients of tenants' API servers, created on demand and cached.

use std::{
    collections::VecDeque,
    net::IpAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use kube::{Client, Config, client::ClientBuilder, config::AuthInfo};

use super::{answers::Answers, lock::lock};

/// Clients in the cache.
const CAPACITY: usize = 256;

/// Address of a tenant's API server and the credentials for it.
#[derive(Clone)]
pub struct Target {
    /// Uid of the tenant.
    pub uid: String,
    /// Host name in the serving certificate.
    pub host: String,
    /// Address to dial; `None` to resolve the host name.
    pub address: Option<IpAddr>,
    /// Port of the API server.
    pub port: u16,
    /// Certificates of the CA in PEM.
    pub ca: Vec<u8>,
    /// Client certificate in PEM.
    pub certificate: Vec<u8>,
    /// Private key of the client certificate in PEM.
    pub key: Vec<u8>,
}

/// Error of a target for which no client can be built.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// Host and port form no URL.
    #[error("{0} is not the URL of an API server")]
    Url(String),
    /// A certificate or key cannot be parsed.
    #[error("the tenant's kubeconfig cannot be used: {0}")]
    Material(String),
}

/// Cache of clients by tenant; the least recently used one makes room. Clones share it.
#[derive(Clone)]
pub struct Remote {
    clients: Arc<Mutex<VecDeque<CachedClient>>>,
    answers: Answers,
}

impl Default for Remote {
    fn default() -> Self {
        Self {
            clients: Arc::default(),
            answers: Answers::of_tenants(),
        }
    }
}

struct CachedClient {
    uid: String,
    digest: u64,
    client: Client,
}

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{} of {}", self.host, self.port, self.uid)
    }
}

impl Remote {
    /// The client for `target`: the cached one if address and credentials are the same, else a new one.
    pub fn client(&self, target: &Target) -> Result<Client, RemoteError> {
        let digest = digest(target);
        let mut clients = lock(&self.clients);
        if let Some(at) = clients.iter().position(|cached| cached.uid == target.uid)
            && let Some(cached) = clients.remove(at)
            && cached.digest == digest
        {
            let client = cached.client.clone();
            clients.push_back(cached);
            return Ok(client);
        }
        let client = connect(target, &self.answers)?;
        clients.push_back(CachedClient {
            uid: target.uid.clone(),
            digest,
            client: client.clone(),
        });
        if clients.len() > CAPACITY {
            clients.pop_front();
        }
        Ok(client)
    }
}

fn digest(target: &Target) -> u64 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    (&target.host, target.address, target.port).hash(&mut hasher);
    (&target.ca, &target.certificate, &target.key).hash(&mut hasher);
    hasher.finish()
}

fn connect(target: &Target, answers: &Answers) -> Result<Client, RemoteError> {
    let host = match target.address {
        Some(IpAddr::V6(address)) => format!("[{address}]"),
        Some(IpAddr::V4(address)) => address.to_string(),
        None => target.host.clone(),
    };
    let url = format!("https://{host}:{}", target.port);
    let mut config = Config::new(url.parse().map_err(|_| RemoteError::Url(url))?);
    let ca = pem_blocks(&target.ca)?;
    config.root_cert = Some(ca);
    config.auth_info = AuthInfo {
        client_certificate_data: Some(STANDARD.encode(&target.certificate)),
        client_key_data: Some(STANDARD.encode(&target.key).into()),
        ..AuthInfo::default()
    };
    config.connect_timeout = Some(Duration::from_secs(3));
    config.read_timeout = Some(Duration::from_secs(10));
    // Time that a connection idles in the pool must not count.
    config.reset_reader_on_write = true;
    config.write_timeout = Some(Duration::from_secs(10));
    config.tls_server_name = target.address.map(|_| target.host.clone());
    // A tenant's API server that answers 503 must not hold a reconcile for minutes.
    config.default_retry = false;
    let client = ClientBuilder::try_from(config);
    // The parser's own message may quote certificate and key.
    let client = client.map_err(|_| {
        RemoteError::Material("its client certificate and key are no PEM pair".to_owned())
    })?;
    Ok(client.with_layer(answers).build())
}

/// Parses PEM; returns each certificate in DER.
fn pem_blocks(pem: &[u8]) -> Result<Vec<Vec<u8>>, RemoteError> {
    use rustls::pki_types::{CertificateDer, pem::PemObject};
    CertificateDer::pem_slice_iter(pem)
        .map(|der| der.map(|der| der.to_vec()))
        .collect::<Result<_, _>>()
        .map_err(|_| RemoteError::Material("its CA is not PEM".to_owned()))
}

#[cfg(test)]
mod tests;
