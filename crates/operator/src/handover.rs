//! Handover: the tenants that a process which stops had found as planned, for the process that follows it.
//!
//! A process that is asked to stop writes one Secret to the operator's own namespace before it gives up its lease. It
//! has a line for each tenant that would not be planned again now. The key of a line is a digest of everything that the
//! tenant's plan depends on: build and settings of the operator, uid and resource version of the tenant and of each of
//! its objects, and its DataStores. The process that follows takes a tenant of an equal digest as reconciled until the
//! time in the line, and sends no request for it.
//!
//! The API server sets resource versions, so whoever may write an object cannot keep its version: any change gives
//! another digest, whatever the object's annotations say, and the tenant is planned as a whole. Lines hold no content:
//! at most they put off a plan, never beyond the time at which the periodic reconcile was due anyway, and no further
//! than the resync period. A line that is missing, damaged or of another digest costs a plan.
//!
//! The Secret is known by its type, which nobody can change; one of another type is somebody else's and is left as it
//! is. It is deleted before its lines are used, so each is used once: a process that is killed leaves none.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use k8s_openapi::{
    ByteString, api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kamaji_api::{labels, tenant::TenantControlPlane};
use kamaji_core::{
    excerpt::excerpt,
    migration,
    object::{Intent, Kind, Object, ObjectRef, Version},
};
use kamaji_shell::{ObjectKey, apply::WriteError, clock, heavy};
use kube::Api;

use crate::{context::Context, fingerprint::Fingerprint, observe};

mod build;
pub mod known;
mod line;

use line::{Digest, DigestBuilder, Line};

/// Name of the Secret, in the operator's namespace.
pub const NAME: &str = "kamaji-handover";
/// Type of the Secret, by which it is known as the operator's own.
const TYPE: &str = "kamaji.clastix.io/handover";
/// Key of the Secret's data.
const LINES: &str = "tenants";
/// Most bytes of all lines: a Secret may have 1 MiB. Further tenants are planned.
const MOST: usize = 900 << 10;
/// Time limit of the requests for the Secret, and of its write.
const TIME_LIMIT: Duration = Duration::from_secs(3);

/// Reason for which the handover of the former process cannot be used.
#[derive(Debug, thiserror::Error)]
enum Unusable {
    #[error("the Secret {NAME} cannot be read: {0}; every tenant is planned")]
    Unreadable(#[from] kube::Error),
    #[error(
        "the Secret {NAME} has the type {0:?} and not {TYPE}, so it is not the operator's: every tenant is planned at each start; delete it or give it another name"
    )]
    Foreign(String),
    #[error(
        "the Secret {NAME} cannot be deleted, and is not used before: {0}; every tenant is planned"
    )]
    Kept(#[from] WriteError),
    #[error(
        "the requests for the Secret {NAME} took more than {TIME_LIMIT:?}: every tenant is planned"
    )]
    Late,
}

/// Takes what the former process left. Without it, every tenant is planned.
pub async fn read(context: &Context) {
    let taken = tokio::time::timeout(TIME_LIMIT, take(context)).await;
    let lines = match taken.unwrap_or(Err(Unusable::Late)) {
        Ok(lines) => lines,
        Err(why) => return tracing::warn!("{why}"),
    };
    if !lines.is_empty() && identify_build(context).await {
        tracing::debug!(
            tenants = lines.len(),
            "what the former process reconciled is known"
        );
        context.handover.set(lines);
    }
}

/// Reads the Secret and deletes it. Returns its lines; none if there is no Secret.
async fn take(context: &Context) -> Result<HashMap<Digest, Line>, Unusable> {
    let namespace = &context.settings.namespace;
    let api: Api<Secret> = Api::namespaced(context.client.clone(), namespace);
    context.metrics.counters.request("get", "secrets");
    let Some(secret) = api.get_opt(NAME).await? else {
        return Ok(HashMap::new());
    };
    let type_ = secret.type_.unwrap_or_default();
    if type_ != TYPE {
        return Err(Unusable::Foreign(excerpt(&type_, 60)));
    }
    let key = ObjectRef::namespaced(Kind::Secret, namespace, NAME);
    let version = Version::of(&secret.metadata);
    context.writer.delete(&key, Some(&version)).await?;
    let text = secret.data.and_then(|mut data| data.remove(LINES));
    Ok(line::parse(&text.unwrap_or_default().0, MOST))
}

/// Takes `key` as reconciled if the former process left a line for exactly this state, and this one has not reconciled
/// it yet. Returns the time until its next reconcile; `None` if it must be planned.
pub fn accept(
    context: &Context,
    key: &ObjectKey,
    object: &TenantControlPlane,
    fingerprint: Fingerprint,
) -> Option<Duration> {
    if context.handover.is_empty() || context.tenant_cache.is_completed(key) {
        return None;
    }
    let line = context.handover.take(&digest(context, key, object)?)?;
    let left = line.left(clock::now()).min(context.settings.resync);
    if left.is_zero() {
        return None;
    }
    context.tenant_cache.complete(key, fingerprint, Some(left));
    context.measure_expiries(key, line.measured);
    context.measure(key, object);
    Some(left)
}

/// Writes what this process has reconciled, for the one that follows.
pub async fn leave(context: &Context) {
    if !identify_build(context).await {
        return;
    }
    let lines = heavy::run(|| lines(context)).await;
    if lines.is_empty() {
        return;
    }
    let secret = secret(&context.settings.namespace, lines);
    let write = context.writer.write(&secret);
    match tokio::time::timeout(TIME_LIMIT, write).await {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => tracing::warn!(%error, "the next process plans every tenant"),
        Err(_) => tracing::warn!(
            "the Secret {NAME} is not written within {TIME_LIMIT:?}: the next process plans every tenant"
        ),
    }
}

/// Identifies this build, once. False if that fails: then no line can be written or taken.
async fn identify_build(context: &Context) -> bool {
    if !context.handover.is_identified() {
        let read = tokio::task::spawn_blocking(build::identity).await;
        let read = read.map_err(std::io::Error::other).flatten();
        if let Err(error) = &read {
            tracing::debug!(%error, "this build cannot be identified");
        }
        context.handover.identify(read.ok());
    }
    context.handover.build().is_some()
}

/// Lines of the tenants that would not be planned again now.
fn lines(context: &Context) -> BTreeMap<Digest, Line> {
    let tenants = context.tenants.all().into_iter();
    let lines = tenants.filter_map(|(key, object)| {
        let digest = digest(context, &key, &object)?;
        let fingerprint = Fingerprint::of(
            &context.index,
            &key,
            &object,
            observe::environment(context, &key, &object),
        );
        let resync = context.settings.resync;
        let left = context.tenant_cache.unchanged(&key, fingerprint, resync)?;
        let measured = context.tenant_cache.measured(&key)?;
        Some((digest, Line::due_after(left, clock::now(), measured)))
    });
    lines.collect()
}

/// Digest of everything that the plan of a tenant depends on; `None` for a tenant of which a part is not known by its
/// version.
fn digest(context: &Context, key: &ObjectKey, object: &TenantControlPlane) -> Option<Digest> {
    let metadata = &object.metadata;
    let is_special = labels::is_paused(metadata)
        || metadata.deletion_timestamp.is_some()
        || context.tenants.unreadable(key).is_some()
        || migration::concerns(object)
        || !context.tenant_cache.names_to_read(key).is_empty();
    if is_special {
        return None;
    }
    let build = context.handover.build()?;
    let mut digest = DigestBuilder::default();
    digest.add(&build);
    digest.add(format!("{:?}", context.settings.core).as_bytes());
    digest.add(context.cluster.get()?.as_bytes());
    digest.add(key.to_string().as_bytes());
    digest.add_version(&Version::of(metadata));
    context
        .index
        .each(key, |entry| digest.add_version(&entry.child.version));
    for store in observe::store_names(context, object) {
        digest.add(store.as_bytes());
        digest.add(&context.stores.digest(&store).to_be_bytes());
    }
    digest.add(&[context.gateway_api().into()]);
    digest.finish()
}

/// The Secret with as many of the lines as it can hold. It is created only: one that is there was not read by this
/// process.
fn secret(namespace: &str, lines: BTreeMap<Digest, Line>) -> Object {
    let data = BTreeMap::from([(LINES.to_owned(), ByteString(line::text(lines, MOST)))]);
    Object::of(&Secret {
        metadata: ObjectMeta {
            name: Some(NAME.to_owned()),
            namespace: Some(namespace.to_owned()),
            ..ObjectMeta::default()
        },
        data: Some(data),
        type_: Some(TYPE.to_owned()),
        ..Secret::default()
    })
    .with(Intent::Create)
}
