//! Plans the control plane's Service and resolves the endpoint from the live one.

use kamaji_api::condition::{ConditionType, Reason};

use super::{builder::PlanBuilder, types::Wait};
use crate::{
    endpoint::{self, Endpoint, Unassigned},
    network,
    object::Object,
    render::{self, Change},
};

/// Resolves the control plane endpoint, and waits if it has no address yet.
pub(super) fn resolve_endpoint(builder: &mut PlanBuilder) -> Option<Endpoint> {
    let service = builder.snapshot.service.as_ref();
    let resolved = endpoint::resolve(builder.tenant, service);
    // The API server's certificate names every address of the Service, so the Service comes first.
    let named = service.is_some() || !builder.renderer_or_newest().has(Change::ServiceSans);
    let endpoint = match resolved {
        Ok(endpoint) if named => endpoint,
        Ok(_) => {
            let tenant = builder.tenant;
            let name = format!("{}/{}", tenant.namespace, tenant.names.control_plane());
            unassigned(&Unassigned::NoService(name), builder);
            return None;
        }
        Err(why) => {
            unassigned(&why, builder);
            return None;
        }
    };
    let problem = network::family(builder.tenant, "the announced address", endpoint.advertised);
    if let Some(problem) = problem {
        builder.wait(Wait::new(
            ConditionType::EndpointAssigned,
            Reason::FamiliesDiffer,
            format!("{} {}", problem.field, problem.problem),
        ));
    }
    Some(endpoint)
}

fn unassigned(why: &Unassigned, builder: &mut PlanBuilder) {
    builder.wait(Wait::new(
        ConditionType::EndpointAssigned,
        why.reason(),
        why,
    ));
}

/// Plans the Service. One of another owner replaces the wait for an address, since none will come.
pub(super) fn plan_service(endpoint: Option<&Endpoint>, builder: &mut PlanBuilder) {
    let tenant = builder.tenant;
    let service = render::service::service(tenant, endpoint.map(|endpoint| endpoint.assigned));
    if builder.write(Object::of(&service)) {
        return;
    }
    let pending = |wait: &Wait| wait.condition == ConditionType::EndpointAssigned;
    if builder.snapshot.service.is_some() || !builder.waits.iter().any(pending) {
        return;
    }
    builder.waits.retain(|wait| !pending(wait));
    let message = format!(
        "the Service {}/{} is somebody else's, and certificates and pods wait for one of the tenant's own: the condition Reconciled says what to do",
        tenant.namespace,
        tenant.names.control_plane()
    );
    builder.wait(Wait::new(
        ConditionType::EndpointAssigned,
        Reason::ServiceForeign,
        message,
    ));
}

#[cfg(test)]
mod tests;
