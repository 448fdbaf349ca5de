use std::time::Duration;

use kamaji_api::tenant::IngressSpec;
use serde_json::json;

use crate::{
    pki::certificate::Certificate,
    plan::{
        Plan,
        builder::{PlanBuilder, Renewals},
        fixture::{after, settled, snapshot, tenant},
        plan,
    },
    snapshot::Snapshot,
    tenant::Tenant,
};

#[test]
fn leaf_is_renewed_within_the_deadline_and_not_before() {
    let fixture = settled(json!({}));
    let name = "full-api-server-certificate";
    let renewed = |ahead: Duration| {
        let mut later = fixture.clone();
        later.now += ahead;
        let before = fixture.secrets[name].data.clone();
        after(later.clone(), &plan(&later).unwrap()).secrets[name].data != before
    };
    assert!(!renewed(Duration::from_hours(363 * 24)));
    assert!(renewed(Duration::from_hours(364 * 24 + 12)));
}

#[test]
fn renewals_of_tenants_of_one_age_spread_over_half_of_the_deadline() {
    let mut hours = std::collections::BTreeSet::new();
    for number in 0..200 {
        let fixture = snapshot(json!({"metadata": {"uid": format!("uid-{number}")}}));
        let tenant = Tenant::parse(&fixture.object).unwrap();
        let ahead = PlanBuilder::new(&tenant, &fixture, Renewals::Allowed).renewal_threshold();
        let deadline = fixture.settings.expiration_deadline;
        assert!(ahead > deadline / 2 && ahead <= deadline, "{ahead:?}");
        hours.insert(ahead.as_secs() / 3600);
    }
    assert!(hours.len() >= 12, "{hours:?}");
}

#[test]
fn next_reconcile_is_before_the_first_leaf_expires() {
    let fixture = settled(json!({}));
    let plan = plan(&fixture).unwrap();
    let wake = plan.requeue_at.unwrap();
    let bytes = &fixture.secrets["full-api-server-certificate"]
        .data
        .as_ref()
        .unwrap()["apiserver.crt"]
        .0;
    let end = Certificate::from_pem(bytes).unwrap().not_after;
    assert!(wake < end && wake > fixture.now, "{wake} {end}");
}

#[test]
fn changed_endpoint_changes_kubeconfigs_and_certificate_names() {
    let fixture = settled(json!({}));
    let mut moved = fixture.clone();
    moved.object.spec.control_plane.ingress = Some(IngressSpec {
        hostname: Some("api.example.com:443".to_owned()),
        ..Default::default()
    });
    let plan = plan(&moved).unwrap();
    let fixture = after(moved, &plan);
    let admin = &fixture.secrets["full-admin-kubeconfig"]
        .data
        .as_ref()
        .unwrap()["admin.conf"]
        .0;
    assert!(String::from_utf8_lossy(admin).contains("https://api.example.com:443"));
    let bytes = &fixture.secrets["full-api-server-certificate"]
        .data
        .as_ref()
        .unwrap()["apiserver.crt"]
        .0;
    let certificate = Certificate::from_pem(bytes).unwrap();
    assert!(
        certificate
            .dns_names
            .contains(&"api.example.com".to_owned())
    );
}

#[test]
fn leaf_issued_twice_from_one_seed_has_another_key() {
    let first = snapshot(json!({}));
    let mut second = after(first.clone(), &plan(&first).unwrap());
    second.seed = first.seed;
    let key = |fixture: &Snapshot| {
        let secret = &fixture.secrets["full-api-server-certificate"];
        secret.data.as_ref().unwrap()["apiserver.key"].clone()
    };
    let had = key(&second);
    second.object.spec.network_profile.cert_sans = vec!["later.example.com".to_owned()];
    let issued = plan(&second).unwrap();
    assert_ne!(key(&after(second, &issued)), had);
}

fn api_server_addresses(plan: &Plan) -> Vec<String> {
    let secret = plan
        .objects()
        .find(|object| object.key.name == "full-api-server-certificate")
        .unwrap();
    let secret: k8s_openapi::api::core::v1::Secret =
        serde_json::from_value(secret.body.clone()).unwrap();
    let pem = &secret.data.unwrap()["apiserver.crt"].0;
    let certificate = Certificate::from_pem(pem).unwrap();
    certificate
        .ip_addresses
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn newest_renderer_certifies_every_address_of_the_service() {
    let renderer =
        |number| json!({"metadata": {"annotations": {"kamaji.clastix.io/renderer": number}}});
    let service = json!({
        "spec": {"clusterIP": "10.0.0.77", "clusterIPs": ["10.0.0.77", "fd00:77::77"]},
        "status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.77"}, {"hostname": "lb"}]}},
    });
    let mut seen = snapshot(renderer("2"));
    seen.service = Some(serde_json::from_value(service).unwrap());
    let named = api_server_addresses(&plan(&seen).unwrap());
    for address in ["10.0.0.77", "fd00:77::77", "192.0.2.77"] {
        assert!(
            named.contains(&address.to_owned()),
            "{address} in {named:?}"
        );
    }
    seen.object = tenant(renderer("1"));
    let named = api_server_addresses(&plan(&seen).unwrap());
    assert!(!named.contains(&"10.0.0.77".to_owned()), "{named:?}");
}
