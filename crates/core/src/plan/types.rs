//! Types that a plan consists of: [`Plan`], [`Step`] and [`Wait`].

use k8s_openapi::jiff::Timestamp;
use kamaji_api::{
    condition::{ConditionType, Reason},
    tenant::TenantControlPlaneStatus,
};

use crate::{
    binding::Binding,
    data_store::ResolvedDataStore,
    object::{Object, ObjectRef},
    pki::expiry::Expiry,
};

/// A single action of a plan. The operator runs steps in the order of [`Plan::steps`].
#[derive(Clone, Debug)]
pub enum Step {
    /// Writes one object to the management cluster.
    Write(Object),
    /// Ensures schema, user and grants of the tenant in a datastore.
    Bind(Box<ResolvedDataStore>, Binding),
}

/// A reason why a tenant is not as desired: becomes a False condition and a warning event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wait {
    /// Condition that is False while the wait lasts.
    pub condition: ConditionType,
    /// Reason of the condition.
    pub reason: Reason,
    /// Object, cause and next action, in one sentence or two.
    pub message: String,
}

impl Wait {
    pub(super) fn new(condition: ConditionType, reason: Reason, message: impl ToString) -> Self {
        Self {
            condition,
            reason,
            message: message.to_string(),
        }
    }
}

/// Complete desired state of one tenant in the management cluster and its datastores.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Writes and datastore bindings, in the order in which they are applied.
    pub steps: Vec<Step>,
    /// Objects to delete after all steps; empty while the plan is incomplete.
    pub prunes: Vec<ObjectRef>,
    /// Finalizers of the TenantControlPlane to set before the first step; `None` if the live ones stay.
    pub finalizers: Option<Vec<String>>,
    /// True if the annotation `REPLACE_AUTHORITY` was answered: the operator removes it after all writes.
    pub answered: bool,
    /// Desired status of the TenantControlPlane.
    pub status: TenantControlPlaneStatus,
    /// Time of the next reconcile if nothing changes before; `None` if time alone changes nothing.
    pub requeue_at: Option<Timestamp>,
    /// Expiry dates of the certificates that are renewed only on request: the authorities.
    pub expiries: Vec<Expiry>,
    /// Everything that keeps the tenant from being as desired, in the order of the stages.
    pub waits: Vec<Wait>,
}

impl Plan {
    /// All objects that the plan writes, in order.
    pub fn objects(&self) -> impl Iterator<Item = &Object> {
        self.steps.iter().filter_map(|step| match step {
            Step::Write(object) => Some(object),
            Step::Bind(..) => None,
        })
    }
}
