//! The issuer of a tenant's service-account tokens.
//!
//! Another issuer makes every token and every trust in it void, so it is recorded beside the key that signs:
//! only a key that is made for a new tenant gets the issuer of the tenant's own domain.

use kamaji_api::labels;

use super::{PlanBuilder, Step};
use crate::{object::Kind, render::Change, tenant::Tenant};

const USUAL_DOMAIN: &str = "cluster.local";

fn of(domain: &str) -> String {
    format!("https://kubernetes.default.svc.{domain}")
}

impl PlanBuilder<'_> {
    /// What the service-account Secret records; `None` for the usual issuer.
    pub(super) fn issuer_to_record(&self, tenant: &Tenant) -> Option<String> {
        let own = of(&tenant.network.cluster_domain);
        if own == of(USUAL_DOMAIN) {
            return None;
        }
        let name = tenant.names.service_account();
        let recorded = self.annotation(&name, labels::ISSUER) == Some(own.as_str());
        let signed = tenant
            .status
            .certificates
            .as_ref()
            .is_some_and(|c| c.sa.is_some());
        let new = self.renderer_or_newest().has(Change::OwnIssuer)
            && self.snapshot.deployment.is_none()
            && tenant.status.renderer.is_none()
            && !self.snapshot.secrets.contains_key(&name)
            && !signed;
        (recorded || new).then_some(own)
    }

    /// The issuer that the API server is told, by the Secret as this pass plans it.
    pub(super) fn issuer(&self, tenant: &Tenant) -> String {
        let name = tenant.names.service_account();
        let own = of(&tenant.network.cluster_domain);
        let recorded = self.steps.iter().any(|step| match step {
            Step::Write(object) => {
                object.key.kind == Kind::Secret
                    && object.key.name == name
                    && object.body["metadata"]["annotations"][labels::ISSUER] == own.as_str()
            }
            Step::Bind(..) => false,
        });
        if recorded { own } else { of(USUAL_DOMAIN) }
    }
}

#[cfg(test)]
#[path = "issuer_tests.rs"]
mod tests;
