//! What is Cluster API told of the pods and of their version? (contract of control-plane providers)

use kamaji_api::{
    condition,
    control_plane::{Initialization, RunningVersion},
    tenant::{TenantControlPlane, VersionPhase},
};

use super::{
    Probe,
    conditions::{AVAILABLE, CERTIFICATES, INITIALIZED, PlanBuilder, READY, SECRETS_CREATED},
    secrets,
    tenant::version,
};
use crate::{object::Object, tenant::Version};

/// Puts the conditions of the contract right, whatever was said before.
pub(super) fn plan(builder: &mut PlanBuilder, tenant: &TenantControlPlane) {
    let initialized = initialized(builder);
    match serves(tenant) {
        Ok(()) if initialized => {
            builder.status.ready = true;
            builder.fine(READY, "Succeeded");
            builder.fine(AVAILABLE, "Available");
        }
        Ok(()) => {
            let text = condition::find(&builder.status.conditions, INITIALIZED)
                .map(|said| said.message.clone())
                .unwrap_or_default();
            builder.unavailable("NotAvailable", &text);
        }
        Err(text) => builder.unavailable("NotAvailable", &text),
    }
}

/// Once it was usable it counts as initialised for ever, as the contract asks.
fn initialized(builder: &mut PlanBuilder) -> bool {
    let was = builder.status.is_initialized();
    let published = condition::is_true(&builder.status.conditions, SECRETS_CREATED)
        && !builder.plan.objects.iter().any(is_secret);
    let (reason, text) = match (&builder.snapshot.probe, published) {
        (Probe::Works, true) => {
            builder.status.initialization = Some(Initialization {
                control_plane_initialized: Some(true),
            });
            builder.fine(INITIALIZED, "Succeeded");
            return true;
        }
        (_, false) => (
            "SecretsPending",
            "the Secrets that Cluster API reads are not there yet".to_owned(),
        ),
        (Probe::Untried, true) => (
            "ProbePending",
            "the published kubeconfig has not been tried yet".to_owned(),
        ),
        (Probe::Fails(why), true) => (
            "ProbeFailed",
            format!("the API server does not answer with the published kubeconfig: {why}"),
        ),
    };
    if was {
        builder.fine(INITIALIZED, "Succeeded");
    } else {
        builder.unfinished(INITIALIZED, reason, &text);
    }
    was
}

fn is_secret(object: &Object) -> bool {
    object.key.kind == crate::object::Kind::Secret
}

/// Whether at least one API server serves, or why not.
fn serves(tenant: &TenantControlPlane) -> Result<(), String> {
    let status = tenant.status.as_ref();
    let phase = status
        .and_then(|s| s.kubernetes_resources.as_ref()?.version.as_ref()?.status)
        .unwrap_or(VersionPhase::Provisioning);
    let conditions = status.map(|s| s.conditions.as_slice()).unwrap_or_default();
    let available = match condition::find(conditions, "ControlPlaneAvailable") {
        Some(said) => said.status == "True",
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
    let said = ["ControlPlaneAvailable", "Ready"]
        .iter()
        .filter_map(|type_| condition::find(conditions, type_))
        .find(|said| said.status != "True" && !said.message.is_empty());
    Err(said.map_or_else(
        || format!("the TenantControlPlane is {phase:?}"),
        |said| said.message.clone(),
    ))
}

/// Puts counters and versions right, whatever was said before; without a tenant nothing runs.
pub(super) fn counters(builder: &mut PlanBuilder, tenant: Option<&TenantControlPlane>) {
    let resources = tenant
        .and_then(|tenant| tenant.status.as_ref()?.kubernetes_resources.clone())
        .unwrap_or_default();
    let deployment = resources.deployment.unwrap_or_default();
    let replicas = deployment.replicas.unwrap_or(0);
    let updated = deployment.updated_replicas.unwrap_or(0);
    let wanted = builder.snapshot.control_plane.spec.replicas.unwrap_or(2);
    let status = &mut builder.status;
    status.replicas = Some(replicas);
    status.ready_replicas = Some(deployment.ready_replicas.unwrap_or(0));
    status.available_replicas = Some(deployment.available_replicas.unwrap_or(0));
    status.up_to_date_replicas = Some(updated);
    status.selector = Some(deployment.selector).filter(|selector| !selector.is_empty());

    let installed = resources.version.and_then(|running| running.version);
    let installed = installed.map(|installed| version(&installed));
    let asked = tenant.map(|tenant| version(&tenant.spec.kubernetes.version));
    status.version = installed.clone().unwrap_or_default();
    status.versions = versions(installed, asked, (replicas, updated));

    let newest = format!("{updated} of {replicas} pods are of the newest template");
    let scaled = format!("{replicas} pods exist, {wanted} are asked for");
    for (type_, holds, (no, text)) in [
        ("RollingOut", updated < replicas, ("NotRollingOut", &newest)),
        ("ScalingUp", replicas < wanted, ("NotScalingUp", &scaled)),
        (
            "ScalingDown",
            replicas > wanted,
            ("NotScalingDown", &scaled),
        ),
    ] {
        if holds {
            builder.set(type_, "True", (type_, text));
        } else {
            builder.set(type_, "False", (no, ""));
        }
    }
    certificates(builder, tenant);
}

/// Says whether authorities and certificates are there and valid, in the word that Cluster API's own control
/// planes have for it.
fn certificates(builder: &mut PlanBuilder, tenant: Option<&TenantControlPlane>) {
    let status = tenant.and_then(|tenant| tenant.status.as_ref());
    let conditions = status.map(|s| s.conditions.as_slice()).unwrap_or_default();
    let told = condition::find(conditions, "CertificatesValid");
    let authority = tenant.and_then(secrets::authority_source);
    match (told, authority) {
        (Some(told), _) if told.status != "True" => {
            let (reason, text) = (told.reason.clone(), told.message.clone());
            builder.unfinished(CERTIFICATES, &reason, &text);
        }
        (Some(_), _) | (None, Some(_)) => builder.fine(CERTIFICATES, "Available"),
        (None, None) => {
            let text = "the TenantControlPlane has not told its authority yet";
            builder.unfinished(CERTIFICATES, "CertificatesPending", text);
        }
    }
}

/// What runs, the oldest first, as the contract asks; a patch may also be taken back. Until a rollout is over
/// its former version stays in the list, so that nobody takes it for done.
fn versions(
    installed: Option<String>,
    asked: Option<String>,
    (replicas, updated): (i32, i32),
) -> Vec<RunningVersion> {
    let entry = |version: String, replicas: i32| RunningVersion {
        version,
        replicas: (replicas > 0).then_some(replicas),
    };
    let mut list = match (installed, asked) {
        (None, _) => Vec::new(),
        (Some(installed), Some(asked)) if installed != asked && updated < replicas => {
            let next = (updated > 0).then(|| entry(asked, updated));
            let former = entry(installed, replicas - updated);
            [former].into_iter().chain(next).collect()
        }
        (Some(installed), _) => vec![entry(installed, replicas)],
    };
    list.sort_by_cached_key(|running| Version::parse(&running.version).ok().map(|v| v.semver));
    list
}
