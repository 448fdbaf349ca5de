//! Would Kubernetes run with the tenant's ranges and addresses?

use super::{refusal::Refusal, types::Findings};
use crate::{network, tenant::Tenant};

/// Whatever kube-apiserver, kube-controller-manager or the DNS Service would fail with.
pub(super) fn examine(tenant: &Tenant, found: &mut Findings) {
    for problem in network::problems(tenant) {
        found.refuse(Refusal::Value {
            field: problem.field.to_owned(),
            problem: problem.problem,
        });
    }
}

#[cfg(test)]
#[path = "network_tests.rs"]
mod tests;
