//! Probes of the Kubernetes components, and the numbers of them that a tenant may change.

use k8s_openapi::{
    api::core::v1::{HTTPGetAction, Probe},
    apimachinery::pkg::util::intstr::IntOrString,
};
use kamaji_api::tenant::{ProbeSet, ProbeSpec, Probes};

use super::component::Component;
use crate::render::renderer::{Change, Renderer};

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

/// Component that is probed, and who decides about the numbers.
#[derive(Clone, Copy, Debug)]
pub struct Probed<'a> {
    /// Component in the container.
    pub component: Component,
    /// Renderer with the defaults.
    pub renderer: Renderer,
    /// Numbers of the tenant; `None` if it has none.
    pub tenant: Option<&'a Probes>,
}

/// Builds a probe. The defaults yield to the numbers that the tenant has for every component, and these to the
/// ones that it has for this component.
pub fn probe(check: Check, kind: Kind, probed: Probed) -> Probe {
    let given = probed.given(kind);
    let [period, failures] = probed.patience(kind, given);
    let start = Probe {
        http_get: Some(HTTPGetAction {
            path: Some(check.path.to_owned()),
            port: IntOrString::Int(check.port),
            scheme: Some("HTTPS".to_owned()),
            ..HTTPGetAction::default()
        }),
        initial_delay_seconds: Some(0),
        timeout_seconds: Some(1),
        period_seconds: Some(period),
        success_threshold: Some(1),
        failure_threshold: Some(failures),
        ..Probe::default()
    };
    given.into_iter().flatten().fold(start, overridden)
}

impl<'a> Probed<'a> {
    /// Numbers of the tenant for every component, and those for this one.
    fn given(self, kind: Kind) -> [Option<&'a ProbeSpec>; 2] {
        let every = self.tenant.and_then(|tenant| match kind {
            Kind::Liveness => tenant.liveness.as_ref(),
            Kind::Readiness => tenant.readiness.as_ref(),
            Kind::Startup => tenant.startup.as_ref(),
        });
        let component = self
            .tenant
            .and_then(|tenant| self.component.probes(tenant))
            .and_then(|set| of_kind(set, kind));
        [every, component]
    }

    /// Default period in seconds, and number of failures: half a minute together. A tenant that has chosen one of them
    /// for a startup probe has counted on the usual other one.
    fn patience(self, kind: Kind, given: [Option<&ProbeSpec>; 2]) -> [i32; 2] {
        let chosen = given.into_iter().flatten();
        let chosen = chosen.map(|spec| (spec.period_seconds, spec.failure_threshold));
        let is_eager = kind == Kind::Startup
            && self.renderer.has(Change::EagerStart)
            && chosen.into_iter().all(|numbers| numbers == (None, None));
        if is_eager { [1, 30] } else { [10, 3] }
    }
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
