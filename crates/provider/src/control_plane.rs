//! What happens when something about a control plane may have changed?
//!
//! One pass: observe, plan, apply, report. Nothing is decided here; the decisions are
//! `kamaji_core::contract`'s.

use std::sync::Arc;

use k8s_openapi::api::core::v1::Secret;
use kamaji_api::{control_plane::KamajiControlPlane, tenant::TenantControlPlane};
use kamaji_core::{
    cluster_api::{self, Infrastructure, Owner, Plan, Probe, takeover},
    object::{Kind, Object},
};
use kamaji_shell::{
    ObjectKey,
    apply::{Address, Live, WriteError, Writer},
    clock,
    queue::Outcome,
};
use kube::api::{ApiResource, DynamicObject};
use serde_json::{Value, json};

use crate::{
    MANAGER,
    context::Context,
    dependencies::Dependency,
    infrastructure,
    observe::{self, Look},
    probe, remote_clusters,
    report::{self, Failures, Step},
};

/// What was written may be what the plan waited for: then it goes on at once, with what it knows
/// already.
const ROUNDS: usize = 4;

/// One look at the control plane `key`.
pub async fn reconcile(context: Arc<Context>, key: ObjectKey) -> Outcome {
    let Some(object) = context.control_planes.get(&key) else {
        context.forget(&key);
        return Outcome::Done {
            requeue_after: None,
        };
    };
    let mut look = match observe::look(&context, &key, &object).await {
        Ok(look) => look,
        Err(error) => {
            tracing::warn!(control_plane = %key, %error, "could not be looked at");
            let said = (Step::Secret, "ReadFailed", error.to_string());
            report::stopped(&context, &object, said).await;
            return Outcome::Retry;
        }
    };
    context.externals.sweep(&context.interests);
    let mut failures = Failures::default();
    let mut plan = Plan::default();
    let mut settled = false;
    for _ in 0..ROUNDS {
        plan = planned(&context, &key, &mut look);
        settled = !apply(&context, &key, (&mut look, &mut failures), &plan).await;
        if settled || failures.any() || look.snapshot.control_plane.metadata.uid.is_none() {
            break;
        }
    }
    let due = plan.requeue_at;
    let reported = report::status(&context, &look.snapshot.control_plane, (plan, &failures)).await;
    match reported {
        Ok(Some(object)) => context
            .control_planes
            .replace(key.clone(), Arc::new(object)),
        Ok(None) => {}
        Err(error) => {
            tracing::debug!(control_plane = %key, %error, "the status was not written");
            return Outcome::Retry;
        }
    }
    if failures.any() || !settled || look.again || must_ask_again(&look) {
        return Outcome::Retry;
    }
    let resync = context.settings.resync;
    let resync = clock::jitter(resync.mul_f64(0.9), resync);
    Outcome::Done {
        requeue_after: Some(due.map_or(resync, |at| clock::until(at).min(resync))),
    }
}

/// The plan, with what is known of the kubeconfig that it publishes.
fn planned(context: &Context, key: &ObjectKey, look: &mut Look) -> Plan {
    let plan = cluster_api::plan(&look.snapshot);
    let known = plan
        .probe
        .as_ref()
        .map_or(Probe::Untried, |bytes| context.probes.known(key, bytes));
    if known == look.snapshot.probe {
        return plan;
    }
    look.snapshot.probe = known;
    cluster_api::plan(&look.snapshot)
}

/// An API server that should answer and does not is asked again after a while; one that does not run
/// tells by its TenantControlPlane when it does.
fn must_ask_again(look: &Look) -> bool {
    matches!(look.snapshot.probe, Probe::Fails(_))
        && look.snapshot.tenant.as_ref().is_some_and(probe::may_answer)
}

/// Makes it so; true if anything is other than it was.
async fn apply(
    context: &Context,
    key: &ObjectKey,
    (look, failures): (&mut Look, &mut Failures),
    plan: &Plan,
) -> bool {
    let mut changed = false;
    if let Some(patch) = &plan.own {
        match own(context, &look.snapshot.control_plane, patch.clone()).await {
            Ok(object) => {
                changed = true;
                if object.metadata.deletion_timestamp.is_none() {
                    let replaced = Arc::new(object.clone());
                    context.control_planes.replace(key.clone(), replaced);
                }
                look.snapshot.control_plane = object;
            }
            Err(error) => {
                failures.add(Step::Own, error);
                // Without its finalizer it must not get anything that could be left behind.
                return false;
            }
        }
    }
    // The tenant may be elsewhere; what is published is here.
    let there = look.connection.as_ref();
    let there = there.map_or(&context.writer, |way| &way.writer).clone();
    for object in &plan.objects {
        let step = Step::of(object);
        let door = match step {
            Step::Tenant => &there,
            _ => &context.writer,
        };
        match written(door, (look, plan), object).await {
            Ok(live) => {
                changed = true;
                seen(context, key, look, (object, live.body));
            }
            Err(WriteError::Gone(object)) if step == Step::Tenant => {
                failures.add(step, nowhere(object));
            }
            Err(error) => failures.add(step, error),
        }
    }
    if let Some(uid) = &plan.delete
        && let Err(error) = there.remove(&look.tenant, uid).await
    {
        failures.add(Step::Tenant, error);
    }
    if let (Some(patch), Some(address)) = (&plan.infrastructure, look.infrastructure.clone()) {
        for (patch, status) in [(&patch.spec, false), (&patch.status, true)] {
            let Some(patch) = patch else { continue };
            match context.writer.merge(&address, patch.clone(), status).await {
                Ok(object) => {
                    changed = true;
                    infrastructure(context, look, object);
                }
                Err(error) => failures.add(Step::Infrastructure, error),
            }
        }
    }
    changed | ask(context, key, look, plan).await
}

/// Writes an object; what upstream made becomes ours before, and another cluster has only so much time.
async fn written(
    door: &Writer,
    (look, plan): (&Look, &Plan),
    object: &Object,
) -> Result<Live, WriteError> {
    let tenant = Step::of(object) == Step::Tenant;
    let write = async {
        if tenant && plan.take_over {
            take_over(door, &look.tenant).await?;
        }
        door.write(object).await
    };
    if !tenant || look.connection.is_none() {
        return write.await;
    }
    remote_clusters::in_time(object.key.to_string(), write).await
}

async fn take_over(door: &Writer, tenant: &Address) -> Result<(), WriteError> {
    let Some(live) = door.find(tenant).await? else {
        return Ok(());
    };
    let version = live.metadata.resource_version.clone();
    let live = serde_json::to_value(live).unwrap_or_default();
    if let Some(fields) = takeover::managed_fields(&live, MANAGER) {
        let patch = json!({"metadata": {"managedFields": fields, "resourceVersion": version}});
        door.merge(tenant, patch, false).await?;
    }
    Ok(())
}

/// An object that is to be there cannot be gone, but its namespace or its kind can.
fn nowhere(object: String) -> WriteError {
    let message = "its namespace or the definition of TenantControlPlanes is missing: create the namespace, and install Kamaji there";
    WriteError::Invalid {
        object,
        message: message.to_owned(),
    }
}

/// Tries the published kubeconfig, unless it is known to work; true if something new came of it.
async fn ask(context: &Context, key: &ObjectKey, look: &mut Look, plan: &Plan) -> bool {
    let (Some(bytes), Some(tenant)) = (&plan.probe, &look.snapshot.tenant) else {
        return false;
    };
    let published = !plan.objects.iter().any(|o| o.key.kind == Kind::Secret);
    if look.snapshot.probe == Probe::Works || !published || !probe::may_answer(tenant) {
        return false;
    }
    let answer = probe::ask(bytes).await;
    let news = answer != look.snapshot.probe;
    context.probes.remember(key, bytes, answer);
    news
}

/// What a write brought is what the next plan looks at.
fn seen(context: &Context, key: &ObjectKey, look: &mut Look, (object, live): (&Object, Value)) {
    match object.key.kind {
        Kind::TenantControlPlane => {
            if let Ok(tenant) = serde_json::from_value::<TenantControlPlane>(live) {
                if look.connection.is_none() {
                    let replaced = Arc::new(tenant.clone());
                    context.tenants.made(key.clone(), replaced);
                }
                look.snapshot.tenant = Some(tenant);
            }
        }
        _ => {
            if let Ok(secret) = serde_json::from_value::<Secret>(live) {
                let name = object.key.name.clone();
                let topic = Dependency::Secret(ObjectKey::new(&key.namespace, &name));
                context.secrets.wrote(&topic, secret.clone());
                look.snapshot.secrets.insert(name, secret);
            }
        }
    }
}

fn infrastructure(context: &Context, look: &mut Look, live: DynamicObject) {
    if let Infrastructure::Found { object, .. } = &mut look.snapshot.infrastructure {
        *object = serde_json::to_value(&live).unwrap_or_default();
    }
    if let Owner::Cluster(cluster) = &look.snapshot.owner {
        infrastructure::wrote(context, cluster, live);
    }
}

/// Changes the control plane itself; lists that were read may have changed since.
async fn own(
    context: &Context,
    object: &KamajiControlPlane,
    mut patch: Value,
) -> Result<KamajiControlPlane, WriteError> {
    let meta = &object.metadata;
    if !patch["metadata"]["finalizers"].is_null() {
        patch["metadata"]["resourceVersion"] = json!(meta.resource_version);
    }
    patch["metadata"]["uid"] = json!(meta.uid);
    let kind = ApiResource::erase::<KamajiControlPlane>(&());
    let namespace = meta.namespace.as_deref().unwrap_or_default();
    let name = meta.name.as_deref().unwrap_or_default();
    let address = Address::namespaced(kind, namespace, name);
    let live = context.writer.merge(&address, patch, false).await?;
    serde_json::to_value(live)
        .and_then(serde_json::from_value)
        .map_err(|error| WriteError::Api {
            object: address.to_string(),
            problem: error.to_string(),
        })
}
