use serde_json::json;

use super::*;
use crate::plan::fixture::{store, tenant};

fn bound(live: Option<(&Data, &str)>) -> Binding {
    let tenant = Tenant::parse(&tenant(json!({}))).unwrap();
    bind(&tenant, &store(), live, &Seed::from_text("test"))
}

#[test]
fn a_password_is_kept_as_long_as_its_checksum_vouches_for_it() {
    let mut data = bound(None).data();
    data.insert("DB_PASSWORD".to_owned(), b"kept".to_vec());
    let stamp = checksum::map(&data);
    assert_eq!(bound(Some((&data, &stamp))).password, "kept");
    assert_ne!(bound(Some((&data, "tampered"))).password, "kept");
}

#[test]
fn etcd_needs_no_connection_string_and_others_take_the_first_endpoint() {
    assert_eq!(bound(None).connection, "");
    let tenant = Tenant::parse(&tenant(json!({}))).unwrap();
    let store = Store {
        driver: Driver::PostgreSql,
        endpoints: vec!["db:5432".to_owned(), "other:5432".to_owned()],
        ..store()
    };
    assert_eq!(
        bind(&tenant, &store, None, &Seed::from_text("test")).connection,
        "db:5432"
    );
}

#[test]
fn a_binding_does_not_show_its_password() {
    let binding = bound(None);
    assert!(!format!("{binding:?}").contains(&binding.password));
}
