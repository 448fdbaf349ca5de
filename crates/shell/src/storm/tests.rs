use serde_json::json;

use super::*;

fn seconds(begin: Instant, after: u64) -> Instant {
    begin + Duration::from_secs(after)
}

#[test]
fn a_write_beyond_the_limit_is_refused_as_a_storm() {
    let (guard, begin) = (Guard::default(), Instant::now());
    for _ in 0..OBJECT {
        assert!(guard.admit("a", OBJECT, begin));
    }
    assert!(!guard.admit("a", OBJECT, begin));
    assert!(guard.admit("b", OBJECT, begin), "other objects are written");
}

#[test]
fn slow_writes_are_never_a_storm() {
    let (guard, begin) = (Guard::default(), Instant::now());
    for write in 0..1000 {
        assert!(
            guard.admit("a", OBJECT, seconds(begin, write * 4)),
            "{write}"
        );
    }
}

#[test]
fn one_write_after_a_storm_shows_whether_the_storm_is_over() {
    let (guard, begin) = (Guard::default(), Instant::now());
    while guard.admit("a", OBJECT, begin) {}
    assert!(!guard.admit("a", OBJECT, seconds(begin, 299)));
    assert!(guard.admit("a", OBJECT, seconds(begin, 301)));
    assert!(
        !guard.admit("a", OBJECT, seconds(begin, 302)),
        "the storm goes on"
    );
    assert!(!guard.admit("a", OBJECT, seconds(begin, 590)));
    assert!(guard.admit("a", OBJECT, seconds(begin, 610)));
    let calm = seconds(begin, 700);
    for _ in 0..OBJECT {
        assert!(
            guard.admit("a", OBJECT, calm),
            "the storm is over and forgotten"
        );
    }
}

#[test]
fn objects_without_recent_writes_are_forgotten() {
    let (guard, begin) = (Guard::default(), Instant::now());
    for number in 0..1000 {
        guard.admit(&number.to_string(), OBJECT, begin);
    }
    guard.admit("last", OBJECT, seconds(begin, 61));
    assert_eq!(guard.locked().objects.len(), 1);
}

#[test]
fn a_resting_object_is_not_forgotten() {
    let (guard, begin) = (Guard::default(), Instant::now());
    while guard.admit("a", OBJECT, begin) {}
    guard.admit("b", OBJECT, seconds(begin, 120));
    assert!(!guard.admit("a", OBJECT, seconds(begin, 130)));
}

#[test]
fn the_first_field_that_differs_is_named_without_its_value() {
    let planned = json!({"spec": {"containers": [{"name": "a", "args": ["--secret"]}]}});
    let live = json!({"spec": {"containers": [{"name": "a", "args": ["--other"]}]}});
    let field = difference(&planned, &live).unwrap();
    assert_eq!(field, "spec.containers[0].args[0]");
    let shorter = json!({"spec": {"containers": []}});
    assert_eq!(difference(&planned, &shorter).unwrap(), "spec.containers");
    assert_eq!(difference(&planned, &json!({})).unwrap(), "spec");
    assert_eq!(difference(&planned, &planned), None);
}

#[test]
fn a_flapping_plan_is_distinguished_from_a_second_field_manager() {
    let (guard, now) = (Guard::default(), Instant::now());
    let (one, two) = (
        json!({"data": {"a": "1"}}),
        json!({"data": {"a": "1", "b": "2"}}),
    );
    guard.admit("a", OBJECT, now);
    guard.wrote("a", &one);
    assert_eq!(guard.flapping("a", &two), None, "not recorded without need");
    while guard.admit("a", OBJECT, now) {}
    guard.wrote("a", &one);
    assert_eq!(guard.flapping("a", &two).as_deref(), Some("data.b"));
    assert_eq!(guard.flapping("a", &one), None);
}

#[test]
fn each_other_field_manager_is_named_once() {
    let live = json!({"metadata": {"managedFields": [
        {"manager": "kamaji"},
        {"manager": "kubectl"},
        {"manager": "kubectl"},
        {"manager": "kube-controller-manager", "subresource": "status"},
    ]}});
    assert_eq!(others(&live, "kamaji"), ["kubectl"]);
}
