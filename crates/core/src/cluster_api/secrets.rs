//! Secrets that Cluster API reads: the kubeconfig and the CA of a Cluster.
//!
//! They exist and are proven to work before the control plane is reported as initialised.

use std::collections::BTreeMap;

use k8s_openapi::{
    ByteString,
    api::core::v1::Secret,
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference},
};
use kamaji_api::{
    cluster::{Cluster, SECRET_TYPE},
    condition::Reason,
    control_plane::ApiEndpoint,
    labels,
    tenant::TenantControlPlane,
};

use serde_json::{Value, json};

use super::{
    builder::PlanBuilder,
    conditions::SECRETS_CREATED,
    endpoint::{self, Published},
    ownership::{self, cluster_label, owner_reference},
    types::Remote,
};
use crate::{
    kubeconfig_files,
    object::{Intent, Object, Version, holds},
    secret_role::TLS_PAIR,
};

/// Seconds until a Secret of another owner is read again, since no watch reports its changes.
const FOREIGN_RETRY: i64 = 60;

/// Name of the published Secret with the kubeconfig.
pub(super) fn kubeconfig(cluster: &str) -> String {
    format!("{cluster}-kubeconfig")
}

/// Name of the published Secret with the CA.
pub(super) fn authority(cluster: &str) -> String {
    format!("{cluster}-ca")
}

/// Name of the operator's Secret with the administrators' kubeconfigs; `None` until the status has it.
pub(super) fn kubeconfig_source(tenant: &TenantControlPlane) -> Option<String> {
    let kubeconfigs = tenant.status.as_ref()?.kubeconfig.as_ref()?;
    kubeconfigs.admin.as_ref()?.secret_name.clone()
}

/// Name of the operator's Secret with the tenant's CA; `None` until the status has it.
pub(super) fn authority_source(tenant: &TenantControlPlane) -> Option<String> {
    let certificates = tenant.status.as_ref()?.certificates.as_ref()?;
    certificates.ca.as_ref()?.secret_name.clone()
}

/// Secret with the CA that a user made for the Cluster, under the name at which the operator takes a CA of the
/// user. `None` if there is none, if both names are the same, or if the tenant is in another management cluster.
pub(super) fn given_authority(builder: &PlanBuilder, cluster: &Cluster) -> Option<Object> {
    let snapshot = builder.snapshot;
    let name = authority(&snapshot.place.name);
    let published = authority(&cluster_label(cluster).1);
    if snapshot.place.kubeconfig.is_some() || name == published {
        return None;
    }
    let given = snapshot.secrets.get(&published);
    let given = given.filter(|live| is_of_user(live) && live.type_.as_deref() == Some(SECRET_TYPE));
    let data = given?.data.as_ref()?;
    let pair = <[&str; 2]>::from(TLS_PAIR)
        .map(|key| data.get(key).map(|bytes| (key.to_owned(), bytes.clone())));
    let [Some(certificate), Some(key)] = pair else {
        return None;
    };
    let secret = Secret {
        metadata: ObjectMeta {
            name: Some(name),
            namespace: snapshot.control_plane.metadata.namespace.clone(),
            ..ObjectMeta::default()
        },
        type_: Some(SECRET_TYPE.to_owned()),
        data: Some(BTreeMap::from([certificate, key])),
        ..Secret::default()
    };
    Some(Object::of(&secret).with(Intent::Create))
}

/// Plans both Secrets and sets the condition about them.
pub(super) fn plan(
    builder: &mut PlanBuilder,
    cluster: &Cluster,
    tenant: &TenantControlPlane,
    endpoint: &Published,
) {
    let source = Source { tenant, endpoint };
    match published(builder, cluster, source) {
        Ok(()) => builder.set_true(SECRETS_CREATED, Reason::Succeeded),
        Err((reason, text)) => builder.set_false(SECRETS_CREATED, reason, &text),
    }
}

/// Origin of the published content.
#[derive(Clone, Copy)]
struct Source<'a> {
    tenant: &'a TenantControlPlane,
    endpoint: &'a Published,
}

/// Desired Secret: `role` is the value of its label, `kubeconfig` or `ca`.
struct Desired {
    name: String,
    role: &'static str,
    data: BTreeMap<String, ByteString>,
}

fn published(
    builder: &mut PlanBuilder,
    cluster: &Cluster,
    Source { tenant, endpoint }: Source,
) -> Result<(), (Reason, String)> {
    let key = kubeconfig_key(builder);
    let source = kubeconfig_source(tenant);
    let config = readdressed(entry(builder, source.as_deref(), &key)?, endpoint);
    let name = cluster_label(cluster).1;
    let data = BTreeMap::from([("value".to_owned(), config.clone())]);
    let desired = Desired {
        name: kubeconfig(&name),
        role: "kubeconfig",
        data,
    };
    plan_secret(builder, cluster, desired)?;
    builder.plan.probe = Some(config.0);

    let source = authority_source(tenant);
    let here = builder.snapshot.remote == Remote::Local;
    if here && source.as_deref() == Some(&authority(&name)) {
        // The tenant's own Secret has the name that Cluster API asks for: it is left to the operator.
        return Ok(());
    }
    let data = BTreeMap::from([
        ("tls.crt".to_owned(), signer(builder, source.as_deref())?),
        (
            "tls.key".to_owned(),
            entry(builder, source.as_deref(), "ca.key")?,
        ),
    ]);
    let desired = Desired {
        name: authority(&name),
        role: "ca",
        data,
    };
    plan_secret(builder, cluster, desired)
}

/// Key of the kubeconfig to publish: the one that an annotation names; else `admin.svc` (the Service's name) where
/// another address is advertised and the tenant is in the provider's own cluster; else `admin.conf`.
fn kubeconfig_key(builder: &PlanBuilder) -> String {
    let control_plane = &builder.snapshot.control_plane;
    let annotations = control_plane.metadata.annotations.as_ref();
    let named = annotations.and_then(|a| a.get(labels::KUBECONFIG_SECRET_KEY));
    let advertised = &control_plane.spec.fields.network.advertise_address;
    let advertises = advertised
        .as_ref()
        .is_some_and(|address| !address.is_empty());
    match named.filter(|name| !name.is_empty()) {
        Some(name) => name.clone(),
        None if advertises && builder.snapshot.remote == Remote::Local => {
            kubeconfig_files::ADMIN_SERVICE.to_owned()
        }
        None => kubeconfig_files::ADMIN.to_owned(),
    }
}

/// Kubeconfig with the published endpoint instead of the tenant's own address, where they differ. A kubeconfig for
/// any other server stays as it is.
fn readdressed(config: ByteString, published: &Published) -> ByteString {
    if published.warning.is_some() || published.endpoint == published.reached {
        return config;
    }
    let server = |endpoint: &ApiEndpoint| format!("https://{}", endpoint::text(endpoint));
    let (from, to) = (server(&published.reached), server(&published.endpoint));
    let parsed = std::str::from_utf8(&config.0).ok();
    let parsed = parsed.and_then(|text| serde_saphyr::from_str::<Value>(text).ok());
    let Some(mut value) = parsed else {
        return config;
    };
    let clusters = value.get_mut("clusters").and_then(Value::as_array_mut);
    let servers = clusters.into_iter().flatten();
    let servers = servers.filter_map(|entry| entry.pointer_mut("/cluster/server"));
    let mut changed = false;
    for server in servers.filter(|server| **server == json!(from)) {
        *server = json!(to);
        changed = true;
    }
    match serde_saphyr::to_string(&value) {
        Ok(text) if changed => ByteString(text.into_bytes()),
        _ => config,
    }
}

/// Value of a key of one of the operator's Secrets; the error is reason and message of the condition.
fn entry(
    builder: &PlanBuilder,
    secret: Option<&str>,
    key: &str,
) -> Result<ByteString, (Reason, String)> {
    let pending = |text: String| (Reason::SecretPending, text);
    let name = secret.ok_or_else(|| {
        pending("the TenantControlPlane has not reported its Secrets yet".to_owned())
    })?;
    let found = builder.snapshot.sources.get(name);
    let found = found.ok_or_else(|| pending(format!("the Secret {name} is not there yet")))?;
    let data = found.data.as_ref().and_then(|data| data.get(key)).cloned();
    data.ok_or_else(|| {
        let text = format!(
            "the Secret {name} has no key {key}: correct the annotation {} of the control plane",
            labels::KUBECONFIG_SECRET_KEY
        );
        (Reason::SecretKeyMissing, text)
    })
}

/// Certificate of the CA that signs: `ca.crt` may have further ones beside it, and not first.
fn signer(builder: &PlanBuilder, secret: Option<&str>) -> Result<ByteString, (Reason, String)> {
    entry(builder, secret, TLS_PAIR.0).or_else(|_| entry(builder, secret, "ca.crt"))
}

fn plan_secret(
    builder: &mut PlanBuilder,
    cluster: &Cluster,
    Desired { name, role, data }: Desired,
) -> Result<(), (Reason, String)> {
    let control_plane = &builder.snapshot.control_plane;
    let tenant = control_plane.metadata.name.clone().unwrap_or_default();
    let (label, cluster_name) = cluster_label(cluster);
    let live = builder.snapshot.secrets.get(&name);
    if let Some(why) = live.and_then(|live| foreign(live, &data, &tenant)) {
        // Secrets of other owners are not watched.
        builder.requeue_within(FOREIGN_RETRY);
        return Err(why);
    }
    if live.is_some_and(is_of_user) {
        // It has the content already, and stays its owner's.
        return Ok(());
    }
    let secret = Secret {
        metadata: ObjectMeta {
            name: Some(name),
            namespace: control_plane.metadata.namespace.clone(),
            labels: Some(BTreeMap::from([
                (label, cluster_name.clone()),
                (labels::COMPONENT.to_owned(), "capi".to_owned()),
                ("kamaji.clastix.io/secret".to_owned(), role.to_owned()),
                ("kamaji.clastix.io/cluster".to_owned(), cluster_name),
                ("kamaji.clastix.io/tcp".to_owned(), tenant.clone()),
            ])),
            owner_references: Some(vec![owner_reference(builder)]),
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
        let observed = live.map(|live| Version::of(&live.metadata));
        let intent = observed.map_or(Intent::Create, Intent::Update);
        builder.plan.objects.push(object.with(intent));
    }
    Ok(())
}

/// Reason and message if the existing Secret must not be written, since the keys of an owner other than the control
/// plane `own` are not replaced.
fn foreign(
    live: &Secret,
    data: &BTreeMap<String, ByteString>,
    own: &str,
) -> Option<(Reason, String)> {
    let name = live.metadata.name.as_deref().unwrap_or_default();
    let labels = live.metadata.labels.as_ref();
    let controller = ownership::controller(&live.metadata);
    let of_tenant = labels.is_some_and(|labels| labels.contains_key(labels::PROJECT));
    let other = controller.filter(|owner| !ownership::is_to(owner, own));
    if other.is_some() || of_tenant {
        let whose = other.map_or_else(
            || "a TenantControlPlane".to_owned(),
            |owner| format!("{} {}", owner.kind, owner.name),
        );
        let text = format!(
            "the Secret {name} belongs to {whose} and is left alone: {}",
            next_action(other)
        );
        return Some((Reason::SecretForeign, text));
    }
    let type_ = live.type_.as_deref().unwrap_or("Opaque");
    if type_ != SECRET_TYPE {
        let text = format!(
            "the Secret {name} is there with type {type_}, and a type cannot change: keep a copy if you need it and delete it, it is made again with type {SECRET_TYPE}"
        );
        return Some((Reason::SecretTypeWrong, text));
    }
    let differs = data
        .iter()
        .any(|(key, bytes)| live.data.as_ref().and_then(|live| live.get(key)) != Some(bytes));
    (is_of_user(live) && differs).then(|| {
        let text = format!(
            "the Secret {name} is there and was not made for this control plane: its content is not that of the TenantControlPlane, which has another CA already; keep a copy if you need it and delete it. A CA that is there before the control plane becomes its CA"
        );
        (Reason::SecretForeign, text)
    })
}

/// Next action about a Secret that belongs to `other`. One that another control plane published is of no use once
/// `spec.controlPlaneRef` of the Cluster names this one.
fn next_action(other: Option<&OwnerReference>) -> &'static str {
    match other {
        Some(owner) if ownership::is_to(owner, &owner.name) => {
            "the Cluster names this control plane and not that one, so delete the Secret, and it is made again; or give this Cluster another name"
        }
        _ => "give this Cluster another name",
    }
}

/// True if a user made the Secret: neither a controller nor the provider's or the operator's label says otherwise.
fn is_of_user(live: &Secret) -> bool {
    let labels = live.metadata.labels.as_ref();
    let component = labels.and_then(|labels| labels.get(labels::COMPONENT));
    ownership::controller(&live.metadata).is_none()
        && component.is_none_or(|component| component != "capi")
        && labels.is_none_or(|labels| !labels.contains_key(labels::PROJECT))
}

#[cfg(test)]
mod tests;
