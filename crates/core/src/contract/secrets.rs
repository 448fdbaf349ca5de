//! Which Secrets does Cluster API read? (Cluster API provider specification, section 2.8)
//!
//! They are there, and proven to be usable, before the control plane is called initialised.

use std::collections::BTreeMap;

use k8s_openapi::{
    ByteString,
    api::core::v1::Secret,
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference},
};
use kamaji_api::{
    cluster::{Cluster, SECRET_TYPE},
    labels,
    tenant::TenantControlPlane,
};

use super::{
    cluster_label,
    conditions::{Draft, SECRETS_CREATED},
    place::Remote,
};
use crate::object::{Object, holds};

/// Name of the published kubeconfig.
pub(super) fn kubeconfig(cluster: &str) -> String {
    format!("{cluster}-kubeconfig")
}

/// Name of the published authority.
pub(super) fn authority(cluster: &str) -> String {
    format!("{cluster}-ca")
}

/// Name of the tenant's own Secret with kubeconfigs of its administrators.
pub(super) fn kubeconfig_source(tenant: &TenantControlPlane) -> Option<String> {
    let kubeconfigs = tenant.status.as_ref()?.kubeconfig.as_ref()?;
    kubeconfigs.admin.as_ref()?.secret_name.clone()
}

/// Name of the tenant's own Secret with its CA.
pub(super) fn authority_source(tenant: &TenantControlPlane) -> Option<String> {
    let certificates = tenant.status.as_ref()?.certificates.as_ref()?;
    certificates.ca.as_ref()?.secret_name.clone()
}

/// Plans both Secrets and says whether they are there.
pub(super) fn plan(draft: &mut Draft, cluster: &Cluster, tenant: &TenantControlPlane) {
    match published(draft, cluster, tenant) {
        Ok(()) => draft.fine(SECRETS_CREATED, "Succeeded"),
        Err((reason, text)) => draft.unfinished(SECRETS_CREATED, reason, &text),
    }
}

fn published(
    draft: &mut Draft,
    cluster: &Cluster,
    tenant: &TenantControlPlane,
) -> Result<(), (&'static str, String)> {
    let key = kubeconfig_key(draft);
    let source = kubeconfig_source(tenant);
    let config = entry(draft, source.as_deref(), &key)?;
    let name = cluster_label(cluster).1;
    let data = BTreeMap::from([("value".to_owned(), config.clone())]);
    write(draft, (cluster, "kubeconfig"), (kubeconfig(&name), data))?;
    draft.plan.probe = Some(config.0);

    let source = authority_source(tenant);
    let here = draft.snapshot.remote == Remote::Local;
    if here && source.as_deref() == Some(&authority(&name)) {
        // The tenant's own Secret has the name that Cluster API asks for: it is left to the operator.
        return Ok(());
    }
    let data = BTreeMap::from([
        (
            "tls.crt".to_owned(),
            entry(draft, source.as_deref(), "ca.crt")?,
        ),
        (
            "tls.key".to_owned(),
            entry(draft, source.as_deref(), "ca.key")?,
        ),
    ]);
    write(draft, (cluster, "ca"), (authority(&name), data))
}

/// Which of the administrators' kubeconfigs is published: the one a person names, the one that stays
/// inside the management cluster where another address is advertised, else the usual one.
fn kubeconfig_key(draft: &Draft) -> String {
    let control_plane = &draft.snapshot.control_plane;
    let annotations = control_plane.metadata.annotations.as_ref();
    let named = annotations.and_then(|a| a.get(labels::KUBECONFIG_SECRET_KEY));
    let advertised = &control_plane.spec.fields.network.advertise_address;
    match (named.filter(|name| !name.is_empty()), advertised) {
        (Some(name), _) => name.clone(),
        (None, Some(address)) if !address.is_empty() => "admin.svc".to_owned(),
        _ => "admin.conf".to_owned(),
    }
}

fn entry(
    draft: &Draft,
    secret: Option<&str>,
    key: &str,
) -> Result<ByteString, (&'static str, String)> {
    let pending = |text: String| ("SecretPending", text);
    let name = secret
        .ok_or_else(|| pending("the TenantControlPlane has not told its Secrets yet".to_owned()))?;
    let found = draft.snapshot.sources.get(name);
    let found = found.ok_or_else(|| pending(format!("the Secret {name} is not there yet")))?;
    let data = found.data.as_ref().and_then(|data| data.get(key)).cloned();
    data.ok_or_else(|| {
        let text = format!(
            "the Secret {name} has no key {key}: correct the annotation {} of the control plane",
            labels::KUBECONFIG_SECRET_KEY
        );
        ("SecretKeyMissing", text)
    })
}

fn write(
    draft: &mut Draft,
    (cluster, what): (&Cluster, &str),
    (name, data): (String, BTreeMap<String, ByteString>),
) -> Result<(), (&'static str, String)> {
    let control_plane = &draft.snapshot.control_plane;
    let tenant = control_plane.metadata.name.clone().unwrap_or_default();
    let (label, cluster_name) = cluster_label(cluster);
    let live = draft.snapshot.secrets.get(&name);
    if let Some(other) = live
        .and_then(|live| live.type_.as_deref())
        .filter(|t| *t != SECRET_TYPE)
    {
        let text = format!(
            "the Secret {name} is there with type {other}, and a type cannot change: delete it, it is made again with type {SECRET_TYPE}"
        );
        return Err(("SecretTypeWrong", text));
    }
    let secret = Secret {
        metadata: ObjectMeta {
            name: Some(name),
            namespace: control_plane.metadata.namespace.clone(),
            labels: Some(BTreeMap::from([
                (label, cluster_name.clone()),
                (labels::COMPONENT.to_owned(), "capi".to_owned()),
                ("kamaji.clastix.io/secret".to_owned(), what.to_owned()),
                ("kamaji.clastix.io/cluster".to_owned(), cluster_name),
                ("kamaji.clastix.io/tcp".to_owned(), tenant.clone()),
            ])),
            owner_references: Some(vec![owner(draft)]),
            ..ObjectMeta::default()
        },
        type_: Some(SECRET_TYPE.to_owned()),
        data: Some(data),
        ..Secret::default()
    };
    let object = Object::of(&secret);
    let as_planned = live.is_some_and(|live| {
        let live = serde_json::to_value(live).expect("Kubernetes types serialise to JSON");
        holds(&object.body["metadata"], &live["metadata"])
            && holds(&object.body["data"], &live["data"])
    });
    if !as_planned {
        draft.plan.objects.push(object);
    }
    Ok(())
}

/// The control plane as the controlling owner of what it makes.
pub(super) fn owner(draft: &Draft) -> OwnerReference {
    let metadata = &draft.snapshot.control_plane.metadata;
    OwnerReference {
        api_version: "controlplane.cluster.x-k8s.io/v1alpha2".to_owned(),
        kind: "KamajiControlPlane".to_owned(),
        name: metadata.name.clone().unwrap_or_default(),
        uid: metadata.uid.clone().unwrap_or_default(),
        controller: Some(true),
        block_owner_deletion: Some(true),
    }
}
