//! Kubernetes objects of a snapshot: what is saved of them, and what is made of them at a restore.

use std::collections::BTreeMap;

use anyhow::Context;
use k8s_openapi::{
    ByteString, api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kamaji_api::{
    labels,
    tenant::{ServiceType, TenantControlPlane},
};
use kamaji_core::{names::Names, secret_role::SecretRole};
use kamaji_shell::ObjectKey;
use serde_json::{Value, json};

/// The objects as they are saved: names, uids, labels, annotations and content, without what an API server manages.
pub fn saved(tenant: &TenantControlPlane, secrets: &[Secret]) -> anyhow::Result<Vec<Value>> {
    let bare = |metadata: &ObjectMeta| ObjectMeta {
        name: metadata.name.clone(),
        namespace: metadata.namespace.clone(),
        uid: metadata.uid.clone(),
        labels: metadata.labels.clone(),
        annotations: metadata.annotations.clone(),
        ..ObjectMeta::default()
    };
    let tenant = TenantControlPlane {
        metadata: bare(&tenant.metadata),
        ..tenant.clone()
    };
    let mut objects = vec![serde_json::to_value(&tenant)?];
    for secret in secrets {
        objects.push(json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": bare(&secret.metadata),
            "type": secret.type_,
            "data": secret.data,
        }));
    }
    Ok(objects)
}

/// Name, identity and DataStore of the tenant that a snapshot is restored as.
pub struct Desired<'a> {
    /// Name of the new TenantControlPlane.
    pub key: &'a ObjectKey,
    /// DataStore; `None` for the one of the snapshot.
    pub data_store: Option<&'a str>,
    /// True for a clone: keys of its own, no address of the original's, fenced.
    pub clone: bool,
    /// Value of the annotation [`labels::RESTORING`].
    pub restoring: &'a str,
}

/// The TenantControlPlane of a snapshot's objects.
pub fn tenant(objects: &[Value]) -> anyhow::Result<TenantControlPlane> {
    let found = objects
        .iter()
        .find(|object| object["kind"] == "TenantControlPlane");
    let found = found.context("the snapshot has no TenantControlPlane")?;
    serde_json::from_value(found.clone()).context("the TenantControlPlane of the snapshot")
}

/// The TenantControlPlane that is created for a restore, whose control plane does not run yet.
pub fn desired(saved: &TenantControlPlane, desired: &Desired) -> TenantControlPlane {
    let mut spec = saved.spec.clone();
    if let Some(name) = desired.data_store {
        spec.data_store = Some(name.to_owned());
    }
    // Their data is not in the snapshot.
    spec.data_store_overrides.clear();
    let mut annotations =
        BTreeMap::from([(labels::RESTORING.to_owned(), desired.restoring.to_owned())]);
    if desired.clone {
        annotations.insert(labels::FENCED.to_owned(), String::new());
        spec.data_store_schema = None;
        spec.data_store_username = None;
        spec.network_profile.address = None;
        spec.network_profile.advertise_address = None;
        spec.network_profile.allow_address_as_external_ip = None;
        spec.network_profile.cert_sans.clear();
        spec.control_plane.ingress = None;
        spec.control_plane.gateway = None;
        // Names and addresses that a load balancer controller or a DNS controller would take from the original.
        spec.control_plane.service.additional_metadata = None;
        if spec.control_plane.service.service_type == ServiceType::NodePort {
            spec.control_plane.service.service_type = ServiceType::ClusterIP;
        }
    }
    TenantControlPlane {
        metadata: ObjectMeta {
            name: Some(desired.key.name.clone()),
            namespace: Some(desired.key.namespace.clone()),
            annotations: Some(annotations),
            ..ObjectMeta::default()
        },
        spec,
        status: None,
    }
}

/// The Secrets of the authorities of a snapshot, which the operator takes for those of the tenant of that name. Of a file's
/// content only names and data are used.
pub fn authorities(objects: &[Value], key: &ObjectKey) -> anyhow::Result<Vec<Secret>> {
    let names = Names::of(&key.name);
    let roles = SecretRole::ALL
        .into_iter()
        .filter(|role| role.is_authority());
    let mut secrets = Vec::new();
    for role in roles {
        let name = names.secret(role);
        let is =
            |object: &&Value| object["kind"] == "Secret" && object["metadata"]["name"] == *name;
        let found = objects.iter().find(is);
        let found = found.with_context(|| format!("the snapshot has no Secret {name}"))?;
        let data: BTreeMap<String, ByteString> = serde_json::from_value(found["data"].clone())
            .with_context(|| format!("the Secret {name} of the snapshot"))?;
        // Tokens that exist were issued under it.
        let issuer = found["metadata"]["annotations"][labels::ISSUER].as_str();
        let issuer = issuer.map(|issuer| (labels::ISSUER.to_owned(), issuer.to_owned()));
        secrets.push(Secret {
            metadata: ObjectMeta {
                name: Some(name),
                namespace: Some(key.namespace.clone()),
                annotations: issuer.map(|issuer| BTreeMap::from([issuer])),
                ..ObjectMeta::default()
            },
            data: Some(data),
            ..Secret::default()
        });
    }
    Ok(secrets)
}
