//! The tenant cluster controller: reconciles the content of a tenant's cluster, on change and for drift.
//!
//! Decisions are core's (`kamaji_core::tenant_cluster`). This module observes, carries the plan's stages out and
//! records their end.

use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::core::v1::Secret;
use kamaji_api::tenant::TenantControlPlane;
use kamaji_core::{
    object::{Intent, Object, ObjectRef},
    tenant_cluster::{
        AdminSecret, Availability, CompletedReconcile, Desired, Next, Stage, Step,
        TenantClusterError, TenantClusterSnapshot, plan, recorded_data_store, report,
        write::{self, Change, Observed},
    },
};
use kube::Api;

use crate::{context::Context, observe};
use kamaji_shell::{
    ObjectKey,
    apply::{WriteError, Writer},
    clock,
    live::Live,
    queue::{Abort, Outcome},
    remote::Target,
};

/// Schedules the next reconcile of a tenant cluster as its plan says. An earlier timer is kept.
pub fn schedule(context: &Context, key: &ObjectKey, object: &TenantControlPlane) {
    match plan(&observe(context, key, object)).next {
        Next::Now(cause) => {
            tracing::debug!(tenant = %key, ?cause, "the tenant cluster is reconciled");
            context.tenant_cluster_queue.enqueue(key.clone());
        }
        Next::After(wait) => context
            .tenant_cluster_queue
            .enqueue_after(key.clone(), wait),
        Next::Never => {}
    }
}

/// Reconciles the tenant cluster of `key`:
///
/// 1. Observe: the tenant, its Service and DataStore from watches, and the admin Secret with one request.
/// 2. Plan: compute stages and the time of the next reconcile from the snapshot.
/// 3. Apply: carry out the stages in the tenant's API server.
/// 4. Report: record the end for the tenant's status, and enqueue the tenant.
pub async fn reconcile(context: Arc<Context>, key: ObjectKey) -> Outcome {
    const NEVER: Outcome = Outcome::Done {
        requeue_after: None,
    };
    let Some(object) = context.tenants.get(&key) else {
        return NEVER;
    };
    let mut snapshot = observe(&context, &key, &object);
    if snapshot.needs_admin_secret() {
        snapshot.admin_secret = admin_secret(&context, &key).await;
    }
    let plan = plan(&snapshot);
    match plan.availability {
        Availability::Deleting => return NEVER,
        // Neither the timer nor the count of failures is lost.
        Availability::Unavailable => return Outcome::Requeue(plan.drift),
        Availability::Since(_) => {}
    }
    let (completed, outcome) = match plan.desired {
        Ok(desired) => match apply(&context, &snapshot, &desired).await {
            Ok(()) => {
                let requeue_after = Some(plan.drift);
                let completed = report::succeeded(&snapshot, &desired, clock::now());
                (completed, Outcome::Done { requeue_after })
            }
            Err(error) => {
                let completed = report::failed(&snapshot, Some(&desired), &error, clock::now());
                (completed, Outcome::Retry)
            }
        },
        Err(error) => {
            let completed = report::failed(&snapshot, None, &error, clock::now());
            (completed, Outcome::Retry)
        }
    };
    record(&context, &key, completed);
    outcome
}

/// Records a reconcile that ended by a panic or by its time limit.
pub fn broken_off(context: &Context, key: &ObjectKey, what: &Abort) {
    let Some(object) = context.tenants.get(key) else {
        return;
    };
    let error = match what {
        Abort::TimeOut(limit) => TenantClusterError::TimedOut(*limit),
        Abort::Panic(what) => TenantClusterError::Panicked(what.clone()),
    };
    let snapshot = observe(context, key, &object);
    record(
        context,
        key,
        report::failed(&snapshot, None, &error, clock::now()),
    );
}

/// Keeps the end of a reconcile for the next plan, and enqueues the tenant, whose status publishes it.
fn record(context: &Context, key: &ObjectKey, completed: CompletedReconcile) {
    let ready = &completed.report.ready;
    if ready.status != "True" {
        tracing::debug!(tenant = %key, reason = ready.reason, "{}", ready.message);
    }
    context.tenant_cluster.set(key, completed);
    context.tenant_queue.enqueue(key.clone());
}

/// Gathers the snapshot of a tenant cluster without a request: all but the admin Secret.
fn observe<'a>(
    context: &Context,
    key: &ObjectKey,
    object: &'a TenantControlPlane,
) -> TenantClusterSnapshot<'a> {
    let uid = object.metadata.uid.as_deref().unwrap_or_default();
    TenantClusterSnapshot {
        object,
        unreadable: context.tenants.unreadable(key).is_some(),
        settings: context.tenant_cluster_settings(),
        service: observe::service(context, key, uid),
        store: context.stores.get(recorded_data_store(object)),
        admin_secret: AdminSecret::NotRead,
        last: context.tenant_cluster.get(key),
        resync: context.settings.tenant_cluster_resync,
        now: clock::now(),
    }
}

/// Reads the Secret with the administrators' kubeconfigs.
async fn admin_secret(context: &Context, key: &ObjectKey) -> AdminSecret {
    let name = observe::admin_secret(key).name;
    let api: Api<Secret> = Api::namespaced(context.client.clone(), &key.namespace);
    context.metrics.counters.request("get", "secrets");
    match api.get_opt(&name).await {
        Ok(secret) => {
            let data = secret.and_then(|secret| secret.data);
            AdminSecret::Read(data.unwrap_or_default())
        }
        Err(error) => AdminSecret::Unreadable(error.to_string()),
    }
}

/// Carries out the stages of a plan in their order. Ends at the first step that fails.
async fn apply(
    context: &Context,
    snapshot: &TenantClusterSnapshot<'_>,
    desired: &Desired,
) -> Result<(), TenantClusterError> {
    let writer = writer(context, snapshot, desired)?;
    for Stage { steps, concurrency } in desired.stages.clone() {
        stream::iter(steps)
            .map(|step| Ok(carry_out(writer.clone(), step)))
            .try_buffered(concurrency)
            .try_collect::<()>()
            .await
            .map_err(|error| TenantClusterError::ApiUnreachable(error.to_string()))?;
    }
    Ok(())
}

/// The write door towards the tenant's API server.
fn writer(
    context: &Context,
    snapshot: &TenantClusterSnapshot,
    desired: &Desired,
) -> Result<Writer, TenantClusterError> {
    let credentials = desired.credentials()?.clone();
    let tenant = &desired.tenant;
    let spec = snapshot.service.as_ref().and_then(|s| s.spec.as_ref());
    let cluster_ip = spec.and_then(|spec| spec.cluster_ip.as_ref());
    let target = Target {
        uid: tenant.uid.clone(),
        host: tenant.service_host(),
        address: cluster_ip
            .filter(|_| context.settings.dial_cluster_ip)
            .and_then(|address| address.parse().ok()),
        port: tenant.network.port,
        ca: credentials.ca,
        certificate: credentials.certificate,
        key: credentials.key,
    };
    let client = context.remote.client(&target);
    let client = client.map_err(|e| TenantClusterError::KubeconfigUnusable(e.to_string()))?;
    Ok(context.writer.towards(client))
}

/// Carries out one step.
async fn carry_out(writer: Writer, step: Step) -> Result<(), WriteError> {
    let (object, first) = match step {
        Step::Create(object) => (object, Some(Intent::Create)),
        Step::Ensure(object) => {
            let first = due(&writer, &object).await?;
            (object, first)
        }
        Step::Remove(object) => return remove(&writer, &object).await,
    };
    let Some(intent) = first else { return Ok(()) };
    match writer.write(&object.clone().with(intent)).await {
        // Found out only now: it is there, or a field of it never changes.
        Err(WriteError::AlreadyExists(_) | WriteError::Invalid { .. }) => {
            match due(&writer, &object).await? {
                Some(intent) => writer.write(&object.with(intent)).await.map(drop),
                None => Ok(()),
            }
        }
        result => result.map(drop),
    }
}

/// Precondition of the object's write; `None` if it is as planned. An object that can only be changed by creating
/// it again is deleted here.
async fn due(writer: &Writer, object: &Object) -> Result<Option<Intent>, WriteError> {
    let live = writer.read(&object.key).await?;
    match write::change(object, live.as_ref().map(observed)) {
        Change::None => Ok(None),
        Change::Write(intent) => Ok(Some(intent)),
        Change::Recreate(version) => {
            writer.delete(&object.key, Some(&version)).await?;
            Ok(Some(Intent::Create))
        }
    }
}

/// Removes an object that is no longer wanted, if it is the operator's or left by upstream.
async fn remove(writer: &Writer, object: &ObjectRef) -> Result<(), WriteError> {
    let live = writer.read(object).await?;
    match write::removal(object, live.as_ref().map(observed)) {
        Some(version) => writer.delete(object, Some(&version)).await.map(drop),
        None => Ok(()),
    }
}

fn observed(live: &Live) -> Observed<'_> {
    Observed {
        body: &live.body,
        version: &live.version,
    }
}
