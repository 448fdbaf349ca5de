//! Placeholders for what only a live cluster knows: datastores, addresses and the webhooks' CA.

use k8s_openapi::{
    api::core::v1::{LoadBalancerIngress, LoadBalancerStatus, Service, ServiceSpec, ServiceStatus},
    jiff::Timestamp,
};
use kamaji_api::{
    datastore::{DataStore, Driver},
    tenant::TenantControlPlane,
};
use kamaji_core::{
    data_store::{self, ResolvedDataStore, Secrets, StoreTls},
    endpoint::HostPort,
    pki::{
        authority::{self, Authority},
        key::KeyAlgorithm,
    },
    rng::Seed,
    snapshot::StoreWait,
};

use super::input::Documents;

/// Address of the range that RFC 5737 reserves for documentation.
const ADDRESS: &str = "192.0.2.1";

/// The DataStore of that name with its certificates and credentials. Where the documents have no such
/// DataStore, or not its Secrets, made-up ones stand in.
pub fn or_stored(
    name: &str,
    documents: &Documents,
    now: Timestamp,
    notes: &mut Vec<String>,
) -> Result<ResolvedDataStore, StoreWait> {
    let found = documents
        .stores
        .iter()
        .find(|s| s.metadata.name.as_deref() == Some(name));
    let Some(found) = found else {
        notes.push(format!("the DataStore {name} is not among the files: an etcd with a CA made up for this output stands in for it"));
        return Ok(made_up(name, now));
    };
    let secrets: Secrets = documents
        .secrets
        .iter()
        .filter_map(|s| {
            let meta = &s.metadata;
            Some(((meta.namespace.clone()?, meta.name.clone()?), s.clone()))
        })
        .collect();
    data_store::resolve(found, &secrets, now).or_else(|why| {
        notes.push(format!(
            "the DataStore {name}: {why}; certificates made up for this output stand in"
        ));
        Ok(like(found, now))
    })
}

/// A store with the driver and endpoints of `found` and made-up certificates.
fn like(found: &DataStore, now: Timestamp) -> ResolvedDataStore {
    let name = found.metadata.name.as_deref().unwrap_or_default();
    ResolvedDataStore {
        driver: found.spec.driver,
        endpoints: found.spec.endpoints.clone(),
        ..made_up(name, now)
    }
}

fn made_up(name: &str, now: Timestamp) -> ResolvedDataStore {
    // Overrides need DataStores of one CA.
    let ca = made_up_ca("datastore", now);
    ResolvedDataStore {
        name: name.to_owned(),
        driver: Driver::Etcd,
        endpoints: vec![format!("{name}.datastore.invalid:2379")],
        tls: Some(StoreTls {
            ca: ca.certificate_pem().to_vec(),
            ca_key: Some(ca.key_pem().to_vec()),
            client: None,
        }),
        basic_auth: Some(("placeholder".to_owned(), "placeholder".to_owned())),
        without_access_control: false,
        adopted_clusters: Vec::new(),
    }
}

fn made_up_ca(name: &str, now: Timestamp) -> Authority {
    let mut entropy = Seed::from_text(name).for_purpose("placeholder");
    authority::issue("placeholder", KeyAlgorithm::EcdsaP256, now, &mut entropy)
}

/// A CA that stands in for that of the operator's webhooks, which a tenant cluster trusts. PEM.
pub fn webhook_ca(now: Timestamp, notes: &mut Vec<String>) -> Vec<u8> {
    notes.push(
        "the CA of the operator's webhooks is not known: one made up for this output stands in for it"
            .to_owned(),
    );
    made_up_ca("webhook", now).certificate_pem().to_vec()
}

/// The Service of a tenant as far as addresses go: that of spec.networkProfile.address, else that of
/// status.controlPlaneEndpoint, else a placeholder.
pub fn service(object: &TenantControlPlane, notes: &mut Vec<String>) -> Service {
    let known = object
        .status
        .as_ref()
        .and_then(|s| s.control_plane_endpoint.as_deref())
        .and_then(|endpoint| endpoint.parse::<HostPort>().ok())
        .map(|endpoint| endpoint.host);
    let given = object
        .spec
        .network_profile
        .address
        .clone()
        .filter(|a| !a.is_empty());
    let address = given.or(known).unwrap_or_else(|| {
        notes.push(format!(
            "the address of the Service is not known: {ADDRESS} stands in for it"
        ));
        ADDRESS.to_owned()
    });
    Service {
        spec: Some(ServiceSpec {
            cluster_ip: Some(address.clone()),
            ..ServiceSpec::default()
        }),
        status: Some(ServiceStatus {
            load_balancer: Some(LoadBalancerStatus {
                ingress: Some(vec![LoadBalancerIngress {
                    ip: Some(address),
                    ..LoadBalancerIngress::default()
                }]),
            }),
            ..ServiceStatus::default()
        }),
        ..Service::default()
    }
}
