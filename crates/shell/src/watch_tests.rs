use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::json;

use super::*;

type Maps = Objects<ObjectKey, ConfigMap>;

fn map(uid: &str, version: &str) -> Arc<ConfigMap> {
    let mut map = ConfigMap::default();
    map.metadata.uid = Some(uid.to_owned());
    map.metadata.resource_version = Some(version.to_owned());
    Arc::new(map)
}

fn version(maps: &Maps, key: &ObjectKey) -> Option<String> {
    maps.get(key)?.metadata.resource_version.clone()
}

#[test]
fn a_late_event_does_not_undo_what_our_own_write_returned() {
    let (maps, key) = (Maps::default(), ObjectKey::new("a", "b"));
    maps.newer(key.clone(), map("u", "9"));
    maps.replace(key.clone(), map("u", "10"));
    maps.newer(key.clone(), map("u", "9"));
    assert_eq!(version(&maps, &key).as_deref(), Some("10"));
    maps.complete(
        HashMap::from([(key.clone(), map("u", "9"))]),
        HashMap::new(),
    );
    assert_eq!(version(&maps, &key).as_deref(), Some("10"));
    maps.newer(key.clone(), map("u", "11"));
    assert_eq!(version(&maps, &key).as_deref(), Some("11"));
}

#[test]
fn what_was_told_to_be_gone_does_not_come_back_with_a_late_answer() {
    let (maps, key) = (Maps::default(), ObjectKey::new("a", "b"));
    maps.newer(key.clone(), map("u", "9"));
    maps.gone(&key, Some("u"));
    maps.replace(key.clone(), map("u", "10"));
    assert_eq!(version(&maps, &key), None);
    maps.newer(key.clone(), map("v", "11"));
    maps.replace(key.clone(), map("u", "12"));
    assert_eq!(version(&maps, &key).as_deref(), Some("11"), "another's");
}

#[test]
fn an_event_that_leaves_an_object_as_it_was_wakes_nobody_if_that_is_known() {
    let (maps, key) = (Maps::default(), ObjectKey::new("a", "b"));
    assert!(maps.newer(key.clone(), map("u", "1")));
    assert!(maps.newer(key.clone(), map("u", "1")), "nothing is known");
    let maps = maps.alike_if(|a, b| a.metadata.uid == b.metadata.uid);
    assert!(!maps.newer(key.clone(), map("u", "2")));
    assert_eq!(version(&maps, &key).as_deref(), Some("2"));
    assert!(maps.newer(key, map("v", "3")));
}

#[test]
fn whatever_is_not_in_a_complete_list_is_gone_and_is_told() {
    let (maps, gone, kept) = (
        Maps::default(),
        ObjectKey::new("a", "gone"),
        ObjectKey::new("a", "kept"),
    );
    maps.newer(gone.clone(), map("u", "1"));
    let names = maps.complete(
        HashMap::from([(kept.clone(), map("v", "2"))]),
        HashMap::new(),
    );
    assert!(maps.get(&gone).is_none());
    assert!(maps.get(&kept).is_some());
    assert_eq!(names, HashSet::from([gone, kept]));
}

#[test]
fn nothing_that_was_read_before_is_current_once_an_object_cannot_be_read() {
    let (maps, key) = (
        Maps::default().salvaged_by(|_| None),
        ObjectKey::new("a", "b"),
    );
    maps.newer(key.clone(), map("u", "1"));
    let why = HashMap::from([(key.clone(), "unknown variant".to_owned())]);
    let names = maps.complete(HashMap::new(), why);
    assert!(maps.get(&key).is_none() && names.contains(&key));
    assert_eq!(maps.unreadable(&key).as_deref(), Some("unknown variant"));
    maps.complete(
        HashMap::from([(key.clone(), map("u", "2"))]),
        HashMap::new(),
    );
    assert_eq!(maps.unreadable(&key), None);
    assert_eq!(version(&maps, &key).as_deref(), Some("2"));
}

#[test]
fn the_end_of_an_older_object_does_not_remove_its_successor() {
    let (maps, key) = (Maps::default(), ObjectKey::new("a", "b"));
    maps.newer(key.clone(), map("new", "5"));
    maps.gone(&key, Some("old"));
    assert!(maps.get(&key).is_some());
    maps.gone(&key, Some("new"));
    assert!(maps.get(&key).is_none());
}

#[test]
fn an_object_that_cannot_be_read_is_told_by_name_and_fields_of_others_are_dropped() {
    let object = |data: serde_json::Value| -> DynamicObject {
        serde_json::from_value(json!({
            "apiVersion": "v1", "kind": "ConfigMap", "data": data,
            "metadata": {"name": "b", "namespace": "a", "managedFields": [{"manager": "x"}]},
        }))
        .unwrap()
    };
    let (name, bad, why) = read::<ObjectKey, ConfigMap>(object(json!(7)), None);
    assert_eq!(name, ObjectKey::new("a", "b"));
    assert!(bad.is_none() && why.is_some());
    let salvage: fn(&Value) -> Option<ConfigMap> = |_| Some(ConfigMap::default());
    let (_, salvaged, why) = read::<ObjectKey, ConfigMap>(object(json!(7)), Some(salvage));
    assert!(salvaged.is_some() && why.is_some());
    let (name, good, why) = read::<ObjectKey, ConfigMap>(object(json!({"k": "v"})), None);
    assert_eq!((name, why), (ObjectKey::new("a", "b"), None));
    assert!(good.unwrap().metadata.managed_fields.is_none());
}
