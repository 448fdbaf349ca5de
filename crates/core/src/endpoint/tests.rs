use super::*;

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

#[test]
fn the_published_host_is_the_ingress_then_the_gateway_then_the_advertised_address() {
    let advertised = HostPort {
        host: "192.0.2.1".to_owned(),
        port: 6443,
    };
    for (ingress, gateway, expected) in [
        (
            Some("in.example.com"),
            Some("gw.example.com"),
            "in.example.com:6443",
        ),
        (None, Some("gw.example.com:443"), "gw.example.com:443"),
        (Some(""), Some("gw.example.com"), "192.0.2.1:6443"),
        (None, None, "192.0.2.1:6443"),
    ] {
        let hosts = Hosts { ingress, gateway };
        let found = published(hosts, advertised.clone());
        assert_eq!(found.to_string(), expected, "{hosts:?}");
    }
}
