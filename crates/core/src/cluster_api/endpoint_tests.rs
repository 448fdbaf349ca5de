use kamaji_api::{
    condition::find, control_plane::KamajiControlPlaneStatus, tenant::TenantControlPlane,
};
use serde_json::json;

use super::super::{
    Owner, Plan, Snapshot,
    fixture::{settle, snapshot},
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

fn told(snapshot: &Snapshot) -> Option<String> {
    let endpoint = snapshot.control_plane.spec.control_plane_endpoint.as_ref();
    endpoint.map(text)
}

/// Reason and message of the condition about the endpoint.
fn said(status: &KamajiControlPlaneStatus) -> (String, String) {
    let said = find(&status.conditions, "ControlPlaneEndpointPatched").unwrap();
    (said.reason.clone(), said.message.clone())
}

fn is_at_rest(snapshot: &Snapshot) {
    let plan = plan(snapshot);
    assert_eq!((plan.own, plan.objects), (None, vec![]));
    assert_eq!(plan.status, snapshot.control_plane.status);
}

#[test]
fn a_users_name_is_in_the_first_certificate_and_published() {
    let asked = asks_for("blue.example.org", 6443);
    let first = tenant(&plan(&asked)).unwrap();
    assert_eq!(first.spec.network_profile.cert_sans, ["blue.example.org"]);
    let settled = settle(asked, REACHED);
    assert_eq!(told(&settled).as_deref(), Some("blue.example.org:6443"));
    let status = settled.control_plane.status.as_ref().unwrap();
    assert_eq!(said(status).0, "Succeeded");
    assert!(status.ready);
    is_at_rest(&settled);
}

#[test]
fn the_published_kubeconfig_names_the_users_host() {
    let config = |server: &str| {
        let text = json!({"clusters": [{"name": "c", "cluster": {"server": server}}]});
        k8s_openapi::ByteString(text.to_string().into_bytes())
    };
    for (server, published) in [
        ("https://192.0.2.9:6443", "https://blue.example.org:6443"),
        ("https://a.n.svc:6443", "https://a.n.svc:6443"),
    ] {
        let mut settled = settle(asks_for("blue.example.org", 6443), REACHED);
        let source = settled.sources.get_mut("a-admin-kubeconfig").unwrap();
        let data = source.data.as_mut().unwrap();
        data.insert("admin.conf".to_owned(), config(server));
        let probed = plan(&settled).probe.unwrap();
        let read: serde_json::Value =
            serde_saphyr::from_str(std::str::from_utf8(&probed).unwrap()).unwrap();
        assert_eq!(read["clusters"][0]["cluster"]["server"], published);
    }
}

#[test]
fn a_name_stays_in_the_certificate_whatever_becomes_of_the_clusters_endpoint() {
    let settled = settle(asks_for("blue.example.org", 6443), REACHED);
    for host in ["green.example.org", "192.0.2.9"] {
        let changed = with(settled.clone(), host, 6443);
        assert_eq!(tenant(&plan(&changed)), None, "{host} makes pods anew");
    }
}

#[test]
fn another_port_is_a_condition_with_the_next_step() {
    let settled = settle(asks_for("blue.example.org", 443), REACHED);
    assert_eq!(told(&settled).as_deref(), Some(REACHED));
    let status = settled.control_plane.status.as_ref().unwrap();
    let (reason, message) = said(status);
    assert_eq!(reason, "EndpointMismatch");
    for part in ["blue.example.org:443", REACHED, "apiServerPort"] {
        assert!(message.contains(part), "{message}");
    }
    assert!(status.ready, "what serves is available");
    is_at_rest(&settled);
}

#[test]
fn an_address_that_changes_later_is_a_condition_and_changes_no_certificate() {
    // Cluster API has copied the first one.
    let settled = settle(snapshot(json!({})), REACHED);
    let mut moved = with(settled, "192.0.2.9", 6443);
    let status = moved.tenant.as_mut().unwrap().status.as_mut().unwrap();
    status.control_plane_endpoint = Some("192.0.2.77:6443".to_owned());
    let next = plan(&moved);
    assert_eq!((tenant(&next), next.own), (None, None));
    let (reason, message) = said(next.status.as_ref().unwrap());
    assert_eq!(reason, "EndpointOutdated");
    for part in [REACHED, "192.0.2.77:6443", "serviceAddress", "certSANs"] {
        assert!(message.contains(part), "{message}");
    }
    // Somebody corrects the Cluster.
    let corrected = with(moved, "192.0.2.77", 6443);
    let next = plan(&corrected);
    assert_eq!(said(next.status.as_ref().unwrap()).0, "Succeeded");
}

#[test]
fn a_running_tenant_of_an_earlier_release_keeps_its_certificate() {
    // Its Cluster had another endpoint all the time.
    let settled = settle(snapshot(json!({})), REACHED);
    let found = with(settled, "blue.example.org", 6443);
    let next = plan(&found);
    assert_eq!((tenant(&next), next.own), (None, None));
    assert_eq!(said(next.status.as_ref().unwrap()).0, "EndpointOutdated");
    // Where the certificate has the name already, it is honoured.
    let spec = json!({"network": {"certSANs": ["blue.example.org"]}});
    let settled = settle(snapshot(spec), REACHED);
    let found = settle(with(settled, "Blue.example.org", 6443), REACHED);
    assert_eq!(told(&found).as_deref(), Some("Blue.example.org:6443"));
    is_at_rest(&found);
}

#[test]
fn what_no_certificate_can_name_is_not_put_into_one() {
    let asked = asks_for("no host", 6443);
    let first = tenant(&plan(&asked)).unwrap();
    assert!(first.spec.network_profile.cert_sans.is_empty());
    let settled = settle(asked, REACHED);
    let status = settled.control_plane.status.as_ref().unwrap();
    assert_eq!(said(status).0, "EndpointOutdated");
}

#[test]
fn the_address_that_the_user_gave_the_service_is_no_further_name() {
    let spec = json!({"network": {"serviceAddress": "192.0.2.9"}});
    let asked = with(snapshot(spec), "192.0.2.9", 6443);
    let first = tenant(&plan(&asked)).unwrap();
    assert!(first.spec.network_profile.cert_sans.is_empty());
}
