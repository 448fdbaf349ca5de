use k8s_openapi::jiff::Timestamp;
use kamaji_api::tenant::{AddonsStatus, KubeadmPhaseStatus};
use serde_json::{Value, json};

use super::status;
use crate::tenant_cluster::fixture::{Fixture, bare};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn first() -> Timestamp {
    at("2026-11-23T12:00:00Z")
}

fn later() -> Timestamp {
    at("2026-11-23T13:00:00Z")
}

fn after(
    changes: Value,
    previous: Option<(AddonsStatus, KubeadmPhaseStatus)>,
    now: Timestamp,
) -> (AddonsStatus, KubeadmPhaseStatus) {
    let mut fixture = Fixture::with(changes);
    if let Some((addons, phase)) = previous {
        fixture.tenant.status.addons = Some(addons);
        fixture.tenant.status.kubeadm_phase = Some(phase);
    }
    status(&fixture.tenant, &fixture.content().objects, now)
}

#[test]
fn first_reconcile_records_its_time() {
    let (addons, phase) = after(json!({}), None, first());
    let addons = serde_json::to_value(addons).unwrap();
    let time = "2026-11-23T12:00:00Z";
    assert_eq!(
        addons["coreDNS"],
        json!({"enabled": true, "lastUpdate": time})
    );
    assert_eq!(
        addons["kubeProxy"],
        json!({"enabled": true, "lastUpdate": time})
    );
    let konnectivity = &addons["konnectivity"];
    assert_eq!(
        konnectivity["agent"],
        json!({"lastUpdate": time, "mode": "DaemonSet", "name": "konnectivity-agent", "namespace": "kube-system"})
    );
    assert_eq!(
        konnectivity["sa"],
        json!({"name": "konnectivity-agent", "namespace": "kube-system"})
    );
    assert_eq!(
        konnectivity["clusterrolebinding"],
        json!({"name": "system:konnectivity-server"})
    );
    assert!(phase.bootstrap_token.checksum.is_some());
}

#[test]
fn unchanged_reconcile_leaves_the_status_unchanged() {
    let before = after(json!({}), None, first());
    assert_eq!(after(json!({}), Some(before.clone()), later()), before);
    let before = after(bare(), None, first());
    assert_eq!(after(bare(), Some(before.clone()), later()), before);
}

#[test]
fn only_changed_entries_get_a_new_time() {
    let before = after(json!({}), None, first());
    let changes = json!({"spec": {
        "addons": {"coreDNS": null, "konnectivity": {"agent": {"mode": "Deployment"}}},
        "networkProfile": {"port": 6444},
    }});
    let (addons, phase) = after(changes, Some(before.clone()), later());
    let core_dns = addons.core_dns.unwrap();
    assert!(!core_dns.enabled);
    assert_eq!(core_dns.last_update.unwrap().0, later());
    assert_eq!(addons.kube_proxy, before.0.kube_proxy);
    let agent = addons.konnectivity.unwrap().agent;
    assert_eq!(agent.last_update.unwrap().0, later());
    assert_ne!(
        phase.bootstrap_token.checksum,
        before.1.bootstrap_token.checksum
    );
    assert_eq!(phase.bootstrap_token.last_update.unwrap().0, later());
}

#[test]
fn addons_never_enabled_have_no_time() {
    let (addons, _) = after(bare(), None, first());
    assert_eq!(addons.core_dns.unwrap().last_update, None);
    assert!(!addons.konnectivity.unwrap().enabled);
}
