//! Conditions of a tenant: one for each stage, with the wait that holds it up.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kamaji_api::{
    condition::{self, ConditionType, Reason},
    labels,
    tenant::TenantControlPlaneStatus,
};

use crate::{plan::builder::PlanBuilder, tenant::Hold};

pub(super) fn conditions(status: &mut TenantControlPlaneStatus, builder: &PlanBuilder) {
    use ConditionType as C;
    condition::remove_renamed(&mut status.conditions);
    let mut next = Vec::new();
    for type_ in [
        C::DataStoreReady,
        C::EndpointAssigned,
        C::CertificatesValid,
        C::UpgradeAllowed,
        C::Reconciled,
        C::RolloutProgressing,
    ] {
        next.push(
            match builder.waits.iter().find(|wait| wait.condition == type_) {
                Some(wait) => {
                    condition_of(builder, type_, Err((wait.reason, wait.message.clone())))
                }
                None => as_planned(builder, type_),
            },
        );
    }
    next.push(available(builder));
    next.push(tenant_cluster(&status.conditions, builder));
    let first = next.iter().find(|c| c.status != "True");
    let ready = match first {
        Some(c) => Condition {
            type_: C::Ready.as_str().to_owned(),
            status: "False".to_owned(),
            last_transition_time: builder.time(),
            ..c.clone()
        },
        None => condition_of(builder, C::Ready, Ok(Reason::AsPlanned)),
    };
    for mut condition in next.into_iter().chain([ready]) {
        condition.observed_generation = Some(builder.tenant.generation);
        condition::set(&mut status.conditions, condition);
    }
    condition::set_activity(&mut status.conditions, &builder.time());
}

/// Condition that is True, with the warnings as its message.
fn as_planned(builder: &PlanBuilder, type_: ConditionType) -> Condition {
    let warnings: Vec<_> = builder
        .warnings
        .iter()
        .filter(|warning| warning.condition == type_)
        .collect();
    let reason = warnings
        .first()
        .map_or(Reason::AsPlanned, |warning| warning.reason);
    let messages: Vec<&str> = warnings
        .iter()
        .map(|warning| warning.message.as_str())
        .collect();
    Condition {
        message: messages.join("; "),
        ..condition_of(builder, type_, Ok(reason))
    }
}

fn condition_of(
    builder: &PlanBuilder,
    type_: ConditionType,
    result: Result<Reason, (Reason, String)>,
) -> Condition {
    let (status, reason, message) = match result {
        Ok(reason) => ("True", reason, String::new()),
        Err((reason, message)) => ("False", reason, message),
    };
    Condition {
        type_: type_.as_str().to_owned(),
        status: status.to_owned(),
        reason: reason.as_str().to_owned(),
        message,
        observed_generation: None,
        last_transition_time: builder.time(),
    }
}

fn available(builder: &PlanBuilder) -> Condition {
    let tenant = builder.tenant;
    let no = |reason: Reason, message: String| {
        condition_of(
            builder,
            ConditionType::ControlPlaneAvailable,
            Err((reason, message)),
        )
    };
    let deployment = format!("{}/{}", tenant.namespace, tenant.names.control_plane());
    if tenant.hold == Hold::Restoring {
        return no(
            Reason::Restoring,
            format!(
                "its data is being restored from a snapshot: wait for `kamaji snapshot restore` to end; if it was interrupted, run it again. The annotation {} must not be removed before the data is whole",
                labels::RESTORING
            ),
        );
    }
    if tenant.replicas() == 0 {
        return no(
            Reason::Sleeping,
            "spec.controlPlane.deployment.replicas is 0: set it to 1 or more to wake the control plane"
                .to_owned(),
        );
    }
    let Some(view) = &builder.snapshot.deployment else {
        return no(
            Reason::DeploymentPending,
            format!("the Deployment {deployment} does not exist yet"),
        );
    };
    let ready = view.status.ready_replicas.unwrap_or_default();
    if ready > 0 {
        return condition_of(
            builder,
            ConditionType::ControlPlaneAvailable,
            Ok(Reason::ReplicasReady),
        );
    }
    let why = view.status.conditions.iter().flatten().find(|c| {
        c.status != "True" && matches!(c.type_.as_str(), "Available" | "Progressing")
            || c.type_ == "ReplicaFailure" && c.status == "True"
    });
    let why = why.and_then(|c| c.message.clone()).unwrap_or_default();
    no(
        Reason::NoReplicaReady,
        format!(
            "none of {} replicas of the Deployment {deployment} is ready: {why} (look at its pods: are they scheduled, do their images come, what do their logs say?)",
            tenant.replicas()
        ),
    )
}

fn tenant_cluster(old: &[Condition], builder: &PlanBuilder) -> Condition {
    if let Some(report) = &builder.snapshot.tenant_cluster {
        return report.ready.clone();
    }
    condition::find(old, ConditionType::TenantClusterConfigured.as_str())
        .cloned()
        .unwrap_or_else(|| {
            condition_of(
                builder,
                ConditionType::TenantClusterConfigured,
                Err((
                    Reason::NotReconciledYet,
                    "the tenant cluster is configured once the control plane is available"
                        .to_owned(),
                )),
            )
        })
}
