//! Probes of the Kubernetes components, and the numbers of them that a tenant may change.

use k8s_openapi::{
    api::core::v1::{HTTPGetAction, Probe},
    apimachinery::pkg::util::intstr::IntOrString,
};
use kamaji_api::tenant::{ProbeSet, ProbeSpec, Probes};

use super::component::Component;

/// Kind of a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The probe whose failure restarts the container.
    Liveness,
    /// The probe whose failure takes the pod out of the Service.
    Readiness,
    /// The probe that must succeed before the others begin.
    Startup,
}

/// HTTPS request of a probe.
#[derive(Clone, Copy, Debug)]
pub struct Check {
    /// Path of the URL, with a leading slash.
    pub path: &'static str,
    /// Port of the container.
    pub port: i32,
}

/// Builds a probe. The defaults yield to the numbers that `tenant` has for every component, and these to the
/// ones that it has for this component.
pub fn probe(check: Check, kind: Kind, component: Component, tenant: Option<&Probes>) -> Probe {
    let start = Probe {
        http_get: Some(HTTPGetAction {
            path: Some(check.path.to_owned()),
            port: IntOrString::Int(check.port),
            scheme: Some("HTTPS".to_owned()),
            ..HTTPGetAction::default()
        }),
        initial_delay_seconds: Some(0),
        timeout_seconds: Some(1),
        period_seconds: Some(10),
        success_threshold: Some(1),
        failure_threshold: Some(3),
        ..Probe::default()
    };
    let Some(tenant) = tenant else { return start };
    let every = match kind {
        Kind::Liveness => tenant.liveness.as_ref(),
        Kind::Readiness => tenant.readiness.as_ref(),
        Kind::Startup => tenant.startup.as_ref(),
    };
    let component = component.probes(tenant);
    [every, component.and_then(|set| of_kind(set, kind))]
        .into_iter()
        .flatten()
        .fold(start, overridden)
}

fn of_kind(set: &ProbeSet, kind: Kind) -> Option<&ProbeSpec> {
    match kind {
        Kind::Liveness => set.liveness.as_ref(),
        Kind::Readiness => set.readiness.as_ref(),
        Kind::Startup => set.startup.as_ref(),
    }
}

fn overridden(probe: Probe, by: &ProbeSpec) -> Probe {
    Probe {
        initial_delay_seconds: by.initial_delay_seconds.or(probe.initial_delay_seconds),
        timeout_seconds: by.timeout_seconds.or(probe.timeout_seconds),
        period_seconds: by.period_seconds.or(probe.period_seconds),
        success_threshold: by.success_threshold.or(probe.success_threshold),
        failure_threshold: by.failure_threshold.or(probe.failure_threshold),
        ..probe
    }
}

#[cfg(test)]
mod tests;
