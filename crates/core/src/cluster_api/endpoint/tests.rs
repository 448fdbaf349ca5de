use kamaji_api::{
    condition::find, control_plane::KamajiControlPlaneStatus, tenant::TenantControlPlane,
};
use serde_json::json;

use super::super::{
    Owner, Plan, Snapshot,
    fixture::{converge, snapshot},
    plan,
};
use super::*;
use crate::object::Kind;

const REACHED: &str = "192.0.2.9:6443";

/// `snapshot`, whose Cluster has this endpoint.
fn with(mut snapshot: Snapshot, host: &str, port: i32) -> Snapshot {
    let Owner::Cluster(cluster) = &mut snapshot.owner else {
        unreachable!("the fixture has a Cluster")
    };
    cluster.spec.control_plane_endpoint = Some(ApiEndpoint {
        host: Some(host.to_owned()),
        port: Some(port),
    });
    snapshot
}

fn asks_for(host: &str, port: i32) -> Snapshot {
    with(snapshot(json!({})), host, port)
}

fn tenant(plan: &Plan) -> Option<TenantControlPlane> {
    let mut objects = plan.objects.iter();
    let found = objects.find(|object| object.key.kind == Kind::TenantControlPlane)?;
    serde_json::from_value(found.body.clone()).ok()
}

fn published_endpoint(snapshot: &Snapshot) -> Option<String> {
    let endpoint = snapshot.control_plane.spec.control_plane_endpoint.as_ref();
    endpoint.map(text)
}

/// Reason and message of the condition about the endpoint.
fn endpoint_condition(status: &KamajiControlPlaneStatus) -> (String, String) {
    let found = find(&status.conditions, "ControlPlaneEndpointPatched").unwrap();
    (found.reason.clone(), found.message.clone())
}

fn assert_converged(snapshot: &Snapshot) {
    let plan = plan(snapshot);
    assert_eq!((plan.own, plan.objects), (None, vec![]));
    assert_eq!(plan.status, snapshot.control_plane.status);
}

#[test]
fn a_host_of_a_user_is_certified_and_published() {
    let asked = asks_for("blue.example.org", 6443);
    let first = tenant(&plan(&asked)).unwrap();
    assert_eq!(first.spec.network_profile.cert_sans, ["blue.example.org"]);
    let converged = converge(asked, REACHED);
    assert_eq!(
        published_endpoint(&converged).as_deref(),
        Some("blue.example.org:6443")
    );
    let status = converged.control_plane.status.as_ref().unwrap();
    assert_eq!(endpoint_condition(status).0, "Succeeded");
    assert!(status.ready);
    assert_converged(&converged);
}

#[test]
fn the_published_kubeconfig_has_the_host_of_the_user() {
    let config = |server: &str| {
        let text = json!({"clusters": [{"name": "c", "cluster": {"server": server}}]});
        k8s_openapi::ByteString(text.to_string().into_bytes())
    };
    for (server, published) in [
        ("https://192.0.2.9:6443", "https://blue.example.org:6443"),
        ("https://a.n.svc:6443", "https://a.n.svc:6443"),
    ] {
        let mut converged = converge(asks_for("blue.example.org", 6443), REACHED);
        let source = converged.sources.get_mut("a-admin-kubeconfig").unwrap();
        let data = source.data.as_mut().unwrap();
        data.insert("admin.conf".to_owned(), config(server));
        let probed = plan(&converged).probe.unwrap();
        let read: serde_json::Value =
            serde_saphyr::from_str(std::str::from_utf8(&probed).unwrap()).unwrap();
        assert_eq!(read["clusters"][0]["cluster"]["server"], published);
    }
}

#[test]
fn a_recorded_host_stays_certified_when_the_clusters_endpoint_changes() {
    let converged = converge(asks_for("blue.example.org", 6443), REACHED);
    for host in ["green.example.org", "192.0.2.9"] {
        let changed = with(converged.clone(), host, 6443);
        assert_eq!(tenant(&plan(&changed)), None, "{host} makes pods anew");
    }
}

#[test]
fn another_port_is_reported_with_the_next_step() {
    let converged = converge(asks_for("blue.example.org", 443), REACHED);
    assert_eq!(published_endpoint(&converged).as_deref(), Some(REACHED));
    let status = converged.control_plane.status.as_ref().unwrap();
    let (reason, message) = endpoint_condition(status);
    assert_eq!(reason, "EndpointMismatch");
    for part in ["blue.example.org:443", REACHED, "apiServerPort"] {
        assert!(message.contains(part), "{message}");
    }
    assert!(status.ready, "what serves is available");
    assert_converged(&converged);
}

#[test]
fn an_address_that_changes_later_is_reported_and_changes_no_certificate() {
    // Cluster API has copied the first one.
    let converged = converge(snapshot(json!({})), REACHED);
    let mut moved = with(converged, "192.0.2.9", 6443);
    let status = moved.tenant.as_mut().unwrap().status.as_mut().unwrap();
    status.control_plane_endpoint = Some("192.0.2.77:6443".to_owned());
    let next = plan(&moved);
    assert_eq!((tenant(&next), next.own), (None, None));
    let (reason, message) = endpoint_condition(next.status.as_ref().unwrap());
    assert_eq!(reason, "EndpointOutdated");
    for part in [REACHED, "192.0.2.77:6443", "serviceAddress", "certSANs"] {
        assert!(message.contains(part), "{message}");
    }
    // Somebody corrects the Cluster.
    let corrected = with(moved, "192.0.2.77", 6443);
    let next = plan(&corrected);
    assert_eq!(
        endpoint_condition(next.status.as_ref().unwrap()).0,
        "Succeeded"
    );
}

#[test]
fn a_running_tenant_of_an_earlier_release_keeps_its_certificate() {
    // Its Cluster had another endpoint all the time.
    let converged = converge(snapshot(json!({})), REACHED);
    let found = with(converged, "blue.example.org", 6443);
    let next = plan(&found);
    assert_eq!((tenant(&next), next.own), (None, None));
    assert_eq!(
        endpoint_condition(next.status.as_ref().unwrap()).0,
        "EndpointOutdated"
    );
    // Where the certificate has the name already, it is honoured.
    let spec = json!({"network": {"certSANs": ["blue.example.org"]}});
    let converged = converge(snapshot(spec), REACHED);
    let found = converge(with(converged, "Blue.example.org", 6443), REACHED);
    assert_eq!(
        published_endpoint(&found).as_deref(),
        Some("Blue.example.org:6443")
    );
    assert_converged(&found);
}

#[test]
fn an_invalid_host_is_not_certified() {
    let asked = asks_for("no host", 6443);
    let first = tenant(&plan(&asked)).unwrap();
    assert!(first.spec.network_profile.cert_sans.is_empty());
    let converged = converge(asked, REACHED);
    let status = converged.control_plane.status.as_ref().unwrap();
    assert_eq!(endpoint_condition(status).0, "EndpointOutdated");
}

#[test]
fn the_address_of_the_service_is_not_certified_twice() {
    let spec = json!({"network": {"serviceAddress": "192.0.2.9"}});
    let asked = with(snapshot(spec), "192.0.2.9", 6443);
    let first = tenant(&plan(&asked)).unwrap();
    assert!(first.spec.network_profile.cert_sans.is_empty());
}
