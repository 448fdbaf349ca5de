//! Plans writes for what is there under the names of a tenant's objects.

use std::time::Duration;

use kamaji_api::condition::ConditionType;

use super::{PlanBuilder, Step, Wait};
use crate::{
    adoption::{Child, Verdict},
    object::{Intent, Kind, Object, ObjectRef},
    tenant::Tenant,
};

/// How soon an object of others is looked at again: no watch tells of it.
pub(super) const FOREIGN_AGAIN: Duration = Duration::from_mins(1);

impl PlanBuilder<'_> {
    /// Plans an object for what is there: made if nothing is, written if it is the tenant's, left as it
    /// is if it is somebody else's. False in the last case.
    pub(super) fn write(&mut self, object: Object) -> bool {
        let planned = match self.snapshot.child(&object.key) {
            None => object.with(Intent::Create),
            Some(child) => match self.belonging(&child, object) {
                Ok(planned) => planned,
                Err((key, message)) => {
                    self.foreign_mount |= matches!(key.kind, Kind::Secret | Kind::ConfigMap);
                    self.wait(Wait::new(
                        ConditionType::Reconciled,
                        "ObjectForeign",
                        message,
                    ));
                    self.due(self.snapshot.now + FOREIGN_AGAIN);
                    return false;
                }
            },
        };
        self.steps.push(Step::Write(planned));
        true
    }

    /// The Service is somebody else's: there is no use in waiting for one to be made.
    pub(super) fn unserved(&mut self, tenant: &Tenant) {
        let pending = |wait: &Wait| wait.condition == ConditionType::EndpointAssigned;
        if self.snapshot.service.is_some() || !self.waits.iter().any(pending) {
            return;
        }
        self.waits.retain(|wait| !pending(wait));
        let message = format!(
            "the Service {}/{} is somebody else's, and certificates and pods wait for one of the tenant's own: the condition Reconciled says what to do",
            tenant.namespace,
            tenant.names.control_plane()
        );
        self.wait(Wait::new(
            ConditionType::EndpointAssigned,
            "ServiceForeign",
            message,
        ));
    }

    fn belonging(&self, child: &Child, object: Object) -> Result<Object, (ObjectRef, String)> {
        let meta = &self.snapshot.object.metadata;
        let name = meta.name.as_deref().unwrap_or_default();
        let uid = meta.uid.as_deref().unwrap_or_default();
        let intent = match child.verdict(&object.key, (name, uid)) {
            Verdict::Foreign => {
                let refusal = child.refusal(&object.key, name);
                return Err((object.key, refusal));
            }
            Verdict::Ours if !child.marks.updated => Intent::Update(child.version.clone()),
            Verdict::Ours | Verdict::Adopted => Intent::Adopt(child.version.clone()),
        };
        let object = object.with(intent);
        if child.controller.is_none() {
            return Ok(object);
        }
        // An object has one controller at most.
        Ok(object.amended(|body| {
            body["metadata"]["ownerReferences"][0]["controller"] = false.into();
        }))
    }
}
