use serde_json::json;

use super::*;
use crate::plan::fixture::{snapshot, store};

fn bound(live: Option<LiveSecret>) -> Binding {
    let fixture = snapshot(json!({}));
    let tenant = Tenant::parse(&fixture.object).unwrap();
    bind(&tenant, &store(), live, &fixture).unwrap()
}

fn live<'a>(data: &'a Data, checksum: &'a str) -> LiveSecret<'a> {
    LiveSecret { data, checksum }
}

#[test]
fn a_password_stays_as_long_as_the_checksum_of_its_secret_matches() {
    let mut data = bound(None).data();
    data.insert("DB_PASSWORD".to_owned(), b"current".to_vec());
    let checksum = crate::checksum::map(&data);
    assert_eq!(bound(Some(live(&data, &checksum))).password, "current");
    assert_ne!(bound(Some(live(&data, "tampered"))).password, "current");
}

#[test]
fn etcd_needs_no_connection_string_and_others_take_the_first_endpoint() {
    assert_eq!(bound(None).connection, "");
    let fixture = snapshot(json!({}));
    let tenant = Tenant::parse(&fixture.object).unwrap();
    let store = ResolvedDataStore {
        driver: Driver::PostgreSql,
        endpoints: vec!["db:5432".to_owned(), "other:5432".to_owned()],
        ..store()
    };
    let bound = bind(&tenant, &store, None, &fixture).unwrap();
    assert_eq!(bound.connection, "db:5432");
}

#[test]
fn a_mysql_user_is_the_uid_without_hyphens_and_the_recorded_one_wins() {
    let user = |changes| {
        let fixture = snapshot(changes);
        let tenant = Tenant::parse(&fixture.object).unwrap();
        let store = ResolvedDataStore {
            driver: Driver::MySql,
            endpoints: vec!["db:3306".to_owned()],
            ..store()
        };
        bind(&tenant, &store, None, &fixture).unwrap().user
    };
    assert_eq!(user(json!({})), "11111111222233334444555555555555");
    let setup = json!({"schema": "s", "user": "old"});
    let recorded = json!({"status": {"storage": {"setup": setup}}});
    assert_eq!(user(recorded), "old");
}

#[test]
fn a_binding_does_not_show_its_password() {
    let binding = bound(None);
    assert!(!format!("{binding:?}").contains(&binding.password));
}

/// Why a tenant with these changes is refused in an etcd where the operator is `admin`.
fn refused(changes: serde_json::Value) -> Option<NameRefusal> {
    let fixture = snapshot(changes);
    let tenant = Tenant::parse(&fixture.object).unwrap();
    let mut store = store();
    let mut entropy = crate::rng::Seed::from_text("client").for_purpose("client");
    let algorithm = crate::pki::key::KeyAlgorithm::EcdsaP256;
    let admin = crate::pki::authority::issue("admin", algorithm, fixture.now, &mut entropy);
    let pair = (admin.certificate_pem().to_vec(), admin.key_pem().to_vec());
    store.tls.as_mut().unwrap().client = Some(pair);
    bind(&tenant, &store, None, &fixture).err()
}

#[test]
fn reserved_names_and_the_operators_own_are_refused_in_the_spec_and_in_the_status() {
    assert_eq!(refused(json!({})), None);
    for name in ["root", "admin", "a/b", "", "kamaji.clastix.io"] {
        let setup = json!({"schema": "s", "user": name});
        for (changes, recorded) in [
            (json!({"spec": {"dataStoreUsername": name}}), false),
            (json!({"status": {"storage": {"setup": setup}}}), true),
        ] {
            // An empty name is none: the uid is taken.
            let refusal = refused(changes);
            assert_eq!(refusal.is_none(), name.is_empty(), "{name}");
            if let Some(refusal) = refusal {
                assert_eq!((refusal.text.as_str(), refusal.recorded), (name, recorded));
                let words = refusal.to_string();
                assert!(
                    words.contains(refusal.field) && words.contains(name),
                    "{words}"
                );
            }
        }
    }
    let covering = json!({"spec": {"dataStoreSchema": "kamaji.clastix.io"}});
    assert_eq!(refused(covering).unwrap().field, "spec.dataStoreSchema");
}

#[test]
fn a_binding_is_recorded_only_in_the_datastores_of_the_status() {
    let recorded = |changes, name: &str| {
        let fixture = snapshot(changes);
        let tenant = Tenant::parse(&fixture.object).unwrap();
        let store = ResolvedDataStore {
            name: name.to_owned(),
            ..store()
        };
        bind(&tenant, &store, None, &fixture).unwrap().recorded
    };
    assert!(!recorded(json!({}), "default"));
    let storage = json!({
        "dataStoreName": "default",
        "setup": {"schema": "s", "user": "u"},
        "overrides": [{"resource": "/events", "dataStore": "events", "schema": "s", "user": "u"}],
    });
    for (name, is) in [("default", true), ("events", true), ("other", false)] {
        assert_eq!(
            recorded(json!({"status": {"storage": storage}}), name),
            is,
            "{name}"
        );
    }
}

#[test]
fn a_name_that_kine_cannot_reach_is_refused_before_anything_is_created_under_it() {
    let fixture = snapshot(json!({"spec": {"dataStoreSchema": "Demo"}}));
    let tenant = Tenant::parse(&fixture.object).unwrap();
    let at = |driver| {
        let store = ResolvedDataStore { driver, ..store() };
        bind(&tenant, &store, None, &fixture).err()
    };
    let refusal = at(Driver::PostgreSql).unwrap();
    assert_eq!(refusal.field, "spec.dataStoreSchema");
    assert!(
        refusal.to_string().contains("capital letter 'D'"),
        "{refusal}"
    );
    assert_eq!(at(Driver::Etcd), None);
}
