//! What is said while a plan is made? Conditions with reasons of their own, each with object, cause and
//! next action. (Cluster API provider specification, section 1.10)

use k8s_openapi::{
    apimachinery::pkg::apis::meta::v1::{Condition, Time},
    jiff::SignedDuration,
};
use kamaji_api::{condition, control_plane::KamajiControlPlaneStatus, tenant::TenantControlPlane};
use serde_json::json;

use super::{Plan, Snapshot, endpoint::Published};

/// The other management cluster can be worked with.
pub(super) const EXTERNAL_CLIENT: &str = "FoundExternalReferenceClient";
/// The TenantControlPlane is as the control plane asks.
pub(super) const TENANT_CREATED: &str = "TenantControlPlaneCreated";
/// It has an address.
pub(super) const ADDRESS_READY: &str = "TenantControlPlaneAddressReady";
/// The address is in our spec.
pub(super) const ENDPOINT_PATCHED: &str = "ControlPlaneEndpointPatched";
/// The infrastructure cluster knows it.
pub(super) const INFRASTRUCTURE_PATCHED: &str = "InfrastructureClusterPatched";
/// The API server answered for the first time.
pub(super) const INITIALIZED: &str = "KamajiControlPlaneIsInitialized";
/// Kubeconfig and CA are published.
pub(super) const SECRETS_CREATED: &str = "KubeadmResourcesCreated";
/// It is ready.
pub(super) const READY: &str = "KamajiControlPlaneIsReady";
/// The condition of the contract.
pub(super) const AVAILABLE: &str = "Available";
/// Authorities and certificates are there.
pub(super) const CERTIFICATES: &str = "CertificatesAvailable";
/// Nobody works on it.
const PAUSED: &str = "Paused";
/// It is being deleted.
const DELETING: &str = "Deleting";

/// A plan that is being made.
pub(super) struct PlanBuilder<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) plan: Plan,
    pub(super) status: KamajiControlPlaneStatus,
}

impl<'a> PlanBuilder<'a> {
    pub(super) fn new(snapshot: &'a Snapshot) -> Self {
        let mut status = snapshot.control_plane.status.clone().unwrap_or_default();
        // There are no Machines: Cluster API must not look for them.
        status.external_managed_control_plane = true;
        let mut builder = Self {
            snapshot,
            plan: Plan::default(),
            status,
        };
        builder.set(PAUSED, "False", ("NotPaused", ""));
        if snapshot.control_plane.metadata.deletion_timestamp.is_none() {
            builder.set(DELETING, "False", ("NotDeleting", ""));
        }
        builder
    }

    /// The plan with what is said of it.
    pub(super) fn finish(mut self) -> Plan {
        self.status.observed_generation = self.snapshot.control_plane.metadata.generation;
        self.plan.status = Some(self.status);
        self.plan
    }

    /// Nothing but the word that nothing is done.
    pub(super) fn paused(mut self) -> Plan {
        let text = "the Cluster's spec.paused or the annotation cluster.x-k8s.io/paused is set: nothing is done until it is taken away";
        self.set(PAUSED, "True", ("Paused", text));
        self.plan.status = Some(self.status);
        self.plan
    }

    /// Has a look follow in so many seconds at the latest, although nothing will tell of a change.
    pub(super) fn wake(&mut self, seconds: i64) {
        let at = self.snapshot.now + SignedDuration::from_secs(seconds);
        let sooner = self.plan.requeue_at.filter(|had| *had < at);
        self.plan.requeue_at = sooner.or(Some(at));
    }

    pub(super) fn fine(&mut self, type_: &str, reason: &str) {
        self.set(type_, "True", (reason, ""));
    }

    pub(super) fn unfinished(&mut self, type_: &str, reason: &str, text: &str) {
        self.set(type_, "False", (reason, text));
    }

    /// Nothing can be done before something else has come.
    pub(super) fn wait(&mut self, reason: &str, text: &str) {
        self.unfinished(TENANT_CREATED, reason, text);
        self.unavailable(reason, text);
    }

    /// It cannot be used, whatever was said before.
    pub(super) fn unavailable(&mut self, reason: &str, text: &str) {
        self.status.ready = false;
        self.unfinished(READY, reason, text);
        self.unfinished(AVAILABLE, reason, text);
    }

    /// What runs elsewhere and cannot be seen now may serve all the same.
    pub(super) fn out_of_sight(&mut self, reason: &str, text: &str) {
        self.unfinished(TENANT_CREATED, reason, text);
        if self.status.is_initialized() {
            self.set(READY, "Unknown", (reason, text));
            self.set(AVAILABLE, "Unknown", (reason, text));
        } else {
            self.unavailable(reason, text);
        }
    }

    /// What was done for an address that is not there any more is not known to be right.
    fn outdated(&mut self, reason: &str, text: &str) {
        for type_ in [ENDPOINT_PATCHED, INFRASTRUCTURE_PATCHED, SECRETS_CREATED] {
            if condition::find(&self.status.conditions, type_).is_some() {
                self.set(type_, "Unknown", (reason, text));
            }
        }
    }

    pub(super) fn tenant_missing(&mut self) {
        let (reason, text) = (
            "TenantControlPlanePending",
            "the TenantControlPlane is being created",
        );
        if condition::find(&self.status.conditions, ADDRESS_READY).is_some() {
            self.unfinished(ADDRESS_READY, reason, text);
        }
        self.outdated(reason, text);
        self.unavailable(reason, text);
    }

    pub(super) fn address_missing(&mut self, tenant: &TenantControlPlane) {
        let conditions = tenant.status.as_ref().map(|s| s.conditions.as_slice());
        let said = conditions.and_then(|list| condition::find(list, "EndpointAssigned"));
        let (reason, text) = match said.filter(|said| said.status != "True") {
            Some(said) => (said.reason.clone(), said.message.clone()),
            None => (
                "AddressPending".to_owned(),
                "the TenantControlPlane has no address yet".to_owned(),
            ),
        };
        self.unfinished(ADDRESS_READY, &reason, &text);
        self.outdated(&reason, &text);
        self.unavailable(&reason, &text);
    }

    /// Has the address written into our own spec, the only field there that is ours.
    pub(super) fn endpoint(&mut self, published: &Published) {
        self.fine(ADDRESS_READY, "Succeeded");
        match &published.warning {
            None => self.fine(ENDPOINT_PATCHED, "Succeeded"),
            Some((reason, text)) => self.unfinished(ENDPOINT_PATCHED, reason, text),
        }
        let endpoint = &published.endpoint;
        let spec = &self.snapshot.control_plane.spec;
        if spec.control_plane_endpoint.as_ref() != Some(endpoint) {
            let own = self.plan.own.get_or_insert_with(|| json!({}));
            own["spec"] = json!({"controlPlaneEndpoint": endpoint});
        }
    }

    pub(super) fn deleting(&mut self, reason: &str, text: &str) {
        self.set(DELETING, "True", (reason, text));
        self.unavailable("Deleting", text);
    }

    /// Says no more about what is not asked for any more.
    pub(super) fn forget(&mut self, type_: &str) {
        self.status.conditions.retain(|said| said.type_ != type_);
    }

    pub(super) fn set(&mut self, type_: &str, status: &str, (reason, text): (&str, &str)) {
        condition::set(
            &mut self.status.conditions,
            Condition {
                type_: type_.to_owned(),
                status: status.to_owned(),
                reason: reason.to_owned(),
                message: text.to_owned(),
                observed_generation: self.snapshot.control_plane.metadata.generation,
                last_transition_time: Time(self.snapshot.now),
            },
        );
    }
}
