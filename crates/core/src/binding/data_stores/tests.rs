use serde_json::{Value, json};

use super::*;
use crate::plan::fixture::tenant;

fn set_up(spec: Value) -> TenantControlPlane {
    tenant(json!({
        "spec": spec,
        "status": {"storage": {
            "dataStoreName": "gold",
            "setup": {"schema": "s", "user": "u"},
            "overrides": [{"resource": "/events", "dataStore": "events", "schema": "s", "user": "u"}],
        }},
    }))
}

#[test]
fn the_spec_wins_over_the_default_and_an_empty_name_is_none() {
    for (spec, expected) in [
        (json!({"dataStore": "silver"}), "silver"),
        (json!({"dataStore": ""}), "bronze"),
        (json!({"dataStore": null}), "bronze"),
    ] {
        let object = tenant(json!({"spec": spec}));
        assert_eq!(requested(&object.spec, Some("bronze")), Some(expected));
        assert_eq!(effective(&object, Some("bronze")), Some(expected));
    }
    let object = tenant(json!({"spec": {"dataStore": null}}));
    assert_eq!(requested(&object.spec, None), None);
}

#[test]
fn the_recorded_datastore_wins_over_the_spec_once_the_tenant_is_set_up() {
    let object = set_up(json!({"dataStore": "silver"}));
    assert_eq!(requested(&object.spec, None), Some("silver"));
    assert_eq!(effective(&object, None), Some("gold"));
    assert_eq!(all(&object, None), ["gold", "events"]);
    let named = tenant(json!({
        "spec": {"dataStore": "silver"},
        "status": {"storage": {"dataStoreName": "gold"}},
    }));
    assert_eq!(effective(&named, None), Some("silver"));
}

#[test]
fn names_are_recorded_in_the_datastores_of_the_status_alone() {
    let object = set_up(json!({"dataStore": "silver"}));
    let names = DatabaseNames {
        schema: "s",
        user: "u",
    };
    for (data_store, expected) in [
        ("gold", Some(names)),
        ("events", Some(names)),
        ("silver", None),
    ] {
        assert_eq!(recorded(&object, data_store), expected, "{data_store}");
    }
}
