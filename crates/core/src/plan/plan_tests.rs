//! Whole plans: their objects, order and invariants.

use kamaji_api::{condition, labels};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{
    fixture::{after, condition_of, corrupt, hashes, settled, snapshot},
    plan,
};
use crate::{
    check::violations,
    object::{Intent, Kind, Version},
    snapshot::StoreWait,
};

#[test]
fn first_plan_of_a_tenant_writes_every_object() {
    let plan = plan(&snapshot(json!({}))).unwrap();
    assert_eq!(plan.objects().count(), 17, "{:?}", hashes(&plan));
    assert_eq!(violations(&plan), Vec::<String>::new());
    assert_eq!(plan.finalizers, Some(vec![labels::FINALIZER.to_owned()]));
    assert!(plan.waits.is_empty(), "{:?}", plan.waits);
}

#[test]
fn second_plan_changes_nothing() {
    let fixture = settled(json!({}));
    let again = plan(&fixture).unwrap();
    let once_more = plan(&after(fixture, &again)).unwrap();
    assert_eq!(hashes(&again), hashes(&once_more));
    assert_eq!(again.status, once_more.status);
    assert_eq!(once_more.finalizers, None);
}

#[test]
fn equal_snapshots_give_equal_plans() {
    let fixture = snapshot(json!({}));
    assert_eq!(
        hashes(&plan(&fixture).unwrap()),
        hashes(&plan(&fixture).unwrap())
    );
}

#[test]
fn missing_objects_are_created_and_live_ones_updated_at_the_observed_version() {
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
fn routes_wait_for_the_gateway_api_and_the_rest_is_planned() {
    let gateway = json!({"spec": {"controlPlane": {"gateway": {"hostname": "a.example.com"}}}});
    let mut fixture = snapshot(gateway);
    let missing = plan(&fixture).unwrap();
    assert_eq!(condition_of(&missing, "Reconciled").1, "GatewayApiMissing");
    assert!(
        missing
            .objects()
            .any(|object| object.key.kind == Kind::Deployment)
    );
    fixture.gateway_api = true;
    assert_eq!(
        condition_of(&plan(&fixture).unwrap(), "Reconciled").0,
        "True"
    );
}

#[test]
fn missing_datastore_is_a_condition_and_authorities_are_planned() {
    let mut fixture = snapshot(json!({}));
    fixture.store = Err(StoreWait::Missing("gold".to_owned()));
    let plan = plan(&fixture).unwrap();
    assert!(plan.objects().any(|object| object.key.name == "full-ca"));
    assert!(
        plan.objects()
            .all(|object| object.key.kind != Kind::Deployment)
    );
    let (_, reason, message) = condition_of(&plan, "DataStoreReady");
    assert_eq!(reason, "DataStoreMissing");
    assert!(message.contains("gold"));
}

#[test]
fn disabled_konnectivity_is_pruned_only_by_a_complete_plan() {
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
    corrupt(&mut fixture, "full-ca", "ca.crt", b"garbage");
    assert!(plan(&fixture).unwrap().prunes.is_empty());
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
    fn every_plan_keeps_the_invariants_and_converges_at_once(changes in changes()) {
        let fixture = settled(changes);
        let again = plan(&fixture).unwrap();
        prop_assert_eq!(violations(&again), Vec::<String>::new());
        let once_more = plan(&after(fixture, &again)).unwrap();
        prop_assert_eq!(hashes(&again), hashes(&once_more));
    }
}

#[test]
fn plan_removes_the_condition_of_an_earlier_build_and_keeps_foreign_ones() {
    let mut fixture = settled(json!({}));
    let status = fixture.object.status.as_mut().unwrap();
    for type_ in ["InsideReady", "example.com/Audited"] {
        let mut condition = status.conditions[0].clone();
        type_.clone_into(&mut condition.type_);
        status.conditions.push(condition);
    }
    let planned = plan(&fixture).unwrap().status.conditions;
    assert!(condition::find(&planned, "InsideReady").is_none());
    assert!(condition::find(&planned, "example.com/Audited").is_some());
}
