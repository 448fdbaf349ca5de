use super::*;
use k8s_openapi::api::core::v1::ConfigMap;

type Maps = Objects<ObjectKey, ConfigMap>;

fn map(uid: &str, version: &str) -> Arc<ConfigMap> {
    let mut map = ConfigMap::default();
    map.metadata.uid = Some(uid.to_owned());
    map.metadata.resource_version = Some(version.to_owned());
    Arc::new(map)
}

fn listed(key: &ObjectKey, map: Arc<ConfigMap>) -> Listed<ObjectKey, ConfigMap> {
    Listed {
        objects: HashMap::from([(key.clone(), map)]),
        unreadable: HashMap::new(),
    }
}

fn version(maps: &Maps, key: &ObjectKey) -> Option<String> {
    maps.get(key)?.metadata.resource_version.clone()
}

#[test]
fn a_late_event_does_not_replace_the_answer_to_a_write() {
    let (maps, key) = (Maps::default(), ObjectKey::new("a", "b"));
    maps.newer(key.clone(), map("u", "9"));
    maps.replace(key.clone(), map("u", "10"));
    maps.newer(key.clone(), map("u", "9"));
    assert_eq!(version(&maps, &key).as_deref(), Some("10"));
    maps.complete(listed(&key, map("u", "9")));
    assert_eq!(version(&maps, &key).as_deref(), Some("10"));
    maps.newer(key.clone(), map("u", "11"));
    assert_eq!(version(&maps, &key).as_deref(), Some("11"));
}

#[test]
fn a_late_answer_does_not_bring_back_a_deleted_object() {
    let (maps, key) = (Maps::default(), ObjectKey::new("a", "b"));
    maps.newer(key.clone(), map("u", "9"));
    maps.deleted(&key, Some("u"));
    maps.replace(key.clone(), map("u", "10"));
    assert_eq!(version(&maps, &key), None);
    maps.newer(key.clone(), map("v", "11"));
    maps.replace(key.clone(), map("u", "12"));
    assert_eq!(
        version(&maps, &key).as_deref(),
        Some("11"),
        "another object of that name"
    );
}

#[test]
fn an_event_without_a_change_enqueues_nothing_if_changes_are_compared() {
    let (maps, key) = (Maps::default(), ObjectKey::new("a", "b"));
    assert!(maps.newer(key.clone(), map("u", "1")));
    assert!(
        maps.newer(key.clone(), map("u", "1")),
        "nothing is compared"
    );
    let maps = maps.unchanged_if(|a, b| a.metadata.uid == b.metadata.uid);
    assert!(!maps.newer(key.clone(), map("u", "2")));
    assert_eq!(version(&maps, &key).as_deref(), Some("2"));
    assert!(maps.newer(key, map("v", "3")));
}

#[test]
fn a_complete_list_removes_and_enqueues_unlisted_objects() {
    let (maps, gone, present) = (
        Maps::default(),
        ObjectKey::new("a", "gone"),
        ObjectKey::new("a", "present"),
    );
    maps.newer(gone.clone(), map("u", "1"));
    let names = maps.complete(listed(&present, map("v", "2")));
    assert!(maps.get(&gone).is_none());
    assert!(maps.get(&present).is_some());
    assert_eq!(names, HashSet::from([gone, present]));
}

#[test]
fn an_unreadable_object_replaces_its_former_version() {
    let (maps, key) = (
        Maps::default().salvaged_by(|_| None),
        ObjectKey::new("a", "b"),
    );
    maps.newer(key.clone(), map("u", "1"));
    let names = maps.complete(Listed {
        objects: HashMap::new(),
        unreadable: HashMap::from([(key.clone(), "unknown variant".to_owned())]),
    });
    assert!(maps.get(&key).is_none() && names.contains(&key));
    assert_eq!(maps.unreadable(&key).as_deref(), Some("unknown variant"));
    maps.complete(listed(&key, map("u", "2")));
    assert_eq!(maps.unreadable(&key), None);
    assert_eq!(version(&maps, &key).as_deref(), Some("2"));
    // The same in an event.
    assert!(maps.observed(&key, None, Some("unknown variant".to_owned())));
    assert!(maps.get(&key).is_none());
}

#[test]
fn a_late_deletion_of_an_older_object_keeps_its_successor() {
    let (maps, key) = (Maps::default(), ObjectKey::new("a", "b"));
    maps.newer(key.clone(), map("new", "5"));
    maps.deleted(&key, Some("old"));
    assert!(maps.get(&key).is_some());
    maps.deleted(&key, Some("new"));
    assert!(maps.get(&key).is_none());
}
