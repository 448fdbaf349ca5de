//! Plans the complete desired state of one tenant: objects, datastore bindings, status and next reconcile.
//!
//! [`plan`] states the order of the stages. Each stage is a module of its own and adds to one builder.

use kamaji_api::condition::{ConditionType, Reason};

use crate::{
    endpoint::Endpoint,
    object::{Intent, Object},
    snapshot::Snapshot,
    tenant::{Mended, ParseError, Tenant},
};

use builder::{PlanBuilder, Renewals};

mod authorities;
#[cfg(test)]
mod authorities_tests;
mod builder;
mod certificates;
mod deletion;
mod finish;
#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod foreign_tests;
mod inherited;
#[cfg(test)]
mod inherited_tests;
pub mod interrupted;
mod invalid_spec;
mod issuer;
#[cfg(test)]
mod kine_tests;
mod kubeconfigs;
#[cfg(test)]
mod lifecycle_properties;
mod migrating;
#[cfg(test)]
mod migrating_tests;
#[cfg(test)]
mod renewals_tests;
mod replacement;
pub mod rollout;
mod secret;
mod service;
mod status;
mod storage;
#[cfg(test)]
mod trust_tests;
mod types;
pub mod upgrade;
#[cfg(test)]
mod work_tests;
mod workload;

pub use deletion::{Deletion, deletion};
pub use types::{Plan, Step, Wait};

/// Plans one tenant from its snapshot.
///
/// 1. Parse the spec. If it does not parse, plan renewals of what exists and nothing else.
/// 2. Hold the installed version while an upgrade is refused.
/// 3. Report a rollout that is late, and choose the renderer of the pods.
/// 4. Resolve the control plane endpoint, and plan the Service.
/// 5. Stop at Secrets that belong to another owner.
/// 6. Load or issue the authorities: CA, front-proxy CA, service-account keys.
/// 7. Keep or issue leaf certificates and kubeconfigs. Requires authorities and an endpoint.
/// 8. Bind the tenant in its datastores, and plan its datastore certificate.
/// 9. Plan the Deployment and the ways to it. Requires all of 6 to 8.
/// 10. Compute status, prunes and finalizers.
///
/// A stage that cannot go on adds a [`Wait`], and stages that do not require it still run. If a user requested
/// a new authority and a stage waits, the stages run once more with all authorities held: a new authority
/// without its leaves and pods would lock out the running control plane.
///
/// Fails only if the spec does not parse and what is left of it does not parse either.
pub fn plan(snapshot: &Snapshot) -> Result<Plan, ParseError> {
    let mut tenant = match Tenant::parse(&snapshot.object) {
        Ok(tenant) => tenant,
        Err(problem) => {
            let mended = Mended::of(&snapshot.object, problem)?;
            return Ok(invalid_spec::plan_renewals(&mended, snapshot));
        }
    };
    let refusal = upgrade::hold_refused(&mut tenant);
    let mut builder = PlanBuilder::new(&tenant, snapshot, Renewals::Allowed);
    let endpoint = run_stages(refusal.clone(), &mut builder);
    if builder.complete || !builder.renewal_requested {
        return Ok(finish::finish(builder, endpoint.as_ref()));
    }
    let missing = builder.waits.first().map(|wait| wait.message.clone());
    let mut builder = PlanBuilder::new(&tenant, snapshot, Renewals::Held);
    let endpoint = run_stages(refusal, &mut builder);
    let why = Wait::new(
        ConditionType::CertificatesValid,
        Reason::RenewalWaits,
        format!(
            "new keys were asked for, and nothing is replaced before the whole tenant can be: {}",
            missing.unwrap_or_default()
        ),
    );
    builder.waits.insert(0, why);
    Ok(finish::finish(builder, endpoint.as_ref()))
}

/// Runs the stages 3 to 9 of [`plan`].
fn run_stages(refusal: Option<Wait>, builder: &mut PlanBuilder) -> Option<Endpoint> {
    rollout::evaluate(builder);
    builder.waits.extend(refusal);
    workload::choose_renderer(builder);
    let endpoint = service::resolve_endpoint(builder);
    service::plan_service(endpoint.as_ref(), builder);
    if inherited::refuse(builder) {
        return endpoint;
    }
    let authorities = authorities::plan_authorities(builder);
    if let (Some(authorities), Some(endpoint)) = (&authorities, &endpoint) {
        certificates::plan_api_server(authorities, endpoint, builder);
        certificates::plan_other_leaves(authorities, builder);
        kubeconfigs::plan_kubeconfigs(authorities, endpoint, builder);
    }
    // A datastore that is down or refuses the tenant blocks none of the stages above.
    let storage = storage::plan_storage(builder);
    if let (Some(authorities), Some(endpoint), Some(storage)) = (&authorities, &endpoint, &storage)
    {
        workload::plan_workload(authorities, storage, endpoint, builder);
    }
    endpoint
}

/// Plans the Service of a tenant that has none, and nothing else. Its address is part of certificates and
/// kubeconfigs, so a tenant whose Service is created first is planned once. [`plan`] has the same write.
///
/// `None` if an object of the Service's name exists, or the spec does not parse.
pub fn service_to_create(snapshot: &Snapshot) -> Option<Object> {
    if snapshot.service.is_some() {
        return None;
    }
    let mut tenant = Tenant::parse(&snapshot.object).ok()?;
    upgrade::hold_refused(&mut tenant);
    let mut builder = PlanBuilder::new(&tenant, snapshot, Renewals::Held);
    workload::choose_renderer(&mut builder);
    let endpoint = service::resolve_endpoint(&mut builder);
    service::plan_service(endpoint.as_ref(), &mut builder);
    builder.steps.into_iter().find_map(|step| match step {
        Step::Write(object) if object.intent == Intent::Create => Some(object),
        _ => None,
    })
}

#[cfg(test)]
mod plan_tests;
