//! Plan of the Secrets with the CA and the certificates of the bundled etcd.
//!
//! A CA is made once, for a store of which nothing exists yet. Leaves are valid for one year and are issued again
//! when a third of it is left; etcd reads renewed files by itself.

use std::{collections::BTreeMap, net::IpAddr, time::Duration};

use k8s_openapi::{
    ByteString, api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::ObjectMeta,
    jiff::Timestamp,
};
use kamaji_core::{
    pki::{
        authority::{self, Authority},
        certificate::Usage,
        key::KeyAlgorithm,
        leaf::LeafRequest,
        renew::{Subject, Verdict, evaluate},
    },
    rng::Seed,
};

use crate::{error::Error, layout::Store};

const YEAR: Duration = Duration::from_hours(365 * 24);
/// Rest of a leaf's life in which it is renewed: a third of a year.
const THRESHOLD: Duration = Duration::from_hours(365 * 24 / 3);
const ALGORITHM: KeyAlgorithm = KeyAlgorithm::EcdsaP256;
const CA: &str = "ca.crt";
const CA_KEY: &str = "ca.key";

/// Common name of the members' own certificate. The CA signs tenants' certificates, too, so that etcd accepts as
/// a peer only this name, which no tenant's user can have: it has a slash.
pub const PEER_NAME: &str = "kamaji-etcd/peer";
/// Common name of the administrator's certificate: etcd's user of that name.
const ROOT: &str = "root";

/// Secrets of a store as they are, and whether the store exists.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// Secret with the CA and the members' certificates.
    pub certificates: Option<Secret>,
    /// Secret with the administrator's certificate.
    pub root: Option<Secret>,
    /// Object that shows that there is a store already, for example `StatefulSet kamaji-etcd`.
    pub witness: Option<String>,
}

/// Time and randomness of a plan.
pub struct Source {
    /// Time at which the plan is made.
    pub now: Timestamp,
    /// Seed of all new keys.
    pub seed: Seed,
}

/// A Secret that is to be created, or replaced at the version that was read.
#[derive(Clone, Debug)]
pub struct Write {
    /// The complete Secret; it has a resource version if it replaces one.
    pub secret: Secret,
    /// Reasons for the log.
    pub reasons: Vec<String>,
}

/// Plans both Secrets; nothing is planned for one that is as it should be.
pub fn plan(store: &Store, observed: &Observed, source: &Source) -> Result<Vec<Write>, Error> {
    let (authority, made) = authority(store, observed, source)?;
    let certificates = Desired {
        name: store.certificates_secret(),
        live: observed.certificates.as_ref(),
        authority: &authority,
        authority_key: true,
        made,
        leaves: vec![
            leaf("server.pem", "server-key.pem", server(store)),
            leaf("peer.pem", "peer-key.pem", peer(store)),
        ],
    };
    let root = Desired {
        name: store.root_secret(),
        live: observed.root.as_ref(),
        authority: &authority,
        authority_key: false,
        made: None,
        leaves: vec![leaf("tls.crt", "tls.key", root())],
    };
    let writes = [certificates, root].map(|desired| desired.write(store, source));
    Ok(writes.into_iter().flatten().collect())
}

/// Loads the CA, or issues one if nothing of the store exists; the text is the reason.
fn authority(
    store: &Store,
    observed: &Observed,
    source: &Source,
) -> Result<(Authority, Option<String>), Error> {
    let name = format!("{}/{}", store.namespace, store.certificates_secret());
    let root = || format!("Secret {}", store.root_secret());
    match (&observed.certificates, &observed.root, &observed.witness) {
        (Some(secret), _, _) => {
            let data = secret.data.clone().unwrap_or_default();
            let loaded = Authority::load(bytes(&data, CA), bytes(&data, CA_KEY), source.now);
            let loaded = loaded.map_err(|error| Error::Authority {
                secret: name,
                cause: error.to_string(),
            })?;
            Ok((loaded, None))
        }
        (None, None, None) => {
            let mut entropy = source.seed.for_purpose("etcd-authority");
            let common_name = format!("{}-ca", store.name);
            let issued = authority::issue(&common_name, ALGORITHM, source.now, &mut entropy);
            Ok((issued, Some("a new CA for a new store".to_owned())))
        }
        (None, root_secret, witness) => Err(Error::AuthorityLost {
            secret: name,
            witness: witness
                .clone()
                .or_else(|| root_secret.as_ref().map(|_| root()))
                .unwrap_or_default(),
        }),
    }
}

type Data = BTreeMap<String, ByteString>;

fn bytes<'a>(data: &'a Data, key: &str) -> &'a [u8] {
    data.get(key)
        .map(|bytes| bytes.0.as_slice())
        .unwrap_or_default()
}

/// A leaf and the keys of the Secret that hold it.
struct Leaf {
    certificate: &'static str,
    key: &'static str,
    request: LeafRequest,
}

fn leaf(certificate: &'static str, key: &'static str, request: LeafRequest) -> Leaf {
    Leaf {
        certificate,
        key,
        request,
    }
}

fn request(common_name: &str, usages: &[Usage], dns_names: Vec<String>) -> LeafRequest {
    LeafRequest {
        common_name: common_name.to_owned(),
        organizations: Vec::new(),
        usages: usages.to_vec(),
        dns_names,
        ip_addresses: Vec::new(),
        validity: YEAR,
        algorithm: ALGORITHM,
    }
}

fn server(store: &Store) -> LeafRequest {
    let addresses = [
        [127, 0, 0, 1].into(),
        IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1]),
    ];
    LeafRequest {
        ip_addresses: addresses.to_vec(),
        ..request(&store.name, &[Usage::Server], store.server_names())
    }
}

fn peer(store: &Store) -> LeafRequest {
    let usages = [Usage::Server, Usage::Client];
    request(PEER_NAME, &usages, store.peer_names())
}

fn root() -> LeafRequest {
    request(ROOT, &[Usage::Client], Vec::new())
}

/// A Secret as it should be.
struct Desired<'a> {
    name: String,
    live: Option<&'a Secret>,
    authority: &'a Authority,
    /// True if the Secret holds the CA's private key.
    authority_key: bool,
    /// Reason why the CA is new.
    made: Option<String>,
    leaves: Vec<Leaf>,
}

impl Desired<'_> {
    fn write(self, store: &Store, source: &Source) -> Option<Write> {
        let live = self.live.and_then(|secret| secret.data.clone());
        let mut data = live.unwrap_or_default();
        let mut reasons: Vec<String> = self.made.into_iter().collect();
        let bundle = self.authority.certificate_pem();
        if bytes(&data, CA) != bundle {
            data.insert(CA.to_owned(), ByteString(bundle.to_vec()));
            reasons.push(format!("{CA} is that of the store"));
        }
        if self.authority_key && bytes(&data, CA_KEY).is_empty() {
            let key = self.authority.key_pem().to_vec();
            data.insert(CA_KEY.to_owned(), ByteString(key));
        }
        for leaf in self.leaves {
            let stored = |key: &str| data.get(key).map(|bytes| bytes.0.as_slice());
            let subject = Subject {
                purpose: leaf.certificate,
                request: &leaf.request,
                authority: self.authority,
                certificate: stored(leaf.certificate),
                key: stored(leaf.key),
                rotate: false,
            };
            let Verdict::Renew(reason) = evaluate(&subject, source.now, THRESHOLD) else {
                continue;
            };
            let mut entropy = source.seed.for_purpose(&subject.stream());
            let pair = self.authority.sign(&leaf.request, source.now, &mut entropy);
            let mut put = |key: &str, pem: String| {
                data.insert(key.to_owned(), ByteString(pem.into_bytes()));
            };
            put(leaf.certificate, pair.certificate_pem);
            put(leaf.key, pair.key_pem);
            reasons.push(format!("{} is issued: {reason}", leaf.certificate));
        }
        (!reasons.is_empty()).then(|| Write {
            secret: secret(store, self.name, (self.live, data)),
            reasons,
        })
    }
}

fn secret(store: &Store, name: String, (live, data): (Option<&Secret>, Data)) -> Secret {
    let metadata = live.map_or_else(
        || ObjectMeta {
            name: Some(name),
            namespace: Some(store.namespace.clone()),
            labels: Some([("app.kubernetes.io/instance".to_owned(), store.name.clone())].into()),
            ..ObjectMeta::default()
        },
        |live| live.metadata.clone(),
    );
    Secret {
        metadata,
        data: Some(data),
        type_: live.and_then(|live| live.type_.clone()),
        ..Secret::default()
    }
}

#[cfg(test)]
mod tests;
