//! Handover: the tenants that a process had found as planned, for the process that follows it.
//!
//! The process that leads keeps one Secret in the operator's own namespace. It has a line for each tenant that would not
//! be planned again now. The key of a line is a digest of everything that the tenant's plan depends on: build and settings
//! of the operator, uid and resource version of the tenant and of each of its objects, and its DataStores. The process
//! that follows takes a tenant of an equal digest as reconciled until the time in the line, and sends no request for it.
//!
//! The API server sets resource versions, so whoever may write an object cannot keep its version: any change gives
//! another digest, whatever the object's annotations say, and the tenant is planned as a whole. Lines hold no content:
//! at most they put off a plan, never beyond the time at which the periodic reconcile was due anyway, and no further
//! than the resync period. A line that is missing, damaged or of another digest costs a plan.
//!
//! The Secret is written when a process is asked to stop, and while it runs once in a period at most, if more than a
//! twentieth of the tenants have no line in it: so a process that was killed leaves one, too, and at rest nothing is
//! written. The Secret is known by its type, which nobody can change; one of another type is somebody else's and is
//! left as it is.

use std::{collections::BTreeMap, time::Duration};

use k8s_openapi::{
    ByteString, api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kamaji_api::{labels, tenant::TenantControlPlane};
use kamaji_core::{
    excerpt::excerpt,
    migration,
    object::{Intent, Object, Version},
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
/// A running process writes the Secret if more than one of so many tenants has no line in it.
const CHANGED: usize = 20;
/// Time limit of the requests for the Secret.
const TIME_LIMIT: Duration = Duration::from_secs(3);

/// Reason for which a handover can be neither used nor written.
#[derive(Debug, thiserror::Error)]
enum Unusable {
    #[error("the Secret {NAME} cannot be read: {0}; every tenant is planned at the next start")]
    Unreadable(#[from] kube::Error),
    #[error(
        "the Secret {NAME} has the type {0:?} and not {TYPE}, so it is not the operator's: every tenant is planned at each start; delete it or give it another name"
    )]
    Foreign(String),
    #[error("the Secret {NAME} cannot be written: {0}; the next process plans every tenant")]
    Unwritten(#[from] WriteError),
    #[error(
        "the requests for the Secret {NAME} took more than {TIME_LIMIT:?}: the next process plans every tenant"
    )]
    Late,
}

/// Takes what the former process left. Without it, every tenant is planned.
pub async fn read(context: &Context) {
    let read = tokio::time::timeout(TIME_LIMIT, secret(context)).await;
    let secret = match read.unwrap_or(Err(Unusable::Late)) {
        Ok(secret) => secret,
        Err(why) => return tracing::warn!("{why}"),
    };
    let text = secret.and_then(|secret| secret.data?.remove(LINES));
    let lines = line::parse(&text.unwrap_or_default().0, MOST);
    if !lines.is_empty() && identify_build(context).await {
        tracing::debug!(
            tenants = lines.len(),
            "what the former process reconciled is known"
        );
        context.handover.set(lines);
    }
}

/// Reads the Secret; `None` if there is none.
async fn secret(context: &Context) -> Result<Option<Secret>, Unusable> {
    let namespace = &context.settings.namespace;
    let api: Api<Secret> = Api::namespaced(context.client.clone(), namespace);
    context.metrics.counters.request("get", "secrets");
    let Some(secret) = api.get_opt(NAME).await? else {
        return Ok(None);
    };
    let type_ = secret.type_.as_deref().unwrap_or_default();
    if type_ != TYPE {
        return Err(Unusable::Foreign(excerpt(type_, 60)));
    }
    Ok(Some(secret))
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

/// Keeps the Secret, so that a process that is killed leaves it, too. Never returns.
pub async fn keep(context: &Context) {
    loop {
        tokio::time::sleep(context.settings.handover).await;
        record(context, CHANGED).await;
    }
}

/// Writes what this process has reconciled, for the one that follows.
pub async fn leave(context: &Context) {
    record(context, usize::MAX).await;
}

/// Writes the Secret if more than one of `share` tenants has no line in it.
async fn record(context: &Context, share: usize) {
    if !identify_build(context).await {
        return;
    }
    let lines = heavy::run(|| lines(context)).await;
    let missing = context.handover.missing(&lines, clock::now());
    if missing == 0 || missing <= lines.len() / share {
        return;
    }
    let write = tokio::time::timeout(TIME_LIMIT, write(context, &lines)).await;
    match write.unwrap_or(Err(Unusable::Late)) {
        Ok(()) => context.handover.written(&lines),
        Err(why) => tracing::warn!("{why}"),
    }
}

/// Writes the Secret with these lines, unless one of its name is somebody else's.
async fn write(context: &Context, lines: &BTreeMap<Digest, Line>) -> Result<(), Unusable> {
    let intent = match secret(context).await? {
        Some(secret) => Intent::Update(Version::of(&secret.metadata)),
        None => Intent::Create,
    };
    let secret = render(&context.settings.namespace, lines).with(intent);
    context.writer.write(&secret).await?;
    Ok(())
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
        .each(key, |_, entry| digest.add_version(&entry.child.version));
    for store in observe::store_names(context, object) {
        digest.add(store.as_bytes());
        digest.add(&context.stores.digest(&store).to_be_bytes());
    }
    digest.add(&[context.gateway_api().into()]);
    digest.finish()
}

/// The Secret with as many of the lines as it can hold.
fn render(namespace: &str, lines: &BTreeMap<Digest, Line>) -> Object {
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
}
