//! Builds the snapshots of a tenant and of its cluster from the documents of the given files, with placeholders for what only a
//! live cluster knows.

use std::{collections::BTreeMap, time::Duration};

use anyhow::Context;
use k8s_openapi::{api::core::v1::Secret, jiff::Timestamp};
use kamaji_api::{foreign::TlsRoute, tenant::TenantControlPlane};
use kamaji_core::{
    admission,
    adoption::Child,
    binding::data_stores,
    data_store::{ResolvedDataStore, usage::Usage},
    names::Names,
    object::{Kind, ObjectRef},
    plan::Plan,
    rng::Seed,
    secret_role::SecretRole,
    settings::Settings,
    snapshot::{DeploymentView, Snapshot, StoreWait},
    tenant_cluster::{AdminSecret, TenantClusterSnapshot},
};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{arguments::Arguments, input::Documents, placeholder};

/// Builds the snapshot of `object`. Each placeholder adds a sentence to `notes`.
pub fn of(
    arguments: &Arguments,
    documents: &Documents,
    object: &TenantControlPlane,
    notes: &mut Vec<String>,
) -> anyhow::Result<Snapshot> {
    let now = arguments.now.unwrap_or_else(Timestamp::now);
    let mut settings = Settings {
        default_data_store: Some(arguments.datastore.clone()),
        key_algorithm: arguments.key_algorithm,
        ..Settings::default()
    };
    let object = identified(admission::default(object, &settings), notes);
    if arguments.tenant_cluster && object.spec.write_permissions.is_some() {
        settings.webhook_ca = placeholder::webhook_ca(now, notes);
    }
    let store = placeholder::or_stored(&named(&object, arguments), documents, now, notes);
    let overrides = overrides(&object, documents, now, notes);
    let default = settings.default_data_store.as_deref();
    let further = data_stores::further(&object, default).into_iter();
    let further = further
        .map(|name| {
            let found = placeholder::or_stored(&name, documents, now, notes);
            (name, found)
        })
        .collect();
    let live = Live::of(&object, documents);
    let service = live.typed(Kind::Service)?;
    Ok(Snapshot {
        service: Some(service.unwrap_or_else(|| placeholder::service(&object, notes))),
        secrets: secrets(&object, documents),
        deployment: live.body(Kind::Deployment).map(DeploymentView::of),
        ingress: live
            .body(Kind::Ingress)
            .map(|body| serde_json::from_value(body["status"].clone()))
            .transpose()
            .context("reading the status of the Ingress")?,
        routes: live.routes()?,
        children: live.children(),
        object,
        settings,
        cluster: String::new(),
        store_fault: None,
        usage: Usage::default(),
        store,
        overrides,
        further,
        pods: Vec::new(),
        gateways: Vec::new(),
        gateway_api: true,
        tenant_cluster: None,
        now,
        seed: seed(arguments)?,
    })
}

/// Builds the snapshot of the cluster of `object`, which has the status of `plan`, as the operator observes it once
/// `plan` has been applied. Fails if the plan writes no kubeconfigs for administrators.
pub fn of_tenant_cluster<'a>(
    object: &'a TenantControlPlane,
    snapshot: &Snapshot,
    plan: &Plan,
) -> anyhow::Result<TenantClusterSnapshot<'a>> {
    let names = Names::of(object.metadata.name.as_deref().unwrap_or_default());
    let name = names.secret(SecretRole::AdminKubeconfig);
    let mut planned = plan.objects();
    let secret = planned
        .find(|planned| planned.key.kind == Kind::Secret && planned.key.name == name)
        .with_context(|| {
            format!("the plan writes no Secret {name}, whose kubeconfigs lead to the tenant cluster: it can be rendered once the waits above have ended")
        })?;
    let secret: Secret = serde_json::from_value(secret.body.clone())
        .with_context(|| format!("reading the planned Secret {name}"))?;
    Ok(TenantClusterSnapshot {
        object,
        unreadable: false,
        settings: snapshot.settings.clone(),
        service: snapshot.service.clone(),
        store: snapshot.store.clone(),
        admin_secret: AdminSecret::Read(secret.data.unwrap_or_default()),
        last: None,
        // The time of the next reconcile is not printed.
        resync: Duration::ZERO,
        now: snapshot.now,
    })
}

/// `object` with a namespace and a uid, which the API server would have given it.
fn identified(mut object: TenantControlPlane, notes: &mut Vec<String>) -> TenantControlPlane {
    let metadata = &mut object.metadata;
    if metadata.namespace.is_none() {
        metadata.namespace = Some("default".to_owned());
    }
    if metadata.uid.is_none() {
        let uid = Seed::from_text(&format!("{:?}", metadata.name))
            .for_purpose("uid")
            .uuid_v4();
        notes.push(format!("metadata.uid is not known: {uid} stands in for it"));
        metadata.uid = Some(uid);
    }
    object
}

fn named(object: &TenantControlPlane, arguments: &Arguments) -> String {
    let named = data_stores::effective(object, Some(&arguments.datastore));
    named.unwrap_or_default().to_owned()
}

fn overrides(
    object: &TenantControlPlane,
    documents: &Documents,
    now: Timestamp,
    notes: &mut Vec<String>,
) -> Result<Vec<(String, ResolvedDataStore)>, StoreWait> {
    let overrides = object.spec.data_store_overrides.iter();
    overrides
        .map(|wanted| {
            let name = wanted.data_store.clone().unwrap_or_default();
            let store = placeholder::or_stored(&name, documents, now, notes)?;
            Ok((wanted.resource.clone().unwrap_or_default(), store))
        })
        .collect()
}

fn secrets(object: &TenantControlPlane, documents: &Documents) -> BTreeMap<String, Secret> {
    let secrets = documents.secrets.iter();
    secrets
        .filter(|secret| secret.metadata.namespace == object.metadata.namespace)
        .filter_map(|secret| Some((secret.metadata.name.clone()?, secret.clone())))
        .collect()
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

/// Live objects of one tenant in the management cluster: documents under the names of its objects.
struct Live<'a> {
    tenant: String,
    objects: Vec<(ObjectRef, &'a Value)>,
}

impl<'a> Live<'a> {
    fn of(object: &TenantControlPlane, documents: &'a Documents) -> Self {
        let tenant = object.metadata.name.clone().unwrap_or_default();
        let namespace = object.metadata.namespace.clone().unwrap_or_default();
        let names = Names::of(&tenant);
        let objects = documents.live.iter().filter_map(|(kind, body)| {
            let metadata = &body["metadata"];
            let name = metadata["name"].as_str()?;
            let near = metadata["namespace"].as_str() == Some(&namespace);
            (near && names.include(*kind, name))
                .then(|| (ObjectRef::namespaced(*kind, &namespace, name), body))
        });
        Self {
            objects: objects.collect(),
            tenant,
        }
    }

    fn body(&self, kind: Kind) -> Option<&'a Value> {
        let mut objects = self.objects.iter();
        let found = objects.find(|(key, _)| key.kind == kind);
        found.map(|(_, body)| *body)
    }

    fn typed<K: DeserializeOwned>(&self, kind: Kind) -> anyhow::Result<Option<K>> {
        let body = self.body(kind).cloned().map(serde_json::from_value);
        body.transpose()
            .with_context(|| format!("reading the {kind:?}"))
    }

    fn routes(&self) -> anyhow::Result<BTreeMap<String, TlsRoute>> {
        let routes = self.objects.iter();
        routes
            .filter(|(key, _)| key.kind == Kind::TlsRoute)
            .map(|(key, body)| {
                let route = serde_json::from_value((*body).clone());
                let route = route.with_context(|| format!("reading the {key}"))?;
                Ok((key.name.clone(), route))
            })
            .collect()
    }

    fn children(&self) -> BTreeMap<ObjectRef, Child> {
        let objects = self.objects.iter();
        objects
            .map(|(key, body)| (key.clone(), Child::of(body, key.kind, &self.tenant)))
            .collect()
    }
}
