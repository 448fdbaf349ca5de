//! Plans of tenants with foreign objects under their names.

use kamaji_api::condition;
use kamaji_api::labels;
use serde_json::{Value, json};

use super::{
    Plan,
    builder::FOREIGN_RECHECK,
    fixture::{settled, snapshot},
    plan,
};
use crate::{
    adoption::Child,
    check::violations,
    object::{Intent, Kind, ObjectRef},
    snapshot::Snapshot,
};

fn theirs(key: &ObjectRef, body: Value) -> (ObjectRef, Child) {
    let mut body = body;
    body["metadata"]["uid"] = "theirs".into();
    (key.clone(), Child::of(&body, key.kind, "full"))
}

fn key(kind: Kind, name: &str) -> ObjectRef {
    ObjectRef::namespaced(kind, "c2", name)
}

fn reconciled(plan: &Plan) -> (String, String) {
    let found = condition::find(&plan.status.conditions, "Reconciled").unwrap();
    (found.reason.clone(), found.message.clone())
}

fn plans(plan: &Plan, key: &ObjectRef) -> bool {
    plan.objects().any(|object| object.key == *key)
}

#[test]
fn foreign_service_is_kept_and_reported_and_the_rest_is_planned() {
    let mut fixture = snapshot(json!({}));
    let service = key(Kind::Service, "full");
    let found = theirs(&service, json!({"spec": {"selector": {"app": "shop"}}}));
    fixture.children.extend([found]);
    fixture.service = None;
    let plan = plan(&fixture).unwrap();
    assert!(!plans(&plan, &service));
    assert!(plans(&plan, &key(Kind::Secret, "full-ca")));
    let assigned = condition::find(&plan.status.conditions, "EndpointAssigned").unwrap();
    assert_eq!(assigned.reason, "ServiceForeign");
    let (reason, message) = reconciled(&plan);
    assert_eq!(reason, "ObjectForeign");
    assert!(message.contains("Service c2/full"), "{message}");
    assert!(
        plan.requeue_at
            .is_some_and(|at| at <= fixture.now + FOREIGN_RECHECK)
    );
    assert!(!plan.prunes.contains(&service));
}

#[test]
fn pods_do_not_mount_foreign_objects() {
    for kind in [Kind::Secret, Kind::ConfigMap] {
        let mut fixture = snapshot(json!({}));
        let name = match kind {
            Kind::Secret => "full-scheduler-kubeconfig",
            _ => "full-kubeadmconfig",
        };
        if kind == Kind::Secret {
            let secret = json!({"metadata": {"name": name}, "data": {"scheduler.conf": "eA=="}});
            let secret = serde_json::from_value(secret).unwrap();
            fixture.secrets.insert(name.to_owned(), secret);
        } else {
            fixture
                .children
                .extend([theirs(&key(kind, name), json!({}))]);
        }
        let plan = plan(&fixture).unwrap();
        assert!(!plans(&plan, &key(kind, name)));
        assert!(!plans(&plan, &key(Kind::Deployment, "full")), "{name}");
        assert!(plans(&plan, &key(Kind::Secret, "full-ca")));
        assert_eq!(reconciled(&plan).0, "ObjectForeign");
    }
}

#[test]
fn obsolete_object_is_pruned_only_if_owned() {
    let without = json!({"spec": {"addons": {"konnectivity": null}}});
    let egress = key(
        Kind::ConfigMap,
        "full-konnectivity-egress-selector-configuration",
    );
    let mut fixture = settled(json!({}));
    json_patch_object(&mut fixture, &without);
    assert!(plan(&fixture).unwrap().prunes.contains(&egress));
    fixture.children.extend([theirs(&egress, json!({}))]);
    assert!(!plan(&fixture).unwrap().prunes.contains(&egress));
}

fn json_patch_object(fixture: &mut Snapshot, changes: &Value) {
    let mut object = serde_json::to_value(&fixture.object).unwrap();
    json_patch::merge(&mut object, changes);
    fixture.object = serde_json::from_value(object).unwrap();
}

#[test]
fn handed_over_service_is_adopted_beside_its_controller() {
    let mut fixture = snapshot(json!({}));
    let deployment = key(Kind::Deployment, "full");
    let found = theirs(
        &deployment,
        json!({"metadata": {
            "annotations": {labels::ADOPT: "full"},
            "ownerReferences": [{"apiVersion": "a/v1", "kind": "App", "name": "shop", "uid": "1", "controller": true}],
        }}),
    );
    fixture.children.extend([found]);
    let plan = plan(&fixture).unwrap();
    let planned = plan.objects().find(|o| o.key == deployment).unwrap();
    assert!(matches!(&planned.intent, Intent::Adopt(version) if &*version.uid == "theirs"));
    assert_eq!(
        planned.body["metadata"]["ownerReferences"][0]["controller"],
        false
    );
    assert_eq!(violations(&plan), Vec::<String>::new());
    assert_eq!(reconciled(&plan).0, "AsPlanned");
}
