//! What happens inside a tenant? Short visits, on change and for drift; nothing is kept running.

use std::{sync::Arc, time::Duration};

use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::{
    api::core::v1::Secret,
    apimachinery::pkg::apis::meta::v1::{Condition, Time},
};
use kamaji_api::{
    condition::{self, ConditionType},
    labels,
    tenant::{TenantControlPlane, VersionPhase},
};
use kamaji_core::{
    endpoint,
    inside::{self, InsideFacts, InsidePlan},
    managed_fields::written_by_update,
    object::{CONTENT_HASH, Intent, Kind, Object, ObjectRef, holds},
    pki::kubeconfig::{self, Credentials},
    render::Renderer,
    snapshot::InsideReport,
    tenant::Tenant,
};
use kube::Api;

use crate::{
    context::{Context, Key, Visit},
    observe,
    shell::{
        apply::{MANAGER, WriteError, Writer},
        clock,
        queue::Outcome,
        remote::Target,
    },
};

/// Requests to one tenant at the same time.
const AT_ONCE: usize = 4;

/// Why a visit did not leave the inside as planned.
struct Trouble {
    reason: &'static str,
    message: String,
}

impl Trouble {
    fn new(reason: &'static str, message: impl ToString) -> Self {
        Self {
            reason,
            message: message.to_string(),
        }
    }
}

/// Visits soon if a tenant can be visited and what should be inside has changed, or if it was not
/// visited by this process yet.
pub fn wake_if_due(context: &Context, key: &Key, object: &TenantControlPlane) {
    if !visitable(object) {
        return;
    }
    match context.inside.get(key) {
        None if was_visited(object) => {
            // After a restart: some time within the period, so that thousands do not come at once.
            let after = clock::jitter(Duration::ZERO, context.settings.inside_resync);
            context.inside_queue.wake_after(key.clone(), after);
        }
        None => context.inside_queue.wake(key.clone()),
        Some(visit) => {
            let failed = visit.report.ready.status != "True";
            let planned = content(context, key, object);
            if !failed && planned.is_some_and(|planned| planned != visit.content) {
                context.inside_queue.wake(key.clone());
            }
        }
    }
}

/// The control plane serves, and is not about to be replaced altogether.
fn visitable(object: &TenantControlPlane) -> bool {
    let status = object.status.as_ref();
    let phase = status
        .and_then(|s| s.kubernetes_resources.as_ref()?.version.as_ref()?.status)
        .unwrap_or_default();
    let available = ConditionType::ControlPlaneAvailable.as_str();
    object.metadata.deletion_timestamp.is_none()
        && phase != VersionPhase::CertificateAuthorityRotating
        && status.is_some_and(|s| condition::is_true(&s.conditions, available))
}

fn was_visited(object: &TenantControlPlane) -> bool {
    let conditions = object
        .status
        .as_ref()
        .map(|s| s.conditions.as_slice())
        .unwrap_or_default();
    condition::is_true(conditions, ConditionType::InsideReady.as_str())
}

/// One visit to the tenant `key`.
pub async fn visit(context: Arc<Context>, key: Key) -> Outcome {
    let Some(object) = context.tenants.get(&key) else {
        return Outcome::Done { wake: None };
    };
    if !visitable(&object) || labels::is_paused(&object.metadata) {
        return Outcome::Done { wake: None };
    }
    let previous = context.inside.get(&key);
    let (report, content, fine) = match tour(&context, &key, &object).await {
        Ok((report, content)) => (report, content, true),
        Err(trouble) => {
            tracing::debug!(tenant = %key, reason = trouble.reason, "{}", trouble.message);
            let report = InsideReport {
                ready: condition(&object, Err(&trouble)),
                addons: previous.as_ref().and_then(|v| v.report.addons.clone()),
                kubeadm_phase: previous
                    .as_ref()
                    .and_then(|v| v.report.kubeadm_phase.clone()),
            };
            (report, String::new(), false)
        }
    };
    let number = previous.map_or(0, |visit| visit.number) + 1;
    context.inside.set(
        &key,
        Visit {
            report,
            content,
            number,
            at: clock::now(),
        },
    );
    context.tenant_queue.wake(key);
    let period = context.settings.inside_resync;
    if fine {
        Outcome::Done {
            wake: Some(clock::jitter(period, period.mul_f64(1.5))),
        }
    } else {
        Outcome::Retry
    }
}

fn condition(object: &TenantControlPlane, result: Result<(), &Trouble>) -> Condition {
    let (status, reason, message) = match result {
        Ok(()) => ("True", "AsPlanned", String::new()),
        Err(trouble) => ("False", trouble.reason, trouble.message.clone()),
    };
    Condition {
        type_: ConditionType::InsideReady.as_str().to_owned(),
        status: status.to_owned(),
        reason: reason.to_owned(),
        message,
        observed_generation: object.metadata.generation,
        last_transition_time: Time(clock::now()),
    }
}

async fn tour(
    context: &Context,
    key: &Key,
    object: &TenantControlPlane,
) -> Result<(InsideReport, String), Trouble> {
    let tenant = parsed(object)?;
    let credentials = credentials(context, key, object).await?;
    let plan = planned(context, key, &tenant, &credentials.ca)?;
    let writer = writer(context, key, &tenant, credentials)?;
    let fresh = !was_visited(object);
    for object in plan.lifts() {
        remove(&writer, object).await?;
    }
    // What limits writes comes last: while it stands, it refuses our own, too.
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
    let (addons, kubeadm_phase) = inside::status::status(&tenant, &plan, clock::now());
    let report = InsideReport {
        ready: condition(object, Ok(())),
        addons: Some(addons),
        kubeadm_phase: Some(kubeadm_phase),
    };
    Ok((report, inside::content_hash(&plan)))
}

fn parsed(object: &TenantControlPlane) -> Result<Tenant, Trouble> {
    Tenant::parse(object).map_err(|error| Trouble::new("SpecInvalid", error))
}

/// The hash of everything that should be inside, as far as it can be told without a request.
fn content(context: &Context, key: &Key, object: &TenantControlPlane) -> Option<String> {
    let tenant = parsed(object).ok()?;
    let ca = context.inside.ca(key)?;
    planned(context, key, &tenant, &ca)
        .ok()
        .map(|plan| inside::content_hash(&plan))
}

fn planned(
    context: &Context,
    key: &Key,
    tenant: &Tenant,
    ca: &[u8],
) -> Result<InsidePlan, Trouble> {
    let service = observe::service(context, key, &tenant.uid);
    let endpoint = endpoint::resolve(tenant, service.as_ref())
        .map_err(|wait| Trouble::new(wait.reason(), wait))?;
    let name = tenant
        .status
        .storage
        .as_ref()
        .and_then(|storage| storage.data_store_name.clone())
        .unwrap_or_default();
    let store = context
        .stores
        .get(&name)
        .map_err(|wait| Trouble::new(wait.reason(), wait))?;
    context.inside.remember_ca(key, ca);
    let settings = context.inside_settings();
    let facts = InsideFacts {
        renderer: Renderer::recorded(tenant).ok(),
        tenant,
        settings: &settings,
        store: &store,
        endpoint: &endpoint,
        ca: &String::from_utf8_lossy(ca),
    };
    inside::plan(&facts).map_err(|error| Trouble::new("InsideInvalid", error))
}

/// What the operator itself logs in with: by default `super-admin.conf`, else what the tenant's
/// annotation says.
async fn credentials(
    context: &Context,
    key: &Key,
    object: &TenantControlPlane,
) -> Result<Credentials, Trouble> {
    let name = observe::admin_secret(key).name;
    let api: Api<Secret> = Api::namespaced(context.client.clone(), &key.namespace);
    context.metrics.counters.request("get", "secrets");
    let secret = api.get_opt(&name).await.map_err(|error| {
        Trouble::new(
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
        Trouble::new(
            "KubeconfigMissing",
            format!(
                "the Secret {}/{name} has no key {chosen}: correct the annotation {}",
                key.namespace,
                labels::KUBECONFIG_SECRET_KEY
            ),
        )
    })?;
    kubeconfig::credentials(&bytes.0).map_err(|error| Trouble::new("KubeconfigUnreadable", error))
}

fn writer(
    context: &Context,
    key: &Key,
    tenant: &Tenant,
    credentials: Credentials,
) -> Result<Writer, Trouble> {
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
        .map_err(|error| Trouble::new("KubeconfigUnusable", error))?;
    Ok(context.writer.towards(client))
}

/// Makes one object so, without a write if it is. Where nothing was read before, it is only created: what
/// another replica wrote meanwhile is read first.
async fn put(writer: Writer, object: Object, fresh: bool) -> Result<(), Trouble> {
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

/// How the object is to be written; `None` if it is as planned. One of ours that can only be changed by
/// making it anew is deleted.
async fn due(writer: &Writer, object: &Object) -> Result<Option<Intent>, Trouble> {
    let Some(live) = writer.read(&object.key).await.map_err(unreachable)? else {
        return Ok(Some(Intent::Create));
    };
    let ours = live.body["metadata"]["labels"][labels::PROJECT] == *"kamaji";
    if ours && inside::must_be_recreated(object, &live.body) {
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
async fn remove(writer: &Writer, object: &ObjectRef) -> Result<(), Trouble> {
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
fn unreachable(error: WriteError) -> Trouble {
    Trouble::new(
        "InsideUnreachable",
        format!(
            "inside the tenant: {error}. It is tried again by itself; if it stays so, look at the control plane's pods and Service"
        ),
    )
}
