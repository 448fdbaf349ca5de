use super::*;

#[test]
fn host_names_take_their_own_port_or_the_default() {
    for (text, host, port) in [
        ("api.example.com", "api.example.com", 6443),
        ("api.example.com:443", "api.example.com", 443),
        ("api.example.com:0", "api.example.com", 6443),
        ("api.example.com:http", "api.example.com", 6443),
        ("2001:db8::1", "2001:db8::1", 6443),
        ("[2001:db8::1]:8443", "2001:db8::1", 8443),
    ] {
        assert_eq!(
            HostPort::parse(text, 6443),
            HostPort {
                host: host.into(),
                port
            },
            "{text}"
        );
    }
}

#[test]
fn an_ipv6_host_is_written_in_brackets() {
    assert_eq!(
        HostPort {
            host: "2001:db8::1".into(),
            port: 6443
        }
        .to_string(),
        "[2001:db8::1]:6443"
    );
}

/// A tenant behind a load balancer, whose status has that endpoint.
fn balanced(recorded: Option<&str>) -> Tenant {
    let mut object = crate::plan::fixture::tenant(serde_json::json!({"spec": {
        "controlPlane": {"service": {"serviceType": "LoadBalancer"}},
        "networkProfile": {"address": null},
    }}));
    object.status = recorded.map(|endpoint| kamaji_api::tenant::TenantControlPlaneStatus {
        control_plane_endpoint: Some(endpoint.to_owned()),
        ..Default::default()
    });
    Tenant::parse(&object).unwrap()
}

fn addresses(ips: &[&str]) -> Service {
    let ingress: Vec<_> = ips.iter().map(|ip| serde_json::json!({"ip": ip})).collect();
    serde_json::from_value(serde_json::json!({"status": {"loadBalancer": {"ingress": ingress}}}))
        .unwrap()
}

#[test]
fn a_recorded_address_stays_as_long_as_the_load_balancer_has_it_in_whatever_order() {
    let assigned = |recorded, ips: &[&str]| {
        let endpoint = resolve(&balanced(recorded), Some(&addresses(ips))).unwrap();
        endpoint.assigned.to_string()
    };
    assert_eq!(assigned(None, &["192.0.2.1", "192.0.2.2"]), "192.0.2.1");
    let recorded = Some("192.0.2.1:6443");
    assert_eq!(assigned(recorded, &["192.0.2.1", "192.0.2.2"]), "192.0.2.1");
    assert_eq!(assigned(recorded, &["192.0.2.2", "192.0.2.1"]), "192.0.2.1");
    assert_eq!(assigned(recorded, &["192.0.2.2"]), "192.0.2.2");
    let six = Some("[2001:db8::1]:6443");
    assert_eq!(assigned(six, &["192.0.2.2", "2001:db8::1"]), "2001:db8::1");
}
