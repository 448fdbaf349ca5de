use serde_json::json;

use super::*;

fn tenant() -> ObjectKey {
    ObjectKey::new("ns", "t")
}

fn body(kind: &str, uid: &str, version: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": kind,
        "metadata": {
            "name": "t-kubeadmconfig", "namespace": "ns", "uid": uid, "resourceVersion": version,
            "labels": {labels::PROJECT: "kamaji", labels::NAME: "t"},
        },
    })
}

fn dynamic(body: &Value) -> DynamicObject {
    serde_json::from_value(body.clone()).unwrap()
}

fn live(body: Value) -> Live {
    Live::of(&dynamic(&body))
}

fn remember(index: &Index, object: &Object, live: &Live) {
    index.remember(&tenant(), object, (live, index.since()));
}

fn gone(uid: &str, revision: u64) -> Version {
    Version {
        uid: uid.into(),
        revision,
    }
}

fn key() -> ObjectRef {
    ObjectRef::namespaced(Kind::ConfigMap, "ns", "t-kubeadmconfig")
}

fn planned(data: &str) -> Object {
    let mut body = body("ConfigMap", "", "");
    body["data"] = json!({"k": data});
    let metadata = body["metadata"].as_object_mut().unwrap();
    metadata.retain(|key, _| !matches!(key.as_str(), "uid" | "resourceVersion"));
    Object::from_value(body)
}

/// What the API server makes of a planned object.
fn stored(object: &Object, uid: &str, version: &str) -> Value {
    let mut body = object.body.clone();
    body["metadata"]["uid"] = uid.into();
    body["metadata"]["resourceVersion"] = version.into();
    body["metadata"]["managedFields"] = json!([{"manager": "kamaji"}]);
    body
}

#[test]
fn bookkeeping_and_status_do_not_change_a_fingerprint() {
    let before = body("ConfigMap", "u", "1");
    let mut after = before.clone();
    after["metadata"]["resourceVersion"] = "2".into();
    after["metadata"]["generation"] = 4.into();
    after["metadata"]["managedFields"] = json!([{"manager": "other"}]);
    after["status"] = json!({"ready": true});
    assert_eq!(fingerprint(&before), fingerprint(&after));
    let mut counted = before.clone();
    counted["metadata"]["annotations"] = json!({"a": "b"});
    let mut rolled = counted.clone();
    rolled["metadata"]["annotations"]["deployment.kubernetes.io/revision"] = "7".into();
    assert_eq!(fingerprint(&counted), fingerprint(&rolled));
}

#[test]
fn whatever_somebody_may_write_changes_a_fingerprint() {
    let before = body("ConfigMap", "u", "1");
    let metadata = |field: &str, value: Value| {
        let mut after = before.clone();
        after["metadata"][field] = value;
        after
    };
    let top = |field: &str, value: Value| {
        let mut after = before.clone();
        after[field] = value;
        after
    };
    for after in [
        metadata("labels", json!({"x": "y"})),
        metadata("annotations", json!({"x": "y"})),
        metadata("ownerReferences", json!([{"uid": "z"}])),
        metadata("finalizers", json!(["f"])),
        metadata("deletionTimestamp", json!("2026-01-01T00:00:00Z")),
        top("data", json!({"a": "b"})),
        top("spec", json!({"a": "b"})),
        top("binaryData", json!({"a": "b"})),
        top("immutable", json!(true)),
        top("type", json!("Opaque")),
    ] {
        assert_ne!(fingerprint(&before), fingerprint(&after), "{after}");
    }
}

#[test]
fn a_child_is_as_planned_until_the_plan_or_the_child_changes() {
    let index = Index::default();
    let object = planned("1");
    assert!(!index.as_planned(&object), "nothing is known yet");
    let answer = stored(&object, "u", "5");
    remember(&index, &object, &live(answer.clone()));
    assert!(index.as_planned(&object));
    assert!(!index.as_planned(&planned("2")), "the plan changed");
    index.seen(Kind::ConfigMap, &dynamic(&answer));
    assert!(index.as_planned(&object), "the echo of our own write");
    let mut changed = answer;
    changed["metadata"]["resourceVersion"] = "6".into();
    changed["data"]["k"] = "somebody else".into();
    index.seen(Kind::ConfigMap, &dynamic(&changed));
    assert!(!index.as_planned(&object), "the child changed");
}

#[test]
fn events_older_than_our_own_write_are_not_news() {
    let index = Index::default();
    let object = planned("1");
    index.seen(Kind::ConfigMap, &dynamic(&body("ConfigMap", "u", "3")));
    remember(&index, &object, &live(stored(&object, "u", "5")));
    index.seen(Kind::ConfigMap, &dynamic(&body("ConfigMap", "u", "4")));
    assert!(index.as_planned(&object));
}

#[test]
fn the_end_of_an_older_object_does_not_remove_its_successor() {
    let index = Index::default();
    let object = planned("1");
    index.seen(Kind::ConfigMap, &dynamic(&body("ConfigMap", "old", "3")));
    remember(&index, &object, &live(stored(&object, "new", "5")));
    assert_eq!(index.gone(&key(), &gone("old", 9)), None);
    assert!(index.as_planned(&object));
    assert_eq!(index.gone(&key(), &gone("new", 9)), Some(tenant()));
    assert!(!index.as_planned(&object));
    assert!(index.children(&tenant()).is_empty());
    assert_eq!(index.gone(&key(), &gone("new", 9)), None, "told once");
}

#[test]
fn a_list_takes_away_what_is_not_in_it_and_only_of_its_kind() {
    let index = Index::default();
    index.seen(Kind::ConfigMap, &dynamic(&body("ConfigMap", "u", "1")));
    let mut secret = body("Secret", "v", "1");
    secret["metadata"]["name"] = "t-ca".into();
    index.seen(Kind::Secret, &dynamic(&secret));
    assert_eq!(index.children(&tenant()).len(), 2);
    assert!(
        index
            .keep_only(Kind::ConfigMap, &BTreeSet::from([key()]))
            .is_empty()
    );
    let woken = index.keep_only(Kind::ConfigMap, &BTreeSet::new());
    assert_eq!(woken, [tenant()]);
    let left = index.children(&tenant());
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].0.kind, Kind::Secret);
}

#[test]
fn a_child_that_is_relabelled_wakes_its_old_tenant_too() {
    let index = Index::default();
    assert_eq!(
        index.seen(Kind::ConfigMap, &dynamic(&body("ConfigMap", "u", "1"))),
        [tenant()]
    );
    let mut moved = body("ConfigMap", "u", "2");
    moved["metadata"]["labels"][labels::NAME] = "other".into();
    assert_eq!(index.seen(Kind::ConfigMap, &dynamic(&moved)), [tenant()]);
    assert!(index.children(&tenant()).is_empty());
    assert!(
        index.entry(&key()).is_none(),
        "its name is not of the other"
    );
    let back = dynamic(&body("ConfigMap", "u", "3"));
    assert_eq!(index.seen(Kind::ConfigMap, &back), [tenant()]);
    let mut nobodys = body("ConfigMap", "u", "4");
    nobodys["metadata"]["labels"] = json!({labels::PROJECT: "kamaji"});
    assert_eq!(index.seen(Kind::ConfigMap, &dynamic(&nobodys)), [tenant()]);
    assert!(index.entry(&key()).is_none());
}

#[test]
fn plain_children_keep_no_facts_and_others_only_what_plans_need() {
    let entry = |kind, body: &Value| super::entry((kind, "t"), body);
    assert!(matches!(
        entry(Kind::Secret, &body("Secret", "u", "1")).facts,
        Facts::None
    ));
    let mut service = body("Service", "u", "1");
    service["spec"] = json!({"clusterIP": "10.0.0.9", "selector": {"a": "b"}});
    service["status"] = json!({"loadBalancer": {"ingress": [{"ip": "1.2.3.4"}]}});
    let Facts::Service(kept) = entry(Kind::Service, &service).facts else {
        panic!("a Service keeps its addresses");
    };
    assert_eq!(
        kept.spec.as_ref().unwrap().cluster_ip.as_deref(),
        Some("10.0.0.9")
    );
    assert!(kept.spec.unwrap().selector.is_none());
    assert!(
        kept.status
            .unwrap()
            .load_balancer
            .unwrap()
            .ingress
            .is_some()
    );
}

#[test]
fn a_status_changes_the_facts_and_not_the_content() {
    let mut deployment = body("Deployment", "u", "1");
    deployment["status"] = json!({"readyReplicas": 1});
    let before = super::entry((Kind::Deployment, "t"), &deployment);
    deployment["status"] = json!({"readyReplicas": 2});
    let after = super::entry((Kind::Deployment, "t"), &deployment);
    assert_eq!(before.content_digest(), after.content_digest());
    assert_ne!(before.facts_digest(), after.facts_digest());
}

/// What happens to one object, as the watch tells it or an answer to a write says it.
#[derive(Clone, Copy, Debug)]
enum Event {
    /// The watch tells of a version of the object with this uid.
    Told(&'static str, &'static str),
    /// The watch tells that the object with this uid is gone.
    Gone(&'static str),
    /// The answer to a write that was sent first of all.
    Answer(&'static str, &'static str),
    /// A complete list without the object.
    Listed,
}

fn happen(index: &Index, events: &[Event]) {
    let (object, since) = (planned("x"), index.since());
    for event in events {
        match event {
            Event::Told(uid, version) => {
                index.seen(Kind::ConfigMap, &dynamic(&stored(&object, uid, version)));
            }
            Event::Gone(uid) => drop(index.gone(&key(), &gone(uid, 8))),
            Event::Answer(uid, version) => {
                let answer = live(stored(&object, uid, version));
                index.remember(&tenant(), &object, (&answer, since));
            }
            Event::Listed => drop(index.keep_only(Kind::ConfigMap, &BTreeSet::new())),
        }
    }
}

#[test]
fn what_was_told_to_be_gone_does_not_come_back_with_a_late_answer() {
    use Event::{Answer, Gone, Listed, Told};
    for events in [
        [Told("u", "1"), Gone("u"), Answer("u", "1")].as_slice(),
        &[Gone("u"), Answer("u", "1")],
        &[Gone("u"), Told("u", "1"), Answer("u", "2")],
        &[Told("u", "1"), Listed, Answer("u", "2")],
        &[Listed, Answer("u", "1")],
    ] {
        let index = Index::default();
        happen(&index, events);
        assert!(index.entry(&key()).is_none(), "{events:?}");
        assert!(!index.as_planned(&planned("x")), "{events:?}");
        assert!(index.children(&tenant()).is_empty(), "{events:?}");
        index.seen(Kind::ConfigMap, &dynamic(&stored(&planned("x"), "v", "9")));
        assert!(index.entry(&key()).is_some(), "another is seen: {events:?}");
    }
}

#[test]
fn an_answer_about_an_object_that_was_replaced_does_not_count_for_its_successor() {
    use Event::{Answer, Gone, Told};
    for events in [
        [Gone("u"), Told("v", "9"), Answer("u", "5")].as_slice(),
        &[Told("v", "9"), Answer("u", "5")],
    ] {
        let index = Index::default();
        happen(&index, events);
        let entry = index.entry(&key()).expect("the successor");
        assert_eq!(&*entry.child.version.uid, "v", "{events:?}");
        assert!(!index.as_planned(&planned("x")), "{events:?}");
    }
}

#[test]
fn deletions_that_are_remembered_have_a_bound() {
    let index = Index::default();
    for number in 0..DEAD + 10 {
        index.gone(&key(), &gone(&format!("u{number}"), 9));
    }
    let state = index.read();
    assert_eq!((state.dead.len(), state.order.len()), (DEAD, DEAD));
}

#[test]
fn a_copy_under_another_name_is_none_of_the_tenants_children() {
    let index = Index::default();
    let mut copy = body("Service", "u", "1");
    for (name, kept) in [("t-internal", 0), ("tt", 0), ("t", 1)] {
        copy["metadata"]["name"] = name.into();
        let woken = index.seen(Kind::Service, &dynamic(&copy));
        assert_eq!(woken.len(), kept, "{name}");
        assert_eq!(index.children(&tenant()).len(), kept, "{name}");
    }
}

/// A watch by label tells of an object that lost its label as if it were gone.
#[test]
fn an_object_that_lost_its_label_and_got_it_back_is_there_again() {
    use Event::{Answer, Gone, Told};
    for events in [
        [Told("u", "1"), Gone("u"), Told("u", "9")].as_slice(),
        &[Told("u", "1"), Gone("u"), Answer("u", "9")],
    ] {
        let index = Index::default();
        happen(&index, events);
        assert!(index.entry(&key()).is_some(), "{events:?}");
    }
}
