//! What stands in for what only a live cluster knows?

use anyhow::Context;
use k8s_openapi::{
    api::core::v1::{LoadBalancerIngress, LoadBalancerStatus, Service, ServiceSpec, ServiceStatus},
    jiff::Timestamp,
};
use kamaji_api::{
    datastore::{DataStore, Driver},
    tenant::TenantControlPlane,
};
use kamaji_core::{
    admission,
    pki::{authority, key::KeyAlgorithm},
    rng::Seed,
    settings::Settings,
    snapshot::{Snapshot, StoreWait},
    store::{self, Secrets, Store, StoreTls},
};

use super::{Arguments, input::Documents};

/// An address of the range that is kept for documentation.
const ADDRESS: &str = "192.0.2.1";

/// A snapshot of `object` made of the documents, placeholders named in `notes`.
pub fn snapshot(
    arguments: &Arguments,
    documents: &Documents,
    object: &TenantControlPlane,
    notes: &mut Vec<String>,
) -> anyhow::Result<Snapshot> {
    let settings = Settings {
        default_data_store: Some(arguments.datastore.clone()),
        key_algorithm: arguments.key_algorithm,
        ..Settings::default()
    };
    let mut object = admission::default(object, &settings);
    let seed = seed(arguments)?;
    if object.metadata.namespace.is_none() {
        object.metadata.namespace = Some("default".to_owned());
    }
    if object.metadata.uid.is_none() {
        let uid = Seed::from_text(&format!("{:?}", object.metadata.name))
            .for_purpose("uid")
            .uuid_v4();
        notes.push(format!("metadata.uid is not known: {uid} stands in for it"));
        object.metadata.uid = Some(uid);
    }
    let now = Timestamp::now();
    let named = object
        .spec
        .data_store
        .clone()
        .unwrap_or_else(|| arguments.datastore.clone());
    let store = resolve(&named, documents, now, notes);
    let overrides = object
        .spec
        .data_store_overrides
        .iter()
        .map(|o| {
            let name = o.data_store.clone().unwrap_or_default();
            Ok((
                o.resource.clone().unwrap_or_default(),
                resolve(&name, documents, now, notes)?,
            ))
        })
        .collect();
    let namespace = object.metadata.namespace.clone();
    Ok(Snapshot {
        service: Some(service(&object, notes)),
        secrets: documents
            .secrets
            .iter()
            .filter(|s| s.metadata.namespace == namespace)
            .filter_map(|s| Some((s.metadata.name.clone()?, s.clone())))
            .collect(),
        object,
        settings,
        cluster: String::new(),
        ailing: None,
        store,
        overrides,
        deployment: None,
        pods: Vec::new(),
        ingress: None,
        routes: std::collections::BTreeMap::new(),
        gateways: Vec::new(),
        gateway_api: true,
        children: std::collections::BTreeMap::new(),
        tenant_cluster: None,
        now,
        seed,
    })
}

fn seed(arguments: &Arguments) -> anyhow::Result<Seed> {
    if let Some(text) = &arguments.seed {
        return Ok(Seed::from_text(text));
    }
    let mut bytes = [0; 32];
    std::io::Read::read_exact(
        &mut std::fs::File::open("/dev/urandom").context("opening the random device")?,
        &mut bytes,
    )
    .context("reading the random device")?;
    Ok(Seed::new(bytes))
}

fn resolve(
    name: &str,
    documents: &Documents,
    now: Timestamp,
    notes: &mut Vec<String>,
) -> Result<Store, StoreWait> {
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
    store::resolve(found, &secrets, now).or_else(|why| {
        notes.push(format!(
            "the DataStore {name}: {why}; certificates made up for this output stand in"
        ));
        Ok(like(found, now))
    })
}

/// A store that dials where `found` does, with certificates made up.
fn like(found: &DataStore, now: Timestamp) -> Store {
    let name = found.metadata.name.as_deref().unwrap_or_default();
    Store {
        driver: found.spec.driver,
        endpoints: found.spec.endpoints.clone(),
        ..made_up(name, now)
    }
}

fn made_up(name: &str, now: Timestamp) -> Store {
    let ca = authority::issue(
        "placeholder",
        KeyAlgorithm::EcdsaP256,
        now,
        &mut Seed::from_text(name).for_purpose("placeholder"),
    );
    Store {
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

/// The Service as far as its address goes: the status', the user's, or a placeholder.
fn service(object: &TenantControlPlane, notes: &mut Vec<String>) -> Service {
    let known = object
        .status
        .as_ref()
        .and_then(|s| s.control_plane_endpoint.as_deref())
        .and_then(|endpoint| endpoint.rsplit_once(':'))
        .map(|(host, _)| host.trim_matches(['[', ']']).to_owned());
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
