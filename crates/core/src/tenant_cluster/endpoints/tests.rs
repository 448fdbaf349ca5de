use serde_json::{Value, json};

use crate::{
    render::Renderer,
    tenant_cluster::fixture::{Fixture, find, names},
};

const SLICE: &str = "EndpointSlice default/kamaji-kubernetes";

fn fixture(spec: Value, renderer: Renderer) -> Fixture {
    Fixture {
        renderer: Some(renderer),
        ..Fixture::with(json!({"spec": spec}))
    }
}

#[test]
fn endpoint_slice_is_planned_for_every_tenant() {
    for renderer in [Some(Renderer::V1), Some(Renderer::V2), None] {
        let plan = Fixture {
            renderer,
            ..Fixture::with(json!({}))
        }
        .content();
        let body = &find(&plan, SLICE).body;
        assert_eq!(
            body["metadata"]["labels"]["kubernetes.io/service-name"],
            "kubernetes"
        );
        assert_eq!(body["addressType"], "IPv4");
        assert_eq!(body["endpoints"][0]["addresses"], json!(["172.30.0.60"]));
        assert_eq!(body["ports"][0]["port"], 6443);
    }
}

#[test]
fn endpoint_slice_follows_the_advertised_address() {
    let network = json!({"networkProfile": {
        "address": "2001:db8::10", "port": 7443,
        "serviceCidr": null, "serviceCidrs": ["fd00::/112"], "dnsServiceIPs": [],
    }});
    let plan = fixture(network, Renderer::V2).content();
    let body = &find(&plan, SLICE).body;
    assert_eq!(body["addressType"], "IPv6");
    assert_eq!(body["endpoints"][0]["addresses"], json!(["2001:db8::10"]));
    let subset = &find(&plan, "Endpoints default/kubernetes").body["subsets"][0];
    assert_eq!(subset["addresses"][0]["ip"], "2001:db8::10");
    assert_eq!(subset["ports"][0]["port"], 7443);
}

#[test]
fn objects_of_the_lease_reconciler_are_planned_only_where_it_is_disabled() {
    let made = |fixture: &Fixture| {
        let names = names(&fixture.content());
        [
            "EndpointSlice default/kubernetes",
            "Endpoints default/kubernetes",
        ]
        .map(|name| names.contains(&name.to_owned()))
    };
    assert_eq!(made(&fixture(json!({}), Renderer::V1)), [false; 2]);
    assert_eq!(made(&fixture(json!({}), Renderer::V2)), [true; 2]);
    let flags = json!({"apiServer": ["--endpoint-reconciler-type=lease"]});
    let chosen = json!({"controlPlane": {"deployment": {"extraArgs": flags}}});
    assert_eq!(made(&fixture(chosen, Renderer::V2)), [false; 2]);
}
