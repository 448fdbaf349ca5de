//! Status of the contract: availability, initialisation, replica counters and versions.

use kamaji_api::{
    condition::{self, ConditionType, Reason},
    control_plane::{Initialization, RunningVersion},
    tenant::{DEFAULT_REPLICAS, TenantControlPlane, VersionPhase},
};

use super::{
    builder::{Cause, PlanBuilder},
    conditions::{AVAILABLE, CERTIFICATES, INITIALIZED, READY, SECRETS_CREATED},
    secrets,
    tenant::version,
    types::Probe,
};
use crate::{object::Object, tenant::Version};

/// Sets the conditions `Available`, `KamajiControlPlaneIsReady` and `KamajiControlPlaneIsInitialized`.
pub(super) fn plan(builder: &mut PlanBuilder, tenant: &TenantControlPlane) {
    let initialized = initialized(builder);
    match serves(tenant) {
        Ok(()) if initialized => {
            builder.status.ready = true;
            builder.set_true(READY, Reason::Succeeded);
            builder.set_true(AVAILABLE, Reason::Available);
        }
        Ok(()) => {
            let text = condition::find(&builder.status.conditions, INITIALIZED)
                .map(|condition| condition.message.clone())
                .unwrap_or_default();
            builder.unavailable(Cause::new(Reason::NotAvailable, &text));
        }
        Err(text) => builder.unavailable(Cause::new(Reason::NotAvailable, &text)),
    }
}

/// True if the control plane is initialised. It stays so for ever once it was, as the contract demands.
fn initialized(builder: &mut PlanBuilder) -> bool {
    let was = builder.status.is_initialized();
    let published = condition::is_true(&builder.status.conditions, SECRETS_CREATED)
        && !builder.plan.objects.iter().any(is_secret);
    let (reason, text) = match (&builder.snapshot.probe, published) {
        (Probe::Works, true) => {
            builder.status.initialization = Some(Initialization {
                control_plane_initialized: Some(true),
            });
            builder.set_true(INITIALIZED, Reason::Succeeded);
            return true;
        }
        (_, false) => (
            Reason::SecretsPending,
            "the Secrets that Cluster API reads are not there yet".to_owned(),
        ),
        (Probe::Untried, true) => (
            Reason::ProbePending,
            "the published kubeconfig has not been tried yet".to_owned(),
        ),
        (Probe::Fails(why), true) => (
            Reason::ProbeFailed,
            format!("the API server does not answer with the published kubeconfig: {why}"),
        ),
    };
    if was {
        builder.set_true(INITIALIZED, Reason::Succeeded);
    } else {
        builder.set_false(INITIALIZED, reason, &text);
    }
    was
}

fn is_secret(object: &Object) -> bool {
    object.key.kind == crate::object::Kind::Secret
}

/// Checks that at least one API server serves; the error is a message for the condition.
fn serves(tenant: &TenantControlPlane) -> Result<(), String> {
    let status = tenant.status.as_ref();
    let phase = status
        .and_then(|s| s.kubernetes_resources.as_ref()?.version.as_ref()?.status)
        .unwrap_or(VersionPhase::Provisioning);
    let conditions = status.map(|s| s.conditions.as_slice()).unwrap_or_default();
    let available = match condition::find(conditions, ConditionType::ControlPlaneAvailable.as_str())
    {
        Some(condition) => condition.status == "True",
        // The operator of upstream has no conditions.
        None => !matches!(
            phase,
            VersionPhase::Provisioning
                | VersionPhase::NotReady
                | VersionPhase::Sleeping
                | VersionPhase::Unknown
        ),
    };
    if available && phase != VersionPhase::Sleeping {
        return Ok(());
    }
    let explained = [ConditionType::ControlPlaneAvailable, ConditionType::Ready]
        .iter()
        .filter_map(|type_| condition::find(conditions, type_.as_str()))
        .find(|condition| condition.status != "True" && !condition.message.is_empty());
    Err(explained.map_or_else(
        || format!("the TenantControlPlane is {phase:?}"),
        |condition| condition.message.clone(),
    ))
}

/// Sets replica counters, versions and the conditions about rollout, scaling and certificates; without a tenant the
/// counters are zero.
pub(super) fn counters(builder: &mut PlanBuilder, tenant: Option<&TenantControlPlane>) {
    let resources = tenant
        .and_then(|tenant| tenant.status.as_ref()?.kubernetes_resources.clone())
        .unwrap_or_default();
    let deployment = resources.deployment.unwrap_or_default();
    let replicas = deployment.replicas.unwrap_or(0);
    let updated = deployment.updated_replicas.unwrap_or(0);
    let wanted = builder.snapshot.control_plane.spec.replicas;
    let wanted = wanted.unwrap_or(DEFAULT_REPLICAS);
    let status = &mut builder.status;
    status.replicas = Some(replicas);
    status.ready_replicas = Some(deployment.ready_replicas.unwrap_or(0));
    status.available_replicas = Some(deployment.available_replicas.unwrap_or(0));
    status.up_to_date_replicas = Some(updated);
    status.selector = Some(deployment.selector).filter(|selector| !selector.is_empty());

    let installed = resources.version.and_then(|running| running.version);
    let installed = installed.map(|installed| version(&installed));
    let desired = tenant.map(|tenant| version(&tenant.spec.kubernetes.version));
    status.version = installed.clone().unwrap_or_default();
    status.versions = versions(installed, desired, replicas, updated);

    let newest = format!("{updated} of {replicas} pods are of the newest template");
    let scaled = format!("{replicas} pods exist, {wanted} are asked for");
    // Each condition is of the type that its reason has while it is True.
    for (yes, holds, (no, text)) in [
        (
            Reason::RollingOut,
            updated < replicas,
            (Reason::NotRollingOut, &newest),
        ),
        (
            Reason::ScalingUp,
            replicas < wanted,
            (Reason::NotScalingUp, &scaled),
        ),
        (
            Reason::ScalingDown,
            replicas > wanted,
            (Reason::NotScalingDown, &scaled),
        ),
    ] {
        if holds {
            builder.set(yes.as_str(), "True", Cause::new(yes, text));
        } else {
            builder.set(yes.as_str(), "False", Cause::reason(no));
        }
    }
    certificates(builder, tenant);
}

/// Sets `CertificatesAvailable`, the condition that Cluster API's own control planes have, from the tenant's
/// `CertificatesValid`.
fn certificates(builder: &mut PlanBuilder, tenant: Option<&TenantControlPlane>) {
    let status = tenant.and_then(|tenant| tenant.status.as_ref());
    let conditions = status.map(|s| s.conditions.as_slice()).unwrap_or_default();
    let valid = condition::find(conditions, ConditionType::CertificatesValid.as_str());
    let authority = tenant.and_then(secrets::authority_source);
    match (valid, authority) {
        (Some(valid), _) if valid.status != "True" => {
            builder.set(CERTIFICATES, "False", Cause::of(valid));
        }
        (Some(_), _) | (None, Some(_)) => builder.set_true(CERTIFICATES, Reason::Available),
        (None, None) => {
            let text = "the TenantControlPlane has not reported its authority yet";
            builder.set_false(CERTIFICATES, Reason::CertificatesPending, text);
        }
    }
}

/// Versions that run, the oldest first, as the contract demands. Until a rollout is complete its former version stays
/// in the list. A patch release may also be rolled back.
fn versions(
    installed: Option<String>,
    desired: Option<String>,
    replicas: i32,
    updated: i32,
) -> Vec<RunningVersion> {
    let entry = |version: String, replicas: i32| RunningVersion {
        version,
        replicas: (replicas > 0).then_some(replicas),
    };
    let mut list = match (installed, desired) {
        (None, _) => Vec::new(),
        (Some(installed), Some(desired)) if installed != desired && updated < replicas => {
            let next = (updated > 0).then(|| entry(desired, updated));
            let former = entry(installed, replicas - updated);
            [former].into_iter().chain(next).collect()
        }
        (Some(installed), _) => vec![entry(installed, replicas)],
    };
    list.sort_by_cached_key(|running| Version::parse(&running.version).ok().map(|v| v.semver));
    list
}
