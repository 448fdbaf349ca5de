use super::*;

const UID: &str = "11111111-2222-3333-4444-555555555555";
const GONE: &str = "99999999-2222-3333-4444-555555555555";

fn key(kind: Kind, name: &str) -> ObjectRef {
    ObjectRef::namespaced(kind, "ns", name)
}

fn owner(kind: &str, name: &str, uid: &str, controller: bool) -> Value {
    let group = if kind == "TenantControlPlane" {
        "kamaji.clastix.io/v1alpha1"
    } else {
        "apps/v1"
    };
    json!({"apiVersion": group, "kind": kind, "name": name, "uid": uid, "controller": controller})
}

fn object(changes: Value) -> Value {
    let mut body = json!({"metadata": {"uid": "u", "resourceVersion": "7"}});
    json_patch::merge(&mut body, &changes);
    body
}

fn verdict(kind: Kind, name: &str, body: &Value) -> Verdict {
    Child::of(body, kind, "web").verdict(&key(kind, name), ("web", UID))
}

fn owned(owners: Value) -> Value {
    object(json!({"metadata": {"ownerReferences": owners}}))
}

#[test]
fn object_is_owned_by_uid_and_not_by_labels_alone() {
    let labels = json!({labels::PROJECT: "kamaji", labels::NAME: "web"});
    let copied = object(json!({"metadata": {"labels": labels}}));
    for kind in [Kind::Service, Kind::Deployment, Kind::ConfigMap] {
        let ours = owned(json!([owner("TenantControlPlane", "web", UID, true)]));
        assert_eq!(verdict(kind, "web", &ours), Verdict::Ours);
        let beside = owned(json!([
            owner("DPUCluster", "a", "1", true),
            owner("TenantControlPlane", "web", UID, false),
        ]));
        assert_eq!(verdict(kind, "web", &beside), Verdict::Ours);
        assert_eq!(verdict(kind, "web", &copied), Verdict::Foreign);
        assert_eq!(verdict(kind, "web", &object(json!({}))), Verdict::Foreign);
        let another = owned(json!([owner("TenantControlPlane", "other", UID, true)]));
        assert_eq!(verdict(kind, "web", &another), Verdict::Foreign);
    }
}

#[test]
fn restored_handed_over_and_labelled_objects_are_adopted() {
    let restored = owned(json!([owner("TenantControlPlane", "web", GONE, true)]));
    assert_eq!(verdict(Kind::Service, "web", &restored), Verdict::Adopted);
    let handed = |to: &str| object(json!({"metadata": {"annotations": {labels::ADOPT: to}}}));
    assert_eq!(
        verdict(Kind::Deployment, "web", &handed("web")),
        Verdict::Adopted
    );
    assert_eq!(
        verdict(Kind::Deployment, "web", &handed("other")),
        Verdict::Foreign
    );
    let selects = |selector: Value| object(json!({"spec": {"selector": selector}}));
    let exactly = selects(json!({labels::NAME: "web"}));
    assert_eq!(verdict(Kind::Service, "web", &exactly), Verdict::Adopted);
    for other in [
        json!({labels::NAME: "other"}),
        json!({labels::NAME: "web", "a": "b"}),
    ] {
        assert_eq!(
            verdict(Kind::Service, "web", &selects(other)),
            Verdict::Foreign
        );
    }
}

#[test]
fn existing_authorities_are_adopted_and_other_secrets_only_with_our_labels() {
    let bare = object(json!({}));
    for name in Names::of("web").authorities() {
        assert_eq!(verdict(Kind::Secret, &name, &bare), Verdict::Adopted);
    }
    let name = "web-datastore-certificate";
    assert_eq!(verdict(Kind::Secret, name, &bare), Verdict::Foreign);
    let labels = json!({labels::PROJECT: "kamaji", labels::NAME: "web"});
    let labelled = object(json!({"metadata": {"labels": labels}}));
    assert_eq!(verdict(Kind::Secret, name, &labelled), Verdict::Adopted);
}

#[test]
fn refusal_names_the_object_its_owner_and_the_annotation() {
    let body = owned(json!([owner("Deployment", "shop", "1", true)]));
    let message = Child::of(&body, Kind::Service, "web").refusal(&key(Kind::Service, "web"), "web");
    for part in [
        "Service ns/web",
        "Deployment shop",
        "kamaji.clastix.io/adopt=web",
    ] {
        assert!(message.contains(part), "{message}");
    }
}

fn entry(manager: &str, operation: &str, fields: Value) -> Value {
    json!({
        "manager": manager, "operation": operation, "apiVersion": "v1",
        "fieldsType": "FieldsV1", "fieldsV1": fields,
    })
}

fn planned(kind: &str) -> Object {
    Object::from_value(json!({
        "apiVersion": "v1", "kind": kind,
        "metadata": {
            "name": "web", "namespace": "ns", "labels": {"ours": "x"},
            "ownerReferences": [owner("TenantControlPlane", "web", UID, true)],
        },
    }))
}

#[test]
fn fields_of_upstream_are_taken_over_and_fields_of_users_stay_theirs() {
    let port =
        json!({"f:spec": {"f:ports": {"k:{\"port\":6443,\"protocol\":\"TCP\"}": {".": {}}}}});
    let person = entry(
        "kubectl",
        "Update",
        json!({"f:spec": {"f:externalName": {}}}),
    );
    let mut live = owned(json!([owner("TenantControlPlane", "web", UID, true)]));
    live["apiVersion"] = json!("v1");
    live["metadata"]["managedFields"] = json!([entry("kamaji", "Update", port.clone()), person]);
    assert!(Child::of(&live, Kind::Service, "web").marks.updated);
    let patch = patch(&live, &planned("Service")).unwrap();
    let fields = json!([person, entry("kamaji", "Apply", port)]);
    assert_eq!(patch, json!({"metadata": {"managedFields": fields}}));
    live["metadata"]["managedFields"] = fields;
    assert!(!Child::of(&live, Kind::Service, "web").marks.updated);
    assert_eq!(
        super::patch(&live, &planned("Service")),
        None,
        "once is enough"
    );
}

#[test]
fn restored_object_is_adopted_keeps_foreign_labels_and_loses_its_former_owner() {
    let all = json!({
        "f:metadata": {"f:labels": {"f:ours": {}, "f:backup": {}}},
        "f:spec": {"f:ports": {}},
    });
    let beside = owner("DPUCluster", "a", "1", false);
    let mut live = owned(json!([
        owner("TenantControlPlane", "web", GONE, true),
        beside
    ]));
    live["apiVersion"] = json!("v1");
    live["metadata"]["managedFields"] = json!([entry("velero", "Update", all)]);
    let patch = patch(&live, &planned("Service")).unwrap();
    let rest = json!({"f:metadata": {"f:labels": {"f:backup": {}}}});
    let ours = json!({"f:metadata": {"f:labels": {"f:ours": {}}}, "f:spec": {"f:ports": {}}});
    let fields = json!([
        entry("velero", "Update", rest),
        entry("kamaji", "Apply", ours)
    ]);
    assert_eq!(
        patch,
        json!({"metadata": {"managedFields": fields, "ownerReferences": [beside]}})
    );
    let keys = super::patch(&live, &planned("Secret")).unwrap();
    assert_eq!(
        keys,
        json!({"metadata": {"ownerReferences": [beside]}}),
        "keys of a Secret stay a person's"
    );
}
