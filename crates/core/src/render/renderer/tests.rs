use kamaji_api::{condition::find, datastore::Driver, labels, tenant::TenantControlPlaneStatus};
use serde_json::{Value, json};

use super::*;
use crate::{
    data_store::ResolvedDataStore,
    object::Kind,
    plan::{
        Plan,
        fixture::{after, pods, settled, snapshot},
        plan,
    },
    render::{
        deployment,
        fixture::{Fixture, checksums},
    },
    settings,
    snapshot::DeploymentView,
};

fn upgraded() -> Value {
    json!({"spec": {"kubernetes": {"version": "v1.36.4"}}})
}

/// Snapshot of a tenant that an older operator made: renderer 1, all replicas ready.
fn old() -> Snapshot {
    let mut seen = snapshot(json!({"metadata": {"annotations": {labels::RENDERER: "1"}}}));
    for _ in 0..3 {
        run(&mut seen);
    }
    seen.object.metadata.annotations = None;
    seen
}

/// Plans once, and updates the snapshot with the objects and pods of the plan.
fn run(seen: &mut Snapshot) -> Plan {
    let planned = plan(seen).unwrap();
    *seen = after(seen.clone(), &planned);
    if let Some(pods) = pods(&planned, |replicas| replicas) {
        seen.deployment = Some(pods);
    }
    planned
}

fn change(seen: &mut Snapshot, changes: &Value) {
    let mut object = serde_json::to_value(&seen.object).unwrap();
    json_patch::merge(&mut object, changes);
    seen.object = serde_json::from_value(object).unwrap();
}

fn template(plan: &Plan) -> Option<Value> {
    let deployment = plan.objects().find(|o| o.key.kind == Kind::Deployment)?;
    Some(deployment.body["spec"]["template"].clone())
}

fn renderer(plan: &Plan) -> Option<&str> {
    plan.status.renderer.as_deref()
}

#[test]
fn renderers_are_numbered_in_their_order_and_read_back() {
    assert!(Renderer::ALL.is_sorted());
    assert_eq!(Renderer::ALL.last(), Some(&Renderer::NEWEST));
    for renderer in Renderer::ALL {
        assert_eq!(Renderer::parse(renderer.number()), Some(renderer));
    }
}

#[test]
fn a_third_renderer_has_every_change_and_names_itself() {
    for change in [
        Change::NamesItself,
        Change::DualStack,
        Change::KonnectivityChecksums,
        Change::AgentChecksum,
        Change::ClusterCidr,
        Change::OwnEndpoints,
        Change::ServiceSans,
        Change::OwnIssuer,
        Change::EagerStart,
    ] {
        assert!(Renderer::V3.has(change) && !Renderer::V1.has(change));
    }
    let fixture = Fixture {
        renderer: Renderer::V3,
        ..Fixture::with(json!({}))
    };
    let deployment = deployment::deployment(&fixture.facts(), &checksums());
    let annotations = deployment.metadata.annotations.unwrap();
    assert_eq!(annotations[labels::RENDERER], "3");
}

#[test]
fn a_new_tenant_gets_the_newest_renderer_and_keeps_it_while_its_pods_start() {
    let mut seen = snapshot(json!({}));
    let first = run(&mut seen);
    assert_eq!(renderer(&first), Some("2"));
    // The status was not written: what the Deployment says of itself is enough.
    seen.object.status = None;
    let second = run(&mut seen);
    assert_eq!(renderer(&second), Some("2"));
    assert_eq!(template(&first), template(&second));
}

#[test]
fn a_tenant_of_renderer_1_stays_there_whatever_else_changes() {
    let mut seen = old();
    assert_eq!(renderer(&run(&mut seen)), Some("1"));
    for changes in [
        json!({"spec": {"controlPlane": {"deployment": {"replicas": 3}}}}),
        json!({"spec": {"networkProfile": {"certSANs": ["new.example.com"]}}}),
        json!({"spec": {"controlPlane": {"deployment": {"registrySettings": {"registry": "mirror.example.com"}}}}}),
        json!({"spec": {"addons": {"konnectivity": null}}}),
    ] {
        change(&mut seen, &changes);
        assert_eq!(renderer(&run(&mut seen)), Some("1"), "{changes}");
    }
    // Pods that are gone come back as they were.
    seen.deployment = None;
    assert_eq!(renderer(&run(&mut seen)), Some("1"));
}

#[test]
fn a_tenant_that_upstream_made_is_renderer_1() {
    let mut seen = old();
    let before = template(&run(&mut seen));
    seen.object.status.as_mut().unwrap().renderer = None;
    let taken = run(&mut seen);
    assert_eq!(renderer(&taken), Some("1"));
    assert_eq!(template(&taken), before);
}

#[test]
fn an_upgrade_of_the_tenant_brings_the_newest_renderer_in_the_same_rollout() {
    let mut seen = old();
    change(&mut seen, &upgraded());
    let moved = run(&mut seen);
    assert_eq!(renderer(&moved), Some("2"));
    for _ in 0..3 {
        assert_eq!(template(&run(&mut seen)), template(&moved));
    }
}

#[test]
fn a_move_interrupted_before_the_status_patch_is_not_undone() {
    let mut seen = old();
    change(&mut seen, &upgraded());
    let before = seen.object.status.clone();
    let moved = run(&mut seen);
    seen.object.status = before;
    assert_eq!(template(&run(&mut seen)), template(&moved));
}

#[test]
fn an_upgrade_that_an_older_operator_rolls_out_is_not_rolled_twice() {
    let mut seen = old();
    let mut by_old = seen.clone();
    change(
        &mut by_old,
        &json!({"metadata": {"annotations": {labels::RENDERER: "1"}}}),
    );
    change(&mut by_old, &upgraded());
    let rolling = run(&mut by_old);
    assert_eq!(renderer(&rolling), Some("1"));
    change(&mut seen, &upgraded());
    seen.deployment = by_old.deployment.map(|pods| DeploymentView {
        generation: 2,
        ..pods
    });
    let ours = run(&mut seen);
    assert_eq!(renderer(&ours), Some("1"));
    assert_eq!(template(&ours), template(&rolling));
}

#[test]
fn the_annotation_moves_a_tenant_both_ways_and_is_read_strictly() {
    let mut seen = old();
    for number in ["2", "1", "2"] {
        change(
            &mut seen,
            &json!({"metadata": {"annotations": {labels::RENDERER: number}}}),
        );
        assert_eq!(renderer(&run(&mut seen)), Some(number));
    }
    for word in ["", "two", "02", "2 ", "3", "v2"] {
        change(
            &mut seen,
            &json!({"metadata": {"annotations": {labels::RENDERER: word}}}),
        );
        let plan = run(&mut seen);
        assert_eq!(template(&plan), None, "{word:?}");
        assert_eq!(renderer(&plan), Some("2"), "{word:?}");
        assert!(refusal(&plan.status).contains("Correct the annotation"));
    }
}

fn refusal(status: &TenantControlPlaneStatus) -> String {
    let reconciled = find(&status.conditions, "Reconciled").unwrap();
    assert_eq!(
        (reconciled.status.as_str(), reconciled.reason.as_str()),
        ("False", "RendererUnknown")
    );
    reconciled.message.clone()
}

#[test]
fn pods_of_an_unknown_renderer_are_not_written_and_everything_else_is() {
    let newer = json!({"status": {"renderer": "7"}});
    let named = DeploymentView {
        renderer: Some("7".to_owned()),
        ..DeploymentView::default()
    };
    let mut by_status = settled(json!({}));
    change(&mut by_status, &newer);
    let mut by_annotation = settled(json!({}));
    by_annotation.deployment = Some(named);
    for mut seen in [Box::new(by_status), Box::new(by_annotation)] {
        let mut known = seen.clone();
        known.object.status.as_mut().unwrap().renderer = Some("2".to_owned());
        known.deployment = None;
        change(&mut seen, &upgraded());
        let recorded = seen.object.status.as_ref().unwrap().renderer.clone();
        let plan = plan(&seen).unwrap();
        let left: Vec<String> = plan.objects().map(|o| o.key.to_string()).collect();
        let mut all: Vec<String> = self::plan(&known)
            .unwrap()
            .objects()
            .map(|o| o.key.to_string())
            .collect();
        all.retain(|name| !name.starts_with("Deployment ") && !name.contains("egress"));
        assert_eq!(left, all);
        assert_eq!(plan.prunes, vec![]);
        assert_eq!(plan.status.renderer, recorded);
        assert!(
            refusal(&plan.status).contains("\"7\"")
                && refusal(&plan.status).contains(labels::RENDERER)
        );
        assert!(!kamaji_api::condition::is_true(
            &plan.status.conditions,
            "Ready"
        ));
    }
}

#[test]
fn the_annotation_takes_over_pods_of_an_unknown_renderer() {
    let mut seen = settled(json!({}));
    change(
        &mut seen,
        &json!({
            "status": {"renderer": "7"},
            "metadata": {"annotations": {labels::RENDERER: "2"}},
        }),
    );
    assert_eq!(renderer(&run(&mut seen)), Some("2"));
}

#[test]
fn another_kine_image_of_the_operator_reaches_running_pods_with_an_upgrade_and_not_before() {
    let mut seen = old();
    seen.store = Ok(ResolvedDataStore {
        driver: Driver::PostgreSql,
        ..crate::plan::fixture::store()
    });
    seen.deployment = None;
    run(&mut seen);
    seen.settings.kine_image = "kine:next".to_owned();
    let images = |plan: &Plan| {
        let pod = &template(plan).unwrap()["spec"];
        let init = pod["initContainers"][0]["image"].clone();
        let containers = pod["containers"].as_array().unwrap().iter();
        let mut kine = containers.filter(|container| container["name"] == "kine");
        (init, kine.next().unwrap()["image"].clone())
    };
    let both = |image: &str| (json!(image), json!(image));
    assert_eq!(images(&run(&mut seen)), both(settings::KINE_IMAGE));
    change(&mut seen, &upgraded());
    assert_eq!(images(&run(&mut seen)), both("kine:next"));
    seen.settings.kine_image = "kine:after-next".to_owned();
    assert_eq!(images(&run(&mut seen)), both("kine:next"));
}
