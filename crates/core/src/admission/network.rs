//! Rules of Kubernetes components about the tenant's ranges and addresses.

use super::{refusal::Refusal, types::Findings};
use crate::{network, tenant::Tenant};

/// Refuses everything with which kube-apiserver, kube-controller-manager or the DNS Service would fail.
pub(super) fn examine(tenant: &Tenant, found: &mut Findings) {
    for problem in network::problems(tenant) {
        found.refuse(Refusal::Value {
            field: problem.field.to_owned(),
            problem: problem.problem,
        });
    }
}

#[cfg(test)]
mod tests;
