use std::time::Duration;

use k8s_openapi::ByteString;
use kamaji_api::{condition, tenant::VersionPhase};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{
    fixture::{NOW, after, hashes, pods, settled, snapshot},
    *,
};
use crate::{
    check::violations,
    object::{Intent, Version},
    pki::certificate::Certificate,
    snapshot::{DeploymentView, StoreWait, TenantClusterReport},
};

fn find<'a>(plan: &'a Plan, name: &str) -> &'a Object {
    plan.objects()
        .find(|object| object.key.name == name)
        .unwrap_or_else(|| panic!("no {name} in {:?}", hashes(plan)))
}

fn status_of<'a>(plan: &'a Plan, type_: &str) -> (&'a str, &'a str, &'a str) {
    let condition = condition::find(&plan.status.conditions, type_).unwrap();
    (&condition.status, &condition.reason, &condition.message)
}

fn spoil(fixture: &mut Snapshot, name: &str, key: &str, bytes: &[u8]) {
    let secret = fixture.secrets.get_mut(name).unwrap();
    secret
        .data
        .as_mut()
        .unwrap()
        .insert(key.to_owned(), ByteString(bytes.to_vec()));
}

fn ask_for_rotation(fixture: &mut Snapshot, name: &str) {
    let secret = fixture.secrets.get_mut(name).unwrap();
    let annotations = secret.metadata.annotations.get_or_insert_default();
    annotations.insert(labels::ROTATE.to_owned(), String::new());
}

#[test]
fn a_new_tenant_gets_everything_in_one_plan() {
    let plan = plan(&snapshot(json!({}))).unwrap();
    assert_eq!(plan.objects().count(), 17, "{:?}", hashes(&plan));
    assert_eq!(violations(&plan), Vec::<String>::new());
    assert_eq!(plan.finalizers, Some(vec![labels::FINALIZER.to_owned()]));
    assert!(plan.waits.is_empty(), "{:?}", plan.waits);
}

#[test]
fn a_second_plan_changes_nothing() {
    let fixture = settled(json!({}));
    let again = plan(&fixture).unwrap();
    let once_more = plan(&after(fixture, &again)).unwrap();
    assert_eq!(hashes(&again), hashes(&once_more));
    assert_eq!(again.status, once_more.status);
    assert_eq!(once_more.finalizers, None);
}

#[test]
fn the_same_snapshot_gives_the_same_plan() {
    let fixture = snapshot(json!({}));
    assert_eq!(
        hashes(&plan(&fixture).unwrap()),
        hashes(&plan(&fixture).unwrap())
    );
}

#[test]
fn what_is_not_there_is_created_and_what_is_there_is_written_as_it_was_observed() {
    let first = plan(&snapshot(json!({}))).unwrap();
    for object in first.objects() {
        assert_eq!(object.intent, Intent::Create, "{}", object.key);
    }
    for object in plan(&settled(json!({}))).unwrap().objects() {
        let observed = Version {
            uid: format!("uid of {}", object.key).into(),
            revision: 7,
        };
        assert_eq!(object.intent, Intent::Update(observed), "{}", object.key);
    }
}

#[test]
fn the_ca_of_a_tenant_of_cluster_api_has_the_type_that_clusterctl_looks_for() {
    let type_ = |cluster: &str| {
        let label = json!({"metadata": {"labels": {"cluster.x-k8s.io/cluster-name": cluster}}});
        let plan = plan(&snapshot(label)).unwrap();
        find(&plan, "full-ca").body["type"].clone()
    };
    assert_eq!(type_("full"), "cluster.x-k8s.io/secret");
    assert_eq!(type_("blue"), "Opaque", "full-ca is not the Secret blue-ca");
}

#[test]
fn the_ca_of_a_tenant_of_cluster_api_says_whose_it_is() {
    let mut fixture = snapshot(json!({}));
    let labels = fixture.object.metadata.labels.get_or_insert_default();
    labels.insert(
        "cluster.x-k8s.io/cluster-name".to_owned(),
        "blue".to_owned(),
    );
    let name = format!("{}-ca", fixture.object.metadata.name.clone().unwrap());
    let plan = plan(&fixture).unwrap();
    let labels = &find(&plan, &name).body["metadata"]["labels"];
    assert_eq!(labels["cluster.x-k8s.io/cluster-name"], "blue");
}

#[test]
fn a_damaged_authority_is_reported_and_nothing_is_made_in_its_place() {
    for (name, key, bytes) in [
        ("full-ca", "ca.crt", b"garbage".as_slice()),
        ("full-ca", "ca.key", b""),
        (
            "full-front-proxy-ca-certificate",
            "front-proxy-ca.key",
            b"-----BEGIN",
        ),
        ("full-sa-certificate", "sa.pub", b"garbage"),
    ] {
        let mut fixture = settled(json!({}));
        spoil(&mut fixture, name, key, bytes);
        let plan = plan(&fixture).unwrap();
        assert!(
            plan.objects().all(|object| object.key.name != name),
            "{name} is written"
        );
        assert!(
            plan.objects()
                .all(|object| object.key.kind != Kind::Deployment)
        );
        assert!(plan.prunes.is_empty());
        let (status, reason, message) = status_of(&plan, "CertificatesValid");
        assert_eq!((status, reason), ("False", "AuthorityDamaged"));
        assert!(
            message.contains(name) && message.contains("rotate"),
            "{message}"
        );
    }
}

#[test]
fn a_person_may_replace_a_damaged_authority() {
    let mut fixture = settled(json!({}));
    let before = fixture.secrets["full-ca"].data.clone();
    spoil(&mut fixture, "full-ca", "ca.crt", b"garbage");
    ask_for_rotation(&mut fixture, "full-ca");
    let plan = plan(&fixture).unwrap();
    let fixture = after(fixture, &plan);
    assert_ne!(fixture.secrets["full-ca"].data, before);
    let stamp = &fixture.secrets["full-ca"]
        .metadata
        .annotations
        .as_ref()
        .unwrap()[labels::ROTATE];
    assert_eq!(stamp, NOW);
    assert_eq!(status_of(&plan, "CertificatesValid").0, "True");
}

#[test]
fn a_new_ca_brings_new_leaves_and_the_stamp_stays() {
    let mut fixture = settled(json!({}));
    let leaf = fixture.secrets["full-api-server-certificate"].data.clone();
    ask_for_rotation(&mut fixture, "full-ca");
    let rotated = plan(&fixture).unwrap();
    let fixture = after(fixture, &rotated);
    assert_ne!(fixture.secrets["full-api-server-certificate"].data, leaf);
    let again = plan(&fixture).unwrap();
    assert_eq!(hashes(&rotated), hashes(&again));
}

#[test]
fn a_leaf_is_renewed_within_the_deadline_and_not_before() {
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
fn tenants_that_were_made_in_one_hour_are_renewed_over_half_of_the_deadline() {
    let mut hours = std::collections::BTreeSet::new();
    for number in 0..200 {
        let fixture = snapshot(json!({"metadata": {"uid": format!("uid-{number}")}}));
        let ahead = PlanBuilder::new(&fixture, Renewals::Allowed).threshold();
        let deadline = fixture.settings.expiration_deadline;
        assert!(ahead > deadline / 2 && ahead <= deadline, "{ahead:?}");
        hours.insert(ahead.as_secs() / 3600);
    }
    assert!(hours.len() >= 12, "{hours:?}");
}

#[test]
fn a_limit_on_writes_is_claimed_only_while_it_stands_in_the_tenant_cluster() {
    let mut fixture = settled(json!({"spec": {"writePermissions": {"blockUpdate": true}}}));
    let made = plan(&fixture).unwrap();
    fixture.deployment = pods(&made, |replicas| replicas);
    let phase = |fixture: &Snapshot| {
        let status = plan(fixture).unwrap().status;
        status.kubernetes_resources.unwrap().version.unwrap().status
    };
    assert_eq!(
        phase(&fixture),
        Some(VersionPhase::Ready),
        "nothing is known yet"
    );
    let report = |write_limited| TenantClusterReport {
        ready: condition::find(&made.status.conditions, "TenantClusterConfigured")
            .unwrap()
            .clone(),
        addons: None,
        kubeadm_phase: None,
        write_limited,
    };
    fixture.tenant_cluster = Some(report(Some(true)));
    assert_eq!(phase(&fixture), Some(VersionPhase::WriteLimited));
    let limited = plan(&fixture).unwrap();
    let mut restarted = after(fixture, &limited);
    for unknown in [None, Some(report(None))] {
        restarted.tenant_cluster = unknown;
        assert_eq!(phase(&restarted), Some(VersionPhase::WriteLimited));
    }
    restarted.tenant_cluster = Some(report(Some(false)));
    assert_eq!(phase(&restarted), Some(VersionPhase::Ready));
}

#[test]
fn routes_without_a_gateway_api_are_waited_for_and_the_rest_is_made() {
    let gateway = json!({"spec": {"controlPlane": {"gateway": {"hostname": "a.example.com"}}}});
    let mut fixture = snapshot(gateway);
    let missing = plan(&fixture).unwrap();
    assert_eq!(status_of(&missing, "Reconciled").1, "GatewayApiMissing");
    assert!(
        missing
            .objects()
            .any(|object| object.key.kind == Kind::Deployment)
    );
    fixture.gateway_api = true;
    assert_eq!(status_of(&plan(&fixture).unwrap(), "Reconciled").0, "True");
}

#[test]
fn the_next_wake_is_before_the_first_leaf_ends() {
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
fn a_changed_endpoint_changes_the_kubeconfigs_and_the_names_of_the_certificate() {
    let fixture = settled(json!({}));
    let mut moved = fixture.clone();
    moved.object.spec.control_plane.ingress = Some(kamaji_api::tenant::IngressSpec {
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
fn a_leaf_that_is_issued_twice_from_one_seed_has_another_key() {
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

#[test]
fn without_an_address_all_that_needs_none_is_made_and_the_condition_says_why() {
    let mut seen = snapshot(json!({"spec": {
        "controlPlane": {"service": {"serviceType": "LoadBalancer"}},
        "networkProfile": {"address": null},
    }}));
    seen.service = None;
    let plan = plan(&seen).unwrap();
    assert!(plan.objects().any(|object| object.key.name == "full-ca"));
    assert!(
        plan.objects()
            .all(|object| object.key.kind != Kind::Deployment)
    );
    assert_eq!(status_of(&plan, "EndpointAssigned").1, "ServicePending");
    let version = plan
        .status
        .kubernetes_resources
        .as_ref()
        .unwrap()
        .version
        .as_ref()
        .unwrap();
    assert_eq!(version.status, Some(VersionPhase::Provisioning));
}

#[test]
fn without_a_datastore_keys_are_made_and_the_condition_says_why() {
    let mut fixture = snapshot(json!({}));
    fixture.store = Err(StoreWait::Missing("gold".to_owned()));
    let plan = plan(&fixture).unwrap();
    assert!(plan.objects().any(|object| object.key.name == "full-ca"));
    assert!(
        plan.objects()
            .all(|object| object.key.kind != Kind::Deployment)
    );
    let (_, reason, message) = status_of(&plan, "DataStoreReady");
    assert_eq!(reason, "DataStoreMissing");
    assert!(message.contains("gold"));
}

#[test]
fn what_is_switched_off_is_pruned_once_everything_else_is_planned() {
    let mut fixture = settled(json!({}));
    fixture.object.spec.addons.konnectivity = None;
    let off = plan(&fixture).unwrap();
    assert_eq!(off.prunes.len(), 3, "{:?}", off.prunes);
    let konnectivity = off
        .status
        .addons
        .as_ref()
        .unwrap()
        .konnectivity
        .as_ref()
        .unwrap();
    assert!(!konnectivity.enabled);
    spoil(&mut fixture, "full-ca", "ca.crt", b"garbage");
    assert!(plan(&fixture).unwrap().prunes.is_empty());
}

#[test]
fn a_refused_upgrade_keeps_the_installed_version_and_everything_else_goes_on() {
    let mut fixture = settled(json!({"spec": {"kubernetes": {"version": "v1.34.0"}}}));
    let resources = fixture
        .object
        .status
        .as_mut()
        .unwrap()
        .kubernetes_resources
        .as_mut()
        .unwrap();
    resources.version.as_mut().unwrap().version = Some("v1.34.0".to_owned());
    fixture.object.spec.kubernetes.version = "v1.36.3".to_owned();
    let plan = plan(&fixture).unwrap();
    let image = &find(&plan, "full").body["spec"]["template"]["spec"]["containers"][0]["image"];
    let deployment = plan
        .objects()
        .find(|o| o.key.kind == Kind::Deployment)
        .unwrap();
    assert!(
        deployment
            .body
            .to_string()
            .contains("kube-apiserver:v1.34.0"),
        "{image}"
    );
    assert_eq!(status_of(&plan, "UpgradeAllowed").1, "MinorSkipped");
}

fn running(fixture: &mut Snapshot, ready: i32) {
    fixture.deployment = pods(&plan(fixture).unwrap(), |_| ready);
    assert!(fixture.deployment.is_some());
}

#[test]
fn the_phase_follows_the_deployment() {
    let phase = |fixture: &Snapshot| {
        let status = plan(fixture).unwrap().status;
        let version = status.kubernetes_resources.unwrap().version.unwrap();
        (version.status.unwrap(), version.version)
    };
    let mut fixture = settled(json!({}));
    running(&mut fixture, 0);
    assert_eq!(phase(&fixture), (VersionPhase::NotReady, None));
    running(&mut fixture, 1);
    assert_eq!(phase(&fixture), (VersionPhase::Provisioning, None));
    running(&mut fixture, 2);
    assert_eq!(
        phase(&fixture),
        (VersionPhase::Ready, Some("v1.36.3".to_owned()))
    );
}

#[test]
fn a_version_counts_as_installed_only_when_its_pods_run() {
    let mut fixture = settled(json!({}));
    running(&mut fixture, 2);
    fixture.object.status = Some(plan(&fixture).unwrap().status);
    fixture.object.spec.kubernetes.version = "v1.36.4".to_owned();
    let upgraded = plan(&fixture).unwrap();
    let version = upgraded
        .status
        .kubernetes_resources
        .unwrap()
        .version
        .unwrap();
    assert_eq!(version.status, Some(VersionPhase::Upgrading));
    assert_eq!(version.version.as_deref(), Some("v1.36.3"));
}

#[test]
fn asleep_means_no_replica_and_the_condition_says_how_to_wake_it() {
    let mut fixture = settled(json!({"spec": {"controlPlane": {"deployment": {"replicas": 0}}}}));
    fixture.deployment = Some(DeploymentView::default());
    let plan = plan(&fixture).unwrap();
    let version = plan
        .status
        .kubernetes_resources
        .as_ref()
        .unwrap()
        .version
        .as_ref()
        .unwrap();
    assert_eq!(version.status, Some(VersionPhase::Sleeping));
    assert!(status_of(&plan, "Ready").2.contains("replicas"));
}

#[test]
fn deletion_removes_the_data_before_it_lets_the_secret_and_the_tenant_go() {
    let fixture = settled(json!({}));
    let tenant = Tenant::parse(&fixture.object).unwrap();
    let todo = deletion(&tenant, &fixture).unwrap();
    assert_eq!(todo.unbind.len(), 1);
    assert_eq!(
        todo.unbind[0].1.schema,
        "11111111-2222-3333-4444-555555555555"
    );
    let released = todo.release.unwrap().body;
    assert_eq!(released["metadata"]["finalizers"], Value::Null);
    assert_eq!(released["metadata"]["ownerReferences"][0]["name"], "full");
    assert!(released["data"]["DB_SCHEMA"].is_string());
    assert!(todo.finalizers.is_empty());
}

#[test]
fn deletion_waits_for_the_datastore_and_says_so() {
    let mut fixture = settled(json!({}));
    fixture.store = Err(StoreWait::Missing("default".to_owned()));
    let tenant = Tenant::parse(&fixture.object).unwrap();
    let wait = deletion(&tenant, &fixture).unwrap_err();
    assert!(
        wait.message.contains("the deletion waits"),
        "{}",
        wait.message
    );
}

fn changes() -> impl Strategy<Value = Value> {
    let service = prop_oneof![Just("ClusterIP"), Just("NodePort"), Just("LoadBalancer")];
    let name = "[a-z]([-a-z0-9]{0,30}[a-z0-9])?";
    (service, name, 0..4_i32, 30_000..32_000_i32, any::<[bool; 3]>()).prop_map(
        |(service, name, replicas, port, [konnectivity, dns, mounted])| {
            json!({
                "metadata": {"name": name},
                "spec": {
                    "controlPlane": {
                        "service": {"serviceType": service},
                        "deployment": {
                            "replicas": replicas,
                            "serviceAccountName": if mounted { "custom" } else { "default" },
                        },
                    },
                    "networkProfile": {"port": port},
                    "addons": {
                        "coreDNS": if dns { json!({}) } else { Value::Null },
                        "konnectivity": if konnectivity { json!({"server": {"port": 8132}}) } else { Value::Null },
                    },
                },
            })
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn every_plan_keeps_the_invariants_and_settles_at_once(changes in changes()) {
        let fixture = settled(changes);
        let again = plan(&fixture).unwrap();
        prop_assert_eq!(violations(&again), Vec::<String>::new());
        let once_more = plan(&after(fixture, &again)).unwrap();
        prop_assert_eq!(hashes(&again), hashes(&once_more));
    }
}

/// What the API server's certificate of a plan is for.
fn addresses_of_the_api_server(plan: &Plan) -> Vec<String> {
    let secret = plan
        .objects()
        .find(|object| object.key.name == "full-api-server-certificate")
        .unwrap();
    let secret: k8s_openapi::api::core::v1::Secret =
        serde_json::from_value(secret.body.clone()).unwrap();
    let pem = &secret.data.unwrap()["apiserver.crt"].0;
    let certificate = crate::pki::certificate::Certificate::from_pem(pem).unwrap();
    certificate
        .ip_addresses
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn the_certificate_names_every_address_of_the_service_by_the_newest_renderer() {
    let renderer =
        |number| json!({"metadata": {"annotations": {"kamaji.clastix.io/renderer": number}}});
    let service = json!({
        "spec": {"clusterIP": "10.0.0.77", "clusterIPs": ["10.0.0.77", "fd00:77::77"]},
        "status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.77"}, {"hostname": "lb"}]}},
    });
    let mut seen = snapshot(renderer("2"));
    seen.service = Some(serde_json::from_value(service).unwrap());
    let named = addresses_of_the_api_server(&plan(&seen).unwrap());
    for address in ["10.0.0.77", "fd00:77::77", "192.0.2.77"] {
        assert!(
            named.contains(&address.to_owned()),
            "{address} in {named:?}"
        );
    }
    seen.object = fixture::tenant(renderer("1"));
    let named = addresses_of_the_api_server(&plan(&seen).unwrap());
    assert!(!named.contains(&"10.0.0.77".to_owned()), "{named:?}");
}

#[test]
fn nothing_is_issued_before_the_service_tells_its_addresses() {
    let mut seen = snapshot(json!({}));
    seen.service = None;
    let early = plan(&seen).unwrap();
    assert!(
        early
            .objects()
            .all(|object| object.key.kind != Kind::Deployment)
    );
    assert_eq!(status_of(&early, "EndpointAssigned").1, "ServicePending");
}

#[test]
fn an_address_of_another_family_than_the_services_is_told() {
    let mut seen = snapshot(json!({"spec": {"networkProfile": {
        "address": null, "serviceCidr": null, "serviceCidrs": ["fd00::/112"],
    }}}));
    let told = plan(&seen).unwrap();
    let condition = status_of(&told, "EndpointAssigned");
    assert_eq!(condition.1, "FamiliesDiffer");
    // It runs, or does not, as it is: the next action is a person's.
    assert!(
        told.objects()
            .any(|object| object.key.kind == Kind::Deployment)
    );
    seen.service
        .as_mut()
        .unwrap()
        .spec
        .as_mut()
        .unwrap()
        .cluster_ip = Some("fd00:1::77".to_owned());
    assert_eq!(
        status_of(&plan(&seen).unwrap(), "EndpointAssigned").1,
        "AsPlanned"
    );
}
