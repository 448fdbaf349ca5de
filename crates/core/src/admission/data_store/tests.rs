#![expect(
    clippy::needless_pass_by_value,
    reason = "json! makes values, not references"
)]

use kamaji_api::datastore::DataStore;
use serde_json::{Value, json};

use super::validate_data_store;

fn store(driver: &str, endpoints: Value) -> DataStore {
    let content = |name: &str| json!({"secretReference": {"name": name, "namespace": "kamaji-system", "keyPath": "k"}});
    serde_json::from_value(json!({
        "metadata": {"name": "default"},
        "spec": {
            "driver": driver,
            "endpoints": endpoints,
            "basicAuth": {"username": content("u"), "password": content("p")},
        },
    }))
    .expect("a DataStore")
}

#[test]
fn endpoints_of_host_and_port_pass() {
    for endpoint in [
        "etcd-0.etcd.svc:2379",
        "192.0.2.5:2379",
        "[2001:db8::5]:2379",
        "my_db:3306",
    ] {
        assert_eq!(
            validate_data_store(&store("etcd", json!([endpoint])), None),
            Ok(vec![])
        );
    }
}

#[test]
fn endpoints_without_host_or_port_are_refused_one_by_one() {
    let bad = [
        "https://etcd:2379",
        "etcd",
        "etcd:0",
        "etcd:port",
        ":2379",
        "2001:db8::5:2379",
        "[x]:1",
    ];
    let refusals = validate_data_store(&store("etcd", json!(bad)), None).expect_err("bad");
    assert_eq!(refusals.len(), bad.len(), "{refusals:#?}");
}

#[test]
fn references_without_content_or_secret_are_refused() {
    let mut data_store = store("NATS", json!(["nats:4222"]));
    assert_eq!(validate_data_store(&data_store, None), Ok(vec![]));
    if let Some(auth) = &mut data_store.spec.basic_auth {
        auth.password.secret_reference = None;
    }
    let refusals = validate_data_store(&data_store, None).expect_err("no password");
    assert!(
        refusals[0]
            .to_string()
            .starts_with("spec.basicAuth.password")
    );
    data_store.spec.basic_auth = None;
    let refusals = validate_data_store(&data_store, None).expect_err("no login");
    assert!(refusals[0].to_string().contains("NATS"));
}

#[test]
fn an_old_mistake_gives_a_warning_and_deletion_passes() {
    let old = store("etcd", json!(["etcd"]));
    assert_eq!(validate_data_store(&old, Some(&old)), Ok(vec![]));
    let new = store("etcd", json!(["etcd", "etcd:2379"]));
    let warnings = validate_data_store(&new, Some(&old)).expect("accepted");
    assert!(warnings[0].starts_with("was so before"), "{warnings:?}");
    let mut gone = store("etcd", json!(["nonsense"]));
    gone.metadata.deletion_timestamp = serde_json::from_value(json!("2026-01-01T00:00:00Z")).ok();
    assert_eq!(validate_data_store(&gone, Some(&old)), Ok(vec![]));
}

#[test]
fn unused_endpoints_give_a_warning() {
    let warnings = validate_data_store(&store("MySQL", json!(["a:1", "b:1", "a:1"])), None);
    assert_eq!(warnings.map(|list| list.len()), Ok(2));
}

#[test]
fn a_name_too_long_for_a_label_is_refused_and_an_old_one_gives_a_warning() {
    let mut data_store = store("etcd", json!(["etcd:2379"]));
    data_store.metadata.name = Some("s".repeat(63));
    assert_eq!(validate_data_store(&data_store, None), Ok(vec![]));
    data_store.metadata.name = Some("s".repeat(64));
    let refusals = validate_data_store(&data_store, None).expect_err("too long");
    assert!(refusals[0].to_string().contains("64 characters"));
    let old = data_store.clone();
    data_store.spec.endpoints.push("other:2379".to_owned());
    let warnings = validate_data_store(&data_store, Some(&old)).expect("stored already");
    assert!(warnings[0].contains("was so before"), "{warnings:?}");
}
