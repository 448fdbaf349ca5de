#![expect(
    clippy::needless_pass_by_value,
    reason = "json! makes values, not references"
)]

use kamaji_api::datastore::Driver;
use serde_json::{Value, json};

use crate::admission::{
    Claim, Facts, Request,
    fixture::{all_pass, all_refused, evaluate, running, tenant, update},
    validate,
};
use crate::tenant::Tenant;

fn overrides(items: Value) -> Value {
    json!({ "dataStore": "default", "dataStoreOverrides": items })
}

#[test]
fn existing_data_stores_pass() {
    all_pass([
        json!({"dataStore": "pg"}),
        json!({"dataStore": ""}),
        overrides(json!([{"resource": "/events", "dataStore": "events"}])),
        overrides(json!([
            {"resource": "events", "dataStore": "events"},
            {"resource": "coordination.k8s.io/leases", "dataStore": "events"},
        ])),
        json!({"dataStore": "pg", "dataStoreSchema": "a_b", "dataStoreUsername": "a_b"}),
        json!({"dataStore": "my", "dataStoreUsername": "u".repeat(32)}),
    ]);
}

#[test]
fn data_stores_and_names_that_cannot_work_are_refused() {
    all_refused([
        (
            json!({"dataStore": "nowhere"}),
            "does not exist: create it first",
        ),
        (
            overrides(json!([{"resource": "/events", "dataStore": "nowhere"}])),
            "dataStoreOverrides[0].dataStore",
        ),
        (
            overrides(json!([{"resource": "/events"}])),
            "dataStoreOverrides[0].dataStore",
        ),
        (
            overrides(json!([{"resource": "/events", "dataStore": "pg"}])),
            "whose driver is PostgreSQL",
        ),
        (
            overrides(json!([{"dataStore": "events"}])),
            "dataStoreOverrides[0].resource",
        ),
        (
            json!({"dataStore": "pg", "dataStoreOverrides": [{"resource": "/events", "dataStore": "events"}]}),
            "needs a DataStore of etcd in spec.dataStore",
        ),
        (
            overrides(json!([{"resource": "a#b", "dataStore": "events"}])),
            "\"a#b\" is not a resource",
        ),
        (
            overrides(json!([{"resource": "a,b", "dataStore": "events"}])),
            "\"a,b\" is not a resource",
        ),
        (
            overrides(json!([
                {"resource": "/events", "dataStore": "events"},
                {"resource": "events", "dataStore": "default"},
            ])),
            "twice",
        ),
        (json!({"dataStoreSchema": "a/b"}), "contains '/'"),
        (json!({"dataStoreUsername": "root"}), "administrator"),
        (
            json!({"dataStore": "my", "dataStoreUsername": "u".repeat(33)}),
            "MySQL takes 32",
        ),
        (
            json!({"dataStore": "pg", "dataStoreSchema": "s".repeat(64)}),
            "PostgreSQL takes 63",
        ),
        (
            json!({"dataStore": "pg", "dataStoreSchema": "Demo"}),
            "in lower case only",
        ),
        (
            json!({"dataStore": "my", "dataStoreUsername": "a:b"}),
            "which kine cannot pass to the datastore",
        ),
        (
            json!({"dataStoreSchema": "theirs"}),
            "belongs to another TenantControlPlane",
        ),
        (
            json!({"dataStoreUsername": "them"}),
            "belongs to another TenantControlPlane",
        ),
    ]);
}

#[test]
fn overrides_are_checked_on_update_too() {
    let bad = overrides(json!([{"resource": "/events", "dataStore": "nowhere"}]));
    update(overrides(json!([])), bad).expect_err("it does not exist");
}

#[test]
fn a_tenants_own_claim_is_no_conflict() {
    let mut new = tenant(json!({"dataStoreSchema": "theirs", "dataStoreUsername": "them"}));
    new.metadata.name = Some("neighbour".to_owned());
    assert_eq!(evaluate(&new, Some(&tenant(json!({})))), Ok(Vec::new()));
}

#[test]
fn a_claim_has_the_schema_and_user_of_the_plan() {
    let setup = |schema: &str| json!({"storage": {"setup": {"schema": schema, "user": "u1"}}});
    for (changes, status) in [
        (json!({}), json!({})),
        (
            json!({"dataStoreSchema": "s", "dataStoreUsername": "u"}),
            json!({}),
        ),
        (json!({"dataStoreSchema": "s"}), setup("s1")),
        (json!({"dataStoreSchema": "s"}), setup("")),
    ] {
        let mut object = running(changes, status);
        object.metadata.uid = Some("uid".to_owned());
        let tenant = Tenant::parse(&object).expect("a tenant");
        let claim = Claim::of(&object, None).expect("it is stored");
        assert_eq!(
            (claim.schema.as_str(), claim.user.as_str()),
            (tenant.schema(), &*tenant.data_store_user(Driver::Etcd))
        );
    }
    assert_eq!(Claim::of(&tenant(json!({})), None), None);
}

#[test]
fn a_tenant_without_any_data_store_is_accepted_with_a_warning_that_it_waits() {
    let new = tenant(json!({}));
    let request = Request {
        new: &new,
        old: None,
        facts: &Facts::default(),
    };
    let warnings = validate(&request).expect("accepted");
    assert!(warnings[0].contains("--datastore"), "{warnings:?}");
}

#[test]
fn another_data_store_for_a_tenant_with_data_gives_a_warning() {
    let in_store = |present: &str, driver: &str, name: &str| {
        let status = json!({"storage": {"dataStoreName": present, "driver": driver}});
        running(json!({ "dataStore": name }), status)
    };
    for (from, driver, to) in [
        ("default", "etcd", "events"),
        ("default", "etcd", "pg"),
        ("default", "etcd", "nats-free"),
        ("nats-free", "NATS", "pg"),
        ("nats-free", "NATS", "default"),
    ] {
        let old = in_store(from, driver, from);
        let warnings = evaluate(&in_store(from, driver, to), Some(&old)).expect("accepted");
        let [warning] = warnings.try_into().expect("one warning");
        let says = format!("moves from {from} to {to}");
        assert!(warning.contains(&says), "{warning}");
        assert!(warning.contains("aborts it"), "{warning}");
    }
    let status = json!({"storage": {"dataStoreName": "default", "driver": "etcd"}});
    let old = in_store("default", "etcd", "default");
    let unset = evaluate(
        &running(json!({"dataStore": null}), status.clone()),
        Some(&old),
    );
    assert_eq!(unset, Ok(Vec::new()), "the default is where the data is");
}

#[test]
fn a_move_to_nats_that_another_tenant_has_is_refused() {
    let status = json!({"storage": {"dataStoreName": "default", "driver": "etcd"}});
    let in_store = |name: &str| running(json!({ "dataStore": name }), status.clone());
    let refusals = evaluate(&in_store("nats"), Some(&in_store("default"))).expect_err("no move");
    let words = refusals.join("; ");
    assert!(
        words.contains("which another TenantControlPlane uses"),
        "{words}"
    );
}

#[test]
fn a_move_onto_the_data_store_of_an_override_is_refused() {
    let items = json!([{"resource": "/events", "dataStore": "events"}]);
    let status = json!({"storage": {
        "dataStoreName": "default", "driver": "etcd", "setup": {"schema": "s", "user": "u"},
        "overrides": [{"resource": "/events", "dataStore": "events", "schema": "s", "user": "u"}],
    }});
    let in_store = |name: &str| {
        let spec = json!({"dataStore": name, "dataStoreOverrides": items});
        running(spec, status.clone())
    };
    let refusals = evaluate(&in_store("events"), Some(&in_store("default"))).expect_err("no move");
    let words = refusals.join("; ");
    assert!(
        words.contains("\"events\", which holds /events of this tenant"),
        "{words}"
    );
    assert!(words.contains("back to default"), "{words}");
}

#[test]
fn another_schema_after_the_setup_gives_a_warning() {
    let status = json!({"storage": {
        "dataStoreName": "default", "driver": "etcd", "setup": {"schema": "uid", "user": "uid"},
    }});
    let new = running(
        json!({"dataStoreSchema": "mine", "dataStoreUsername": "uid"}),
        status.clone(),
    );
    let warnings = evaluate(&new, Some(&running(json!({}), status))).expect("accepted");
    assert_eq!(
        warnings,
        ["spec.dataStoreSchema \"mine\" is ignored: the tenant has \"uid\""]
    );
}

#[test]
fn overrides_of_a_tenant_that_is_set_up_change_only_if_their_data_can_move() {
    let events = json!([{"resource": "/events", "dataStore": "events"}]);
    let leases = json!([{"resource": "coordination.k8s.io/leases", "dataStore": "events"}]);
    let unknown = json!([events[0], {"resource": "example.com/widgets", "dataStore": "events"}]);
    let setup = json!({"schema": "s", "user": "u"});
    let recorded = json!([
        {"resource": "/events", "dataStore": "events", "schema": "s", "user": "u"},
    ]);
    let new = json!({"storage": {"dataStoreName": "default"}});
    let older = json!({"storage": {"dataStoreName": "default", "setup": setup}});
    let current =
        json!({"storage": {"dataStoreName": "default", "setup": setup, "overrides": recorded}});
    let change = |status: &Value, from: &Value, to: &Value| {
        let old = running(overrides(from.clone()), status.clone());
        evaluate(&running(overrides(to.clone()), status.clone()), Some(&old))
    };
    change(&new, &events, &leases).expect("nothing is set up");
    for to in [json!([]), leases.clone()] {
        let refusals = change(&older, &events, &to).expect_err("nothing is recorded");
        assert!(format!("{refusals:?}").contains("/events in events"));
    }
    for (to, words) in [
        (&leases, "change those of one pair first"),
        (&unknown, "no override for CRDs and their instances"),
    ] {
        let refusals = change(&current, &events, to).expect_err("it would hide data");
        assert!(format!("{refusals:?}").contains(words), "{refusals:?}");
        let old = running(overrides(to.clone()), current.clone());
        let mut spec = overrides(to.clone());
        spec["controlPlane"] = json!({"deployment": {"replicas": 3}});
        let other_field = evaluate(&running(spec, current.clone()), Some(&old));
        let warnings = other_field.expect("other fields may change");
        assert!(
            warnings.join("; ").contains("stays in force"),
            "{warnings:?}"
        );
    }
    for status in [&older, &current] {
        let slash = json!([{"resource": "events", "dataStore": "events"}]);
        change(status, &events, &slash).expect("the same in other words");
    }
    let warnings = change(&current, &events, &json!([])).expect("a migration");
    let words = "the data of /events moves from events to default while the control plane runs";
    assert!(warnings.join("; ").contains(words), "{warnings:?}");
    let back = change(&current, &json!([]), &events).expect("set back to what is recorded");
    assert!(back.is_empty(), "{back:?}");
    assert_eq!(
        change(&current, &json!([]), &json!([])),
        Ok(Vec::new()),
        "it is under way"
    );
}

#[test]
fn the_whole_data_and_single_resources_do_not_move_at_the_same_time() {
    let status = json!({"storage": {
        "dataStoreName": "default", "driver": "etcd", "setup": {"schema": "s", "user": "u"},
        "overrides": [],
    }});
    let with = |store: &str, items: Value| {
        let spec = json!({"dataStore": store, "dataStoreOverrides": items});
        running(spec, status.clone())
    };
    let events = json!([{"resource": "/events", "dataStore": "events"}]);
    let old = vec![
        with("default", json!([])),
        with("default", events.clone()),
        with("events", json!([])),
    ];
    for old in old {
        let refusals = evaluate(&with("events", events.clone()), Some(&old)).expect_err("both");
        let words = refusals.join("; ");
        assert!(
            words.contains("one of them at a time: set one back"),
            "{words}"
        );
    }
}

#[test]
fn a_data_store_of_nats_takes_one_tenant_and_that_one_stays_editable() {
    all_refused([(
        json!({"dataStore": "nats"}),
        "names the DataStore \"nats\", which another TenantControlPlane uses",
    )]);
    all_pass([json!({"dataStore": "nats-free"})]);
    let mut its_own = tenant(json!({"dataStore": "nats"}));
    its_own.metadata.name = Some("neighbour".to_owned());
    assert_eq!(evaluate(&its_own, None), Ok(Vec::new()));
}

#[test]
fn a_claim_is_on_the_data_store_in_force_or_on_the_default() {
    let claimed = |changes: Value, status: Value| {
        let mut object = running(changes, status);
        object.metadata.uid = Some("uid".to_owned());
        Claim::of(&object, Some("default")).unwrap().data_store
    };
    let set_up =
        json!({"storage": {"dataStoreName": "nats", "setup": {"schema": "s", "user": "u"}}});
    let of = |name: &str| Some(name.to_owned());
    assert_eq!(claimed(json!({}), json!({})), of("default"));
    assert_eq!(claimed(json!({"dataStore": "pg"}), json!({})), of("pg"));
    assert_eq!(claimed(json!({"dataStore": "pg"}), set_up), of("nats"));
}
