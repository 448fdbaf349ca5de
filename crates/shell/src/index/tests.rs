use serde_json::{Value, json};

use super::{state::DELETIONS, *};
use crate::received::Received;

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
    Live::of(Received(dynamic(&body)))
}

fn remember(index: &Index, object: &Object, live: &Live) {
    let since = index.since();
    index.remember(&tenant(), object, Answer { live, since });
}

fn version(uid: &str, revision: u64) -> Version {
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

/// A planned object as the API server stores it.
fn stored(object: &Object, uid: &str, version: &str) -> Value {
    let mut body = object.body.clone();
    body["metadata"]["uid"] = uid.into();
    body["metadata"]["resourceVersion"] = version.into();
    body["metadata"]["managedFields"] = json!([{"manager": "kamaji"}]);
    body
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
    index.observed(Kind::ConfigMap, dynamic(&answer));
    assert!(index.as_planned(&object), "the event of the last write");
    let mut changed = answer;
    changed["metadata"]["resourceVersion"] = "6".into();
    changed["data"]["k"] = "rival".into();
    index.observed(Kind::ConfigMap, dynamic(&changed));
    assert!(!index.as_planned(&object), "the child changed");
}

#[test]
fn an_event_older_than_the_last_write_leaves_a_child_as_planned() {
    let index = Index::default();
    let object = planned("1");
    index.observed(Kind::ConfigMap, dynamic(&body("ConfigMap", "u", "3")));
    remember(&index, &object, &live(stored(&object, "u", "5")));
    index.observed(Kind::ConfigMap, dynamic(&body("ConfigMap", "u", "4")));
    assert!(index.as_planned(&object));
}

#[test]
fn a_late_deletion_of_an_older_object_keeps_its_successor() {
    let index = Index::default();
    let object = planned("1");
    index.observed(Kind::ConfigMap, dynamic(&body("ConfigMap", "old", "3")));
    remember(&index, &object, &live(stored(&object, "new", "5")));
    assert_eq!(index.deleted(&key(), &version("old", 9)), None);
    assert!(index.as_planned(&object));
    assert_eq!(index.deleted(&key(), &version("new", 9)), Some(tenant()));
    assert!(!index.as_planned(&object));
    assert!(index.children(&tenant()).is_empty());
    assert_eq!(
        index.deleted(&key(), &version("new", 9)),
        None,
        "enqueued once"
    );
}

#[test]
fn a_complete_list_removes_unlisted_children_of_its_kind_only() {
    let index = Index::default();
    index.observed(Kind::ConfigMap, dynamic(&body("ConfigMap", "u", "1")));
    let mut secret = body("Secret", "v", "1");
    secret["metadata"]["name"] = "t-ca".into();
    index.observed(Kind::Secret, dynamic(&secret));
    assert_eq!(index.children(&tenant()).len(), 2);
    assert!(
        index
            .retain_listed(Kind::ConfigMap, &BTreeSet::from([key()]))
            .is_empty()
    );
    let enqueued = index.retain_listed(Kind::ConfigMap, &BTreeSet::new());
    assert_eq!(enqueued, [tenant()]);
    let left = index.children(&tenant());
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].0.kind, Kind::Secret);
}

#[test]
fn a_relabelled_child_enqueues_its_former_tenant_too() {
    let index = Index::default();
    assert_eq!(
        index.observed(Kind::ConfigMap, dynamic(&body("ConfigMap", "u", "1"))),
        [tenant()]
    );
    let mut moved = body("ConfigMap", "u", "2");
    moved["metadata"]["labels"][labels::NAME] = "other".into();
    assert_eq!(index.observed(Kind::ConfigMap, dynamic(&moved)), [tenant()]);
    assert!(index.children(&tenant()).is_empty());
    assert!(
        index.entry(&key()).is_none(),
        "its name is not of the other"
    );
    let back = dynamic(&body("ConfigMap", "u", "3"));
    assert_eq!(index.observed(Kind::ConfigMap, back), [tenant()]);
    let mut unlabelled = body("ConfigMap", "u", "4");
    unlabelled["metadata"]["labels"] = json!({labels::PROJECT: "kamaji"});
    assert_eq!(
        index.observed(Kind::ConfigMap, dynamic(&unlabelled)),
        [tenant()]
    );
    assert!(index.entry(&key()).is_none());
}

#[test]
fn an_entry_keeps_only_the_fields_that_plans_read() {
    let entry = |kind, body: &Value| Entry::of(kind, "t", body, fingerprint(body));
    assert!(matches!(
        entry(Kind::Secret, &body("Secret", "u", "1")).facts,
        Facts::None
    ));
    let mut service = body("Service", "u", "1");
    service["spec"] = json!({"clusterIP": "10.0.0.9", "selector": {"a": "b"}});
    service["status"] = json!({"loadBalancer": {"ingress": [{"ip": "1.2.3.4"}]}});
    let Facts::Service(facts) = entry(Kind::Service, &service).facts else {
        panic!("a Service keeps its addresses");
    };
    assert_eq!(
        facts.spec.as_ref().unwrap().cluster_ip.as_deref(),
        Some("10.0.0.9")
    );
    assert!(facts.spec.unwrap().selector.is_none());
    assert!(
        facts
            .status
            .unwrap()
            .load_balancer
            .unwrap()
            .ingress
            .is_some()
    );
}

#[test]
fn a_status_changes_the_facts_digest_and_not_the_content_digest() {
    let mut deployment = body("Deployment", "u", "1");
    deployment["status"] = json!({"readyReplicas": 1});
    let before = Entry::of(Kind::Deployment, "t", &deployment, 0);
    deployment["status"] = json!({"readyReplicas": 2});
    let after = Entry::of(Kind::Deployment, "t", &deployment, 0);
    assert_eq!(before.content_digest(), after.content_digest());
    assert_ne!(before.facts_digest(), after.facts_digest());
}

/// A change of one object, as the watch delivers it or an answer to a write shows it.
#[derive(Clone, Copy, Debug)]
enum Event {
    /// The watch delivers a version of the object with this uid.
    Observed(&'static str, &'static str),
    /// The watch delivers the deletion of the object with this uid.
    Deleted(&'static str),
    /// The answer to a write that was sent before all other events arrives.
    Answered(&'static str, &'static str),
    /// A complete list without the object arrives.
    Listed,
}

fn replay(index: &Index, events: &[Event]) {
    let (object, since) = (planned("x"), index.since());
    for event in events {
        match event {
            Event::Observed(uid, version) => {
                index.observed(Kind::ConfigMap, dynamic(&stored(&object, uid, version)));
            }
            Event::Deleted(uid) => drop(index.deleted(&key(), &version(uid, 8))),
            Event::Answered(uid, version) => {
                let answer = live(stored(&object, uid, version));
                index.remember(
                    &tenant(),
                    &object,
                    Answer {
                        live: &answer,
                        since,
                    },
                );
            }
            Event::Listed => drop(index.retain_listed(Kind::ConfigMap, &BTreeSet::new())),
        }
    }
}

#[test]
fn a_late_answer_does_not_bring_back_a_deleted_object() {
    use Event::{Answered, Deleted, Listed, Observed};
    for events in [
        [Observed("u", "1"), Deleted("u"), Answered("u", "1")].as_slice(),
        &[Deleted("u"), Answered("u", "1")],
        &[Deleted("u"), Observed("u", "1"), Answered("u", "2")],
        &[Observed("u", "1"), Listed, Answered("u", "2")],
        &[Listed, Answered("u", "1")],
    ] {
        let index = Index::default();
        replay(&index, events);
        assert!(index.entry(&key()).is_none(), "{events:?}");
        assert!(!index.as_planned(&planned("x")), "{events:?}");
        assert!(index.children(&tenant()).is_empty(), "{events:?}");
        index.observed(Kind::ConfigMap, dynamic(&stored(&planned("x"), "v", "9")));
        assert!(
            index.entry(&key()).is_some(),
            "another object is a child: {events:?}"
        );
    }
}

#[test]
fn an_answer_about_a_replaced_object_does_not_count_for_its_successor() {
    use Event::{Answered, Deleted, Observed};
    for events in [
        [Deleted("u"), Observed("v", "9"), Answered("u", "5")].as_slice(),
        &[Observed("v", "9"), Answered("u", "5")],
    ] {
        let index = Index::default();
        replay(&index, events);
        let entry = index.entry(&key()).expect("the successor");
        assert_eq!(&*entry.child.version.uid, "v", "{events:?}");
        assert!(!index.as_planned(&planned("x")), "{events:?}");
    }
}

#[test]
fn the_number_of_remembered_deletions_is_bounded() {
    let index = Index::default();
    for number in 0..DELETIONS + 10 {
        index.deleted(&key(), &version(&format!("u{number}"), 9));
    }
    let state = lock::read(&index.state);
    assert_eq!(
        (state.deleted.len(), state.order.len()),
        (DELETIONS, DELETIONS)
    );
}

#[test]
fn a_copy_under_another_name_is_not_a_child_of_the_tenant() {
    let index = Index::default();
    let mut copy = body("Service", "u", "1");
    for (name, count) in [("t-internal", 0), ("tt", 0), ("t", 1)] {
        copy["metadata"]["name"] = name.into();
        let enqueued = index.observed(Kind::Service, dynamic(&copy));
        assert_eq!(enqueued.len(), count, "{name}");
        assert_eq!(index.children(&tenant()).len(), count, "{name}");
    }
}

/// A watch by label delivers an object that lost its label as a deletion.
#[test]
fn an_object_that_lost_its_label_and_got_it_back_is_a_child_again() {
    use Event::{Answered, Deleted, Observed};
    for events in [
        [Observed("u", "1"), Deleted("u"), Observed("u", "9")].as_slice(),
        &[Observed("u", "1"), Deleted("u"), Answered("u", "9")],
    ] {
        let index = Index::default();
        replay(&index, events);
        assert!(index.entry(&key()).is_some(), "{events:?}");
    }
}
