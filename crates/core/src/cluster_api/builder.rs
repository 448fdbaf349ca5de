//! [`PlanBuilder`]: collects the writes and the conditions of one control plane while its plan is made.

use k8s_openapi::{
    apimachinery::pkg::apis::meta::v1::{Condition, Time},
    jiff::SignedDuration,
};
use kamaji_api::{
    condition::{self, ConditionType, Reason},
    control_plane::KamajiControlPlaneStatus,
    tenant::TenantControlPlane,
};
use serde_json::json;

use super::{
    conditions::{
        ADDRESS_READY, AVAILABLE, DELETING, ENDPOINT_PATCHED, INFRASTRUCTURE_PATCHED, PAUSED,
        READY, SECRETS_CREATED, TENANT_CREATED,
    },
    endpoint::Published,
    types::{Plan, Snapshot},
};

/// Plan that is being made from a snapshot.
pub(super) struct PlanBuilder<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) plan: Plan,
    pub(super) status: KamajiControlPlaneStatus,
}

/// Reason and message of a condition.
#[derive(Clone, Copy)]
pub(super) struct Cause<'a> {
    reason: &'a str,
    message: &'a str,
}

impl<'a> Cause<'a> {
    /// A reason that needs no message.
    pub(super) fn reason(reason: Reason) -> Self {
        Self::new(reason, "")
    }

    pub(super) fn new(reason: Reason, message: &'a str) -> Self {
        let reason = reason.as_str();
        Self { reason, message }
    }

    /// Cause that the TenantControlPlane gives; its operator may be of a release with other reasons.
    pub(super) fn of(condition: &'a Condition) -> Self {
        let Condition {
            reason, message, ..
        } = condition;
        Self { reason, message }
    }
}

impl<'a> PlanBuilder<'a> {
    /// Begins with the present status, so that conditions which no step sets stay as they are.
    pub(super) fn new(snapshot: &'a Snapshot) -> Self {
        let mut status = snapshot.control_plane.status.clone().unwrap_or_default();
        // There are no Machines: Cluster API must not look for them.
        status.external_managed_control_plane = true;
        let mut builder = Self {
            snapshot,
            plan: Plan::default(),
            status,
        };
        builder.set(PAUSED, "False", Cause::reason(Reason::NotPaused));
        if snapshot.control_plane.metadata.deletion_timestamp.is_none() {
            builder.set(DELETING, "False", Cause::reason(Reason::NotDeleting));
        }
        builder
    }

    /// Returns the plan with the complete next status.
    pub(super) fn finish(mut self) -> Plan {
        self.status.observed_generation = self.snapshot.control_plane.metadata.generation;
        self.plan.status = Some(self.status);
        self.plan
    }

    /// Returns a plan that writes nothing but the condition `Paused`.
    pub(super) fn paused(mut self) -> Plan {
        let text = "the Cluster's spec.paused or the annotation cluster.x-k8s.io/paused is set: nothing is done until it is taken away";
        self.set(PAUSED, "True", Cause::new(Reason::Paused, text));
        self.plan.status = Some(self.status);
        self.plan
    }

    /// Requeues the control plane within so many seconds, for changes that no watch reports.
    pub(super) fn requeue_within(&mut self, seconds: i64) {
        let at = self.snapshot.now + SignedDuration::from_secs(seconds);
        let sooner = self.plan.requeue_at.filter(|had| *had < at);
        self.plan.requeue_at = sooner.or(Some(at));
    }

    /// Sets a condition to True.
    pub(super) fn set_true(&mut self, type_: &str, reason: Reason) {
        self.set(type_, "True", Cause::reason(reason));
    }

    /// Sets a condition to False.
    pub(super) fn set_false(&mut self, type_: &str, reason: Reason, message: &str) {
        self.set(type_, "False", Cause::new(reason, message));
    }

    /// Reports that the TenantControlPlane cannot be written until something else changes.
    pub(super) fn blocked(&mut self, reason: Reason, message: &str) {
        self.set_false(TENANT_CREATED, reason, message);
        self.unavailable(Cause::new(reason, message));
    }

    /// Reports that the control plane does not serve.
    pub(super) fn unavailable(&mut self, cause: Cause) {
        self.status.ready = false;
        self.set(READY, "False", cause);
        self.set(AVAILABLE, "False", cause);
    }

    /// Reports that the cluster of the tenant cannot be reached. A tenant that was initialised may serve all the
    /// same, so its availability becomes Unknown.
    pub(super) fn tenant_unreachable(&mut self, reason: Reason, message: &str) {
        let cause = Cause::new(reason, message);
        self.set(TENANT_CREATED, "False", cause);
        if self.status.is_initialized() {
            self.set(READY, "Unknown", cause);
            self.set(AVAILABLE, "Unknown", cause);
        } else {
            self.unavailable(cause);
        }
    }

    /// Reports that the TenantControlPlane does not exist yet.
    pub(super) fn tenant_missing(&mut self) {
        let cause = Cause::new(
            Reason::TenantControlPlanePending,
            "the TenantControlPlane is being created",
        );
        if condition::find(&self.status.conditions, ADDRESS_READY).is_some() {
            self.set(ADDRESS_READY, "False", cause);
        }
        self.address_lost(cause);
        self.unavailable(cause);
    }

    /// Reports that the TenantControlPlane has no address, in the words of its own status.
    pub(super) fn address_missing(&mut self, tenant: &TenantControlPlane) {
        let conditions = tenant.status.as_ref().map(|s| s.conditions.as_slice());
        let assigned = conditions
            .and_then(|list| condition::find(list, ConditionType::EndpointAssigned.as_str()));
        let cause = match assigned.filter(|condition| condition.status != "True") {
            Some(condition) => Cause::of(condition),
            None => Cause::new(
                Reason::AddressPending,
                "the TenantControlPlane has no address yet",
            ),
        };
        self.set(ADDRESS_READY, "False", cause);
        self.address_lost(cause);
        self.unavailable(cause);
    }

    /// Conditions about an address that no longer exists become Unknown.
    fn address_lost(&mut self, cause: Cause) {
        for type_ in [ENDPOINT_PATCHED, INFRASTRUCTURE_PATCHED, SECRETS_CREATED] {
            if condition::find(&self.status.conditions, type_).is_some() {
                self.set(type_, "Unknown", cause);
            }
        }
    }

    /// Plans `spec.controlPlaneEndpoint` of the control plane, the only field of its spec that the provider writes.
    pub(super) fn publish_endpoint(&mut self, published: &Published) {
        self.set_true(ADDRESS_READY, Reason::Succeeded);
        match &published.warning {
            None => self.set_true(ENDPOINT_PATCHED, Reason::Succeeded),
            Some((reason, text)) => self.set_false(ENDPOINT_PATCHED, *reason, text),
        }
        let endpoint = &published.endpoint;
        let spec = &self.snapshot.control_plane.spec;
        if spec.control_plane_endpoint.as_ref() != Some(endpoint) {
            let own = self.plan.own.get_or_insert_with(|| json!({}));
            own["spec"] = json!({"controlPlaneEndpoint": endpoint});
        }
    }

    /// Reports the progress of a deletion.
    pub(super) fn deleting(&mut self, reason: Reason, message: &str) {
        self.set(DELETING, "True", Cause::new(reason, message));
        self.unavailable(Cause::new(Reason::Deleting, message));
    }

    /// Removes a condition that does not apply any more.
    pub(super) fn remove_condition(&mut self, type_: &str) {
        let conditions = &mut self.status.conditions;
        conditions.retain(|condition| condition.type_ != type_);
    }

    /// Sets a condition; its transition time changes only with its status.
    pub(super) fn set(&mut self, type_: &str, status: &str, cause: Cause) {
        condition::set(
            &mut self.status.conditions,
            Condition {
                type_: type_.to_owned(),
                status: status.to_owned(),
                reason: cause.reason.to_owned(),
                message: cause.message.to_owned(),
                observed_generation: self.snapshot.control_plane.metadata.generation,
                last_transition_time: Time(self.snapshot.now),
            },
        );
    }
}
