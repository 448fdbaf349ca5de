use kamaji_api::tenant::VersionPhase;
use serde_json::json;

use crate::{
    object::Kind,
    plan::{
        fixture::{condition_of, snapshot, version_of},
        plan,
    },
};

#[test]
fn missing_address_is_a_condition_and_authorities_are_planned() {
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
    assert_eq!(condition_of(&plan, "EndpointAssigned").1, "ServicePending");
    assert_eq!(version_of(&plan).status, Some(VersionPhase::Provisioning));
}

#[test]
fn leaves_wait_for_the_service() {
    let mut seen = snapshot(json!({}));
    seen.service = None;
    let early = plan(&seen).unwrap();
    assert!(
        early
            .objects()
            .all(|object| object.key.kind != Kind::Deployment)
    );
    assert_eq!(condition_of(&early, "EndpointAssigned").1, "ServicePending");
}

#[test]
fn address_of_another_ip_family_is_reported() {
    let mut seen = snapshot(json!({"spec": {"networkProfile": {
        "address": null, "serviceCidr": null, "serviceCidrs": ["fd00::/112"],
    }}}));
    let reported = plan(&seen).unwrap();
    let condition = condition_of(&reported, "EndpointAssigned");
    assert_eq!(condition.1, "FamiliesDiffer");
    // The tenant is otherwise unchanged: a user has to act next.
    assert!(
        reported
            .objects()
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
        condition_of(&plan(&seen).unwrap(), "EndpointAssigned").1,
        "AsPlanned"
    );
}
