use super::*;

const CHECK: Check = Check {
    path: "/livez",
    port: 6443,
};

fn probe(kind: Kind, component: Component, tenant: Option<&Probes>) -> Probe {
    let renderer = Renderer::V2;
    let probed = Probed {
        component,
        renderer,
        tenant,
    };
    super::probe(CHECK, kind, probed)
}

fn numbers(probe: &Probe) -> [Option<i32>; 5] {
    [
        probe.initial_delay_seconds,
        probe.timeout_seconds,
        probe.period_seconds,
        probe.success_threshold,
        probe.failure_threshold,
    ]
}

fn period(seconds: i32) -> ProbeSpec {
    ProbeSpec {
        period_seconds: Some(seconds),
        ..ProbeSpec::default()
    }
}

#[test]
fn probes_without_settings_have_upstreams_numbers() {
    let probe = probe(Kind::Liveness, Component::ApiServer, None);
    assert_eq!(
        numbers(&probe),
        [Some(0), Some(1), Some(10), Some(1), Some(3)]
    );
    let get = probe.http_get.expect("core probes are HTTP");
    assert_eq!(get.path.as_deref(), Some("/livez"));
    assert_eq!(get.port, IntOrString::Int(6443));
    assert_eq!(get.scheme.as_deref(), Some("HTTPS"));
}

#[test]
fn startup_probes_ask_every_second_from_renderer_2_on_and_give_up_after_half_a_minute() {
    let of = |renderer| {
        let probed = Probed {
            component: Component::ApiServer,
            renderer,
            tenant: None,
        };
        numbers(&super::probe(CHECK, Kind::Startup, probed))
    };
    let upstream = [Some(0), Some(1), Some(10), Some(1), Some(3)];
    assert_eq!(of(Renderer::V1), upstream);
    assert_eq!(
        of(Renderer::V2),
        [Some(0), Some(1), Some(1), Some(1), Some(30)]
    );
}

#[test]
fn startup_probe_with_one_number_of_the_tenant_keeps_the_usual_other_one() {
    let of = |spec: ProbeSpec| {
        let settings = Probes {
            startup: Some(spec),
            ..Probes::default()
        };
        let startup = probe(Kind::Startup, Component::ApiServer, Some(&settings));
        [startup.period_seconds, startup.failure_threshold]
    };
    let failures = ProbeSpec {
        failure_threshold: Some(6),
        ..ProbeSpec::default()
    };
    let delay = ProbeSpec {
        initial_delay_seconds: Some(2),
        ..ProbeSpec::default()
    };
    assert_eq!(of(failures), [Some(10), Some(6)]);
    assert_eq!(of(period(5)), [Some(5), Some(3)]);
    assert_eq!(of(delay), [Some(1), Some(30)]);
}

#[test]
fn each_probe_number_is_overridden_alone() {
    let spec = ProbeSpec {
        initial_delay_seconds: Some(5),
        failure_threshold: Some(30),
        ..ProbeSpec::default()
    };
    let settings = Probes {
        startup: Some(spec),
        ..Probes::default()
    };
    let probe = |kind| probe(kind, Component::Scheduler, Some(&settings));
    assert_eq!(
        numbers(&probe(Kind::Startup)),
        [Some(5), Some(1), Some(10), Some(1), Some(30)]
    );
    assert_eq!(
        numbers(&probe(Kind::Liveness)),
        [Some(0), Some(1), Some(10), Some(1), Some(3)]
    );
}

#[test]
fn probe_settings_of_a_component_win_over_those_for_all() {
    let settings = Probes {
        readiness: Some(ProbeSpec {
            period_seconds: Some(20),
            timeout_seconds: Some(2),
            ..ProbeSpec::default()
        }),
        controller_manager: Some(ProbeSet {
            readiness: Some(period(30)),
            ..ProbeSet::default()
        }),
        ..Probes::default()
    };
    let readiness = |component| numbers(&probe(Kind::Readiness, component, Some(&settings)));
    let with_period = |seconds| [Some(0), Some(2), Some(seconds), Some(1), Some(3)];
    assert_eq!(readiness(Component::ControllerManager), with_period(30));
    assert_eq!(readiness(Component::ApiServer), with_period(20));
    assert_eq!(readiness(Component::Scheduler), with_period(20));
}
