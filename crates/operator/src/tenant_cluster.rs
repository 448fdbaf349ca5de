//! The tenant cluster controller: reconciles the content of a tenant's cluster, on change and for drift.

use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::{
    api::core::v1::Secret,
    apimachinery::pkg::apis::meta::v1::{Condition, Time},
    jiff::Timestamp,
};
use kamaji_api::{
    condition::{self, ConditionType},
    labels,
    tenant::{TenantControlPlane, VersionPhase},
};
use kamaji_core::{
    endpoint,
    managed_fields::written_by_update,
    object::{CONTENT_HASH, Intent, Kind, Object, ObjectRef, holds},
    pki::kubeconfig::{self, Credentials},
    render::Renderer,
    snapshot::TenantClusterReport,
    tenant::Tenant,
    tenant_cluster::{
        self, TenantClusterFacts, TenantClusterPlan, WriteLimit,
        schedule::{Last, Next, Schedule},
    },
};
use kube::Api;

use crate::{
    context::{CompletedReconcile, Context},
    observe,
};
use kamaji_shell::{
    ObjectKey,
    apply::{MANAGER, WriteError, Writer},
    clock,
    queue::{Abort, Outcome},
    remote::Target,
};

/// Requests to one tenant at the same time.
const AT_ONCE: usize = 4;

/// A reason for which a reconcile did not apply all of its plan.
struct TenantClusterError {
    reason: &'static str,
    message: String,
}

impl TenantClusterError {
    fn new(reason: &'static str, message: impl ToString) -> Self {
        Self {
            reason,
            message: message.to_string(),
        }
    }
}

/// Schedules the next reconcile of a tenant cluster as core decides. An earlier timer is kept.
pub fn schedule(context: &Context, key: &ObjectKey, object: &TenantControlPlane) {
    if object.metadata.deletion_timestamp.is_some() {
        return;
    }
    match next(context, key, object) {
        Next::Now(cause) => {
            tracing::debug!(tenant = %key, ?cause, "the tenant cluster is reconciled");
            context.tenant_cluster_queue.enqueue(key.clone());
        }
        Next::After(wait) => context
            .tenant_cluster_queue
            .enqueue_after(key.clone(), wait),
    }
}

fn next(context: &Context, key: &ObjectKey, object: &TenantControlPlane) -> Next {
    let desired = content(context, key, object);
    let last = context.tenant_cluster.get(key);
    facts(context, object, (last.as_ref(), desired.as_deref())).next()
}

fn facts<'a>(
    context: &Context,
    object: &'a TenantControlPlane,
    (last, desired): (Option<&'a CompletedReconcile>, Option<&'a str>),
) -> Schedule<'a> {
    Schedule {
        uid: object.metadata.uid.as_deref().unwrap_or_default(),
        period: context.settings.tenant_cluster_resync,
        limited: tenant_cluster::limits_writes(&object.spec),
        available: available(object),
        published: was_configured(object),
        last: last.map(|completed| Last {
            at: completed.at,
            ready: completed.report.ready.status == "True",
            content: &completed.content,
        }),
        desired,
        now: clock::now(),
    }
}

/// Time since which the control plane is available; `None` if it is not, if its CA is being rotated, or if the
/// tenant is paused or being deleted.
fn available(object: &TenantControlPlane) -> Option<Timestamp> {
    let status = object.status.as_ref()?;
    let phase = status
        .kubernetes_resources
        .as_ref()
        .and_then(|resources| resources.version.as_ref()?.status)
        .unwrap_or_default();
    let type_ = ConditionType::ControlPlaneAvailable.as_str();
    let condition = condition::find(&status.conditions, type_)?;
    let serves = condition.status == "True"
        && phase != VersionPhase::CertificateAuthorityRotating
        && object.metadata.deletion_timestamp.is_none()
        && !labels::is_paused(&object.metadata);
    serves.then_some(condition.last_transition_time.0)
}

fn was_configured(object: &TenantControlPlane) -> bool {
    let conditions = object
        .status
        .as_ref()
        .map(|s| s.conditions.as_slice())
        .unwrap_or_default();
    condition::is_true(conditions, ConditionType::TenantClusterConfigured.as_str())
}

/// One reconcile of the tenant cluster of `key`.
pub async fn reconcile(context: Arc<Context>, key: ObjectKey) -> Outcome {
    let Some(object) = context.tenants.get(&key) else {
        return Outcome::Done {
            requeue_after: None,
        };
    };
    if object.metadata.deletion_timestamp.is_some() {
        return Outcome::Done {
            requeue_after: None,
        };
    }
    let drift = facts(&context, &object, (None, None)).drift();
    if available(&object).is_none() || context.tenants.unreadable(&key).is_some() {
        // Neither the timer nor the count of failures is lost.
        return Outcome::Requeue(drift);
    }
    let mut attempted = String::new();
    match apply_tenant_cluster(&context, &key, &object, &mut attempted).await {
        Ok(report) => {
            record(&context, &key, (report, attempted));
            Outcome::Done {
                requeue_after: Some(drift),
            }
        }
        Err(trouble) => {
            tracing::debug!(tenant = %key, reason = trouble.reason, "{}", trouble.message);
            failed(&context, &key, &object, (&trouble, attempted));
            Outcome::Retry
        }
    }
}

/// Records a reconcile that ended by a panic or by its time limit.
pub fn broken_off(context: &Context, key: &ObjectKey, what: &Abort) {
    let Some(object) = context.tenants.get(key) else {
        return;
    };
    let trouble = match what {
        Abort::TimeOut(limit) => TenantClusterError::new(
            "TenantApiUnreachable",
            format!(
                "a reconcile of the tenant cluster took longer than {limit:?} and was stopped: its API server answers slowly or not at all; it is tried again by itself"
            ),
        ),
        Abort::Panic(what) => TenantClusterError::new(
            "InternalError",
            format!(
                "the operator failed on this tenant cluster alone: {what}; please report it, with this object's YAML"
            ),
        ),
    };
    failed(context, key, &object, (&trouble, String::new()));
}

fn failed(
    context: &Context,
    key: &ObjectKey,
    object: &TenantControlPlane,
    (trouble, attempted): (&TenantClusterError, String),
) {
    let previous = context
        .tenant_cluster
        .get(key)
        .map(|completed| completed.report);
    let (addons, kubeadm_phase, write_limited) = match previous {
        Some(report) => (report.addons, report.kubeadm_phase, report.write_limited),
        None => (None, None, None),
    };
    let report = TenantClusterReport {
        ready: condition(object, Err(trouble)),
        addons,
        kubeadm_phase,
        write_limited,
    };
    record(context, key, (report, attempted));
}

fn record(context: &Context, key: &ObjectKey, (report, content): (TenantClusterReport, String)) {
    let completed = CompletedReconcile {
        report,
        content,
        at: clock::now(),
    };
    context.tenant_cluster.set(key, completed);
    context.tenant_queue.enqueue(key.clone());
}

fn condition(object: &TenantControlPlane, result: Result<(), &TenantClusterError>) -> Condition {
    let (status, reason, message) = match result {
        Ok(()) => ("True", "AsPlanned", String::new()),
        Err(trouble) => ("False", trouble.reason, trouble.message.clone()),
    };
    Condition {
        type_: ConditionType::TenantClusterConfigured.as_str().to_owned(),
        status: status.to_owned(),
        reason: reason.to_owned(),
        message,
        observed_generation: object.metadata.generation,
        last_transition_time: Time(clock::now()),
    }
}

async fn apply_tenant_cluster(
    context: &Context,
    key: &ObjectKey,
    object: &TenantControlPlane,
    attempted: &mut String,
) -> Result<TenantClusterReport, TenantClusterError> {
    let tenant = parsed(object)?;
    let credentials = credentials(context, key, object).await?;
    let plan = planned(context, key, &tenant, &credentials.ca)?;
    *attempted = tenant_cluster::content_hash(&plan);
    let writer = writer(context, key, &tenant, credentials)?;
    let fresh = !was_configured(object);
    for object in plan.removed_first() {
        remove(&writer, object).await?;
    }
    // Webhooks that limit writes come last, since they refuse the operator's own writes as well.
    let (limits, others): (Vec<_>, Vec<_>) = plan
        .objects
        .iter()
        .cloned()
        .partition(|object| object.key.kind == Kind::ValidatingWebhookConfiguration);
    for objects in [others, limits] {
        stream::iter(objects)
            .map(|object| Ok(put(writer.clone(), object, fresh)))
            .try_buffered(AT_ONCE)
            .try_collect::<()>()
            .await?;
    }
    for object in &plan.prunes {
        remove(&writer, object).await?;
    }
    let (addons, kubeadm_phase) = tenant_cluster::status::status(&tenant, &plan, clock::now());
    let unlimited = TenantClusterError::new(
        "WriteLimitUnavailable",
        "spec.writePermissions is not in force: this operator knows no CA of its webhooks; serve them (--webhook-bind-address), or put ca.crt beside the mounted certificate",
    );
    let result = match plan.write_limit {
        WriteLimit::Unavailable => Err(&unlimited),
        WriteLimit::None | WriteLimit::Planned => Ok(()),
    };
    Ok(TenantClusterReport {
        ready: condition(object, result),
        addons: Some(addons),
        kubeadm_phase: Some(kubeadm_phase),
        write_limited: Some(plan.write_limit == WriteLimit::Planned),
    })
}

fn parsed(object: &TenantControlPlane) -> Result<Tenant, TenantClusterError> {
    Tenant::parse(object).map_err(|error| TenantClusterError::new("SpecInvalid", error))
}

/// Hash of the desired content of the tenant cluster; `None` if it cannot be computed without a request.
fn content(context: &Context, key: &ObjectKey, object: &TenantControlPlane) -> Option<String> {
    let tenant = parsed(object).ok()?;
    let ca = context.tenant_cluster.ca(key)?;
    planned(context, key, &tenant, &ca)
        .ok()
        .map(|plan| tenant_cluster::content_hash(&plan))
}

fn planned(
    context: &Context,
    key: &ObjectKey,
    tenant: &Tenant,
    ca: &[u8],
) -> Result<TenantClusterPlan, TenantClusterError> {
    let service = observe::service(context, key, &tenant.uid);
    let endpoint = endpoint::resolve(tenant, service.as_ref())
        .map_err(|wait| TenantClusterError::new(wait.reason(), wait))?;
    let name = tenant
        .status
        .storage
        .as_ref()
        .and_then(|storage| storage.data_store_name.clone())
        .unwrap_or_default();
    let store = context
        .stores
        .get(&name)
        .map_err(|wait| TenantClusterError::new(wait.reason(), wait))?;
    context.tenant_cluster.remember_ca(key, ca);
    let settings = context.tenant_cluster_settings();
    let facts = TenantClusterFacts {
        renderer: Renderer::recorded(tenant).ok(),
        tenant,
        settings: &settings,
        store: &store,
        endpoint: &endpoint,
        ca: &String::from_utf8_lossy(ca),
    };
    tenant_cluster::plan(&facts)
        .map_err(|error| TenantClusterError::new("TenantClusterInvalid", error))
}

/// Credentials of the operator: the key `super-admin.conf` of the admin Secret, or the key that the tenant's
/// annotation names.
async fn credentials(
    context: &Context,
    key: &ObjectKey,
    object: &TenantControlPlane,
) -> Result<Credentials, TenantClusterError> {
    let name = observe::admin_secret(key).name;
    let api: Api<Secret> = Api::namespaced(context.client.clone(), &key.namespace);
    context.metrics.counters.request("get", "secrets");
    let secret = api.get_opt(&name).await.map_err(|error| {
        TenantClusterError::new(
            "ReadFailed",
            format!("the Secret {name} cannot be read: {error}"),
        )
    })?;
    let chosen = object
        .metadata
        .annotations
        .as_ref()
        .and_then(|annotations| annotations.get(labels::KUBECONFIG_SECRET_KEY))
        .filter(|key| !key.is_empty())
        .map_or("super-admin.conf", String::as_str);
    let data = secret.and_then(|secret| secret.data).unwrap_or_default();
    let bytes = data.get(chosen).ok_or_else(|| {
        TenantClusterError::new(
            "KubeconfigMissing",
            format!(
                "the Secret {}/{name} has no key {chosen}: correct the annotation {}",
                key.namespace,
                labels::KUBECONFIG_SECRET_KEY
            ),
        )
    })?;
    kubeconfig::credentials(&bytes.0)
        .map_err(|error| TenantClusterError::new("KubeconfigUnreadable", error))
}

fn writer(
    context: &Context,
    key: &ObjectKey,
    tenant: &Tenant,
    credentials: Credentials,
) -> Result<Writer, TenantClusterError> {
    let target = Target {
        uid: tenant.uid.clone(),
        host: tenant.service_host(),
        address: context
            .settings
            .dial_cluster_ip
            .then(|| {
                observe::service(context, key, &tenant.uid)?
                    .spec?
                    .cluster_ip
            })
            .flatten()
            .and_then(|address| address.parse().ok()),
        port: tenant.network.port,
        ca: credentials.ca,
        certificate: credentials.certificate,
        key: credentials.key,
    };
    let client = context
        .remote
        .client(&target)
        .map_err(|error| TenantClusterError::new("KubeconfigUnusable", error))?;
    Ok(context.writer.towards(client))
}

/// Makes one object so, without a write if it is. Where nothing was read before, it is only created: what
/// another replica wrote meanwhile is read first.
async fn put(writer: Writer, object: Object, fresh: bool) -> Result<(), TenantClusterError> {
    let first = if fresh {
        Some(Intent::Create)
    } else {
        due(&writer, &object).await?
    };
    let Some(intent) = first else { return Ok(()) };
    match writer.write(&object.clone().with(intent)).await {
        Ok(_) => Ok(()),
        // Found out only now: it is there, or a field of it never changes.
        Err(WriteError::AlreadyExists(_) | WriteError::Invalid { .. }) => {
            match due(&writer, &object).await? {
                Some(intent) => {
                    let again = writer.write(&object.with(intent)).await;
                    again.map(drop).map_err(unreachable)
                }
                None => Ok(()),
            }
        }
        Err(error) => Err(unreachable(error)),
    }
}

/// Precondition of the object's write; `None` if it is as planned. An object of the operator that can only be
/// changed by creating it again is deleted.
async fn due(writer: &Writer, object: &Object) -> Result<Option<Intent>, TenantClusterError> {
    let Some(live) = writer.read(&object.key).await.map_err(unreachable)? else {
        return Ok(Some(Intent::Create));
    };
    let ours = live.body["metadata"]["labels"][labels::PROJECT] == *"kamaji";
    if ours && tenant_cluster::must_be_recreated(object, &live.body) {
        let deleted = writer.delete(&object.key, Some(&live.version)).await;
        deleted.map_err(unreachable)?;
        return Ok(Some(Intent::Create));
    }
    let planned = live.body["metadata"]["annotations"][CONTENT_HASH] == object.hash.as_str()
        && holds(&object.body, &live.body);
    let intent = if written_by_update(&live.body, MANAGER) {
        Intent::Adopt(live.version)
    } else {
        Intent::Update(live.version)
    };
    Ok((!planned).then_some(intent))
}

/// Removes an object that is no longer wanted, if it is ours.
async fn remove(writer: &Writer, object: &ObjectRef) -> Result<(), TenantClusterError> {
    let Some(live) = writer.read(object).await.map_err(unreachable)? else {
        return Ok(());
    };
    let ours = live.body["metadata"]["labels"][labels::PROJECT] == *"kamaji";
    if ours {
        writer
            .delete(object, Some(&live.version))
            .await
            .map_err(unreachable)?;
    }
    Ok(())
}

#[expect(clippy::needless_pass_by_value, reason = "the shape of map_err")]
fn unreachable(error: WriteError) -> TenantClusterError {
    TenantClusterError::new(
        "TenantApiUnreachable",
        format!(
            "inside the tenant: {error}. It is tried again by itself; if it stays so, look at the control plane's pods and Service"
        ),
    )
}
