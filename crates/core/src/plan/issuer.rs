//! The issuer of a tenant's service-account tokens.
//!
//! Another issuer makes every token and every trust in it void, so it is recorded beside the key that signs:
//! only a key that is made for a new tenant gets the issuer of the tenant's own domain.

use kamaji_api::labels;

use super::{builder::PlanBuilder, types::Step};
use crate::{object::Kind, render::Change, secret_role::SecretRole};

const USUAL_DOMAIN: &str = "cluster.local";

fn of(domain: &str) -> String {
    format!("https://kubernetes.default.svc.{domain}")
}

/// Issuer to record on the service-account Secret; `None` for the usual one.
pub(super) fn to_record(builder: &PlanBuilder) -> Option<String> {
    let tenant = builder.tenant;
    let own = of(&tenant.network.cluster_domain);
    if own == of(USUAL_DOMAIN) {
        return None;
    }
    let role = SecretRole::ServiceAccount;
    let recorded = builder.annotation(role, labels::ISSUER) == Some(own.as_str());
    let signed = role.recorded(&tenant.status).is_some();
    let new = builder.renderer_or_newest().has(Change::OwnIssuer)
        && builder.snapshot.deployment.is_none()
        && tenant.status.renderer.is_none()
        && builder.live_secret(role).is_none()
        && !signed;
    (recorded || new).then_some(own)
}

/// Issuer for the API server's flags, by the service-account Secret as this plan writes it.
pub(super) fn effective(builder: &PlanBuilder) -> String {
    let name = builder.tenant.names.secret(SecretRole::ServiceAccount);
    let own = of(&builder.tenant.network.cluster_domain);
    let recorded = builder.steps.iter().any(|step| match step {
        Step::Write(object) => {
            object.key.kind == Kind::Secret
                && object.key.name == name
                && object.body["metadata"]["annotations"][labels::ISSUER] == own.as_str()
        }
        Step::Bind(..) => false,
    });
    if recorded { own } else { of(USUAL_DOMAIN) }
}

#[cfg(test)]
mod tests;
