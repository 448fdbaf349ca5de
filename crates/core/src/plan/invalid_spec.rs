//! Plan for a tenant whose spec no longer parses: certificates and kubeconfigs that exist are renewed, and
//! everything else, its pods above all, stays as it is.

use kamaji_api::condition::{ConditionType, Reason};

use super::{
    authorities,
    builder::{PlanBuilder, Renewals},
    certificates,
    finish::finish,
    kubeconfigs, storage,
    types::{Plan, Step, Wait},
};
use crate::{endpoint, object::Kind, snapshot::Snapshot, tenant::Mended};

/// Plans renewals of the live Secrets of `mended`, and no other write.
pub(super) fn plan_renewals(mended: &Mended, snapshot: &Snapshot) -> Plan {
    let tenant = &mended.tenant;
    let mut builder = PlanBuilder::new(tenant, snapshot, Renewals::Held);
    builder.wait(Wait::new(
        ConditionType::Reconciled,
        Reason::SpecInvalid,
        format!(
            "{}. Until then nothing of this tenant is changed but certificates and kubeconfigs that are due and do not depend on that field",
            mended.problem
        ),
    ));
    let endpoint = endpoint::resolve(tenant, snapshot.service.as_ref()).ok();
    let endpoint = endpoint.filter(|_| mended.addressed);
    if !snapshot.secrets.is_empty() {
        let authorities = authorities::plan_authorities(&mut builder);
        storage::plan_storage(&mut builder);
        if let Some(authorities) = &authorities {
            if let Some(endpoint) = &endpoint {
                certificates::plan_api_server(authorities, endpoint, &mut builder);
            }
            certificates::plan_other_leaves(authorities, &mut builder);
            if let Some(endpoint) = &endpoint {
                kubeconfigs::plan_kubeconfigs(authorities, endpoint, &mut builder);
            }
        }
    }
    let exists = |name: &String| snapshot.secrets.contains_key(name);
    let names = &tenant.names;
    builder
        .secrets
        .retain(|role, _| exists(&names.secret(*role)));
    builder.steps.retain(|step| match step {
        Step::Write(object) => object.key.kind == Kind::Secret && exists(&object.key.name),
        Step::Bind(..) => false,
    });
    Plan {
        finalizers: None,
        ..finish(builder, endpoint.as_ref())
    }
}
