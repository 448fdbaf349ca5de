use kamaji_api::datastore::Driver;
use serde_json::{Value, json};

use crate::{
    check::violations,
    data_store::{ResolvedDataStore, StoreTls},
    object::Kind,
    plan::{
        Plan, Step,
        fixture::{after, planned, snapshot, store},
        plan,
    },
    snapshot::Snapshot,
};

/// Snapshot of a new tenant in a database with TLS and a client certificate.
fn on(driver: Driver) -> Snapshot {
    Snapshot {
        store: Ok(database(driver)),
        ..snapshot(json!({"spec": {"dataStoreSchema": "demo", "dataStoreUsername": "demo"}}))
    }
}

fn database(driver: Driver) -> ResolvedDataStore {
    let etcd = store();
    ResolvedDataStore {
        driver,
        endpoints: vec!["db-0:5432".to_owned(), "db-1:5432".to_owned()],
        basic_auth: Some(("kamaji".to_owned(), "of-the-operator".to_owned())),
        tls: etcd.tls.map(|tls| StoreTls {
            client: Some((b"certificate".to_vec(), b"key".to_vec())),
            ..tls
        }),
        ..etcd
    }
}

fn position(plan: &Plan, name: &str) -> Option<usize> {
    plan.steps
        .iter()
        .position(|step| matches!(step, Step::Write(object) if object.key.name == name))
}

/// Data of a planned Secret as text.
fn data(plan: &Plan, name: &str) -> Value {
    let secret = &planned(plan, name).body;
    let mut data = secret["data"].clone();
    for value in data
        .as_object_mut()
        .into_iter()
        .flat_map(|data| data.values_mut())
    {
        let bytes: k8s_openapi::ByteString = serde_json::from_value(value.take()).unwrap();
        *value = String::from_utf8(bytes.0).unwrap().into();
    }
    data
}

fn template(plan: &Plan) -> Value {
    let mut objects = plan.objects();
    let deployment = objects.find(|object| object.key.kind == Kind::Deployment);
    deployment.unwrap().body["spec"]["template"].clone()
}

/// Plan of the snapshot with another datastore, after the plan `before` was applied.
fn then(before: &Snapshot, first: &Plan, store: ResolvedDataStore) -> Plan {
    let mut next = after(before.clone(), first);
    next.store = Ok(store);
    plan(&next).unwrap()
}

#[test]
fn a_tenant_is_bound_between_its_password_and_whatever_reaches_the_database() {
    for driver in [Driver::PostgreSql, Driver::MySql, Driver::Nats] {
        let plan = plan(&on(driver)).unwrap();
        let config = position(&plan, "full-datastore-config").unwrap();
        let bind = plan
            .steps
            .iter()
            .position(|s| matches!(s, Step::Bind(..)))
            .unwrap();
        let certificate = position(&plan, "full-datastore-certificate").unwrap();
        let deployment = plan.steps.len() - 1;
        assert!(
            config < bind && bind < certificate && certificate < deployment,
            "{driver:?}"
        );
        assert_eq!(violations(&plan), Vec::<String>::new());
    }
}

#[test]
fn kine_gets_the_first_endpoint_the_tenants_own_user_and_the_certificates_of_the_datastore() {
    let plan = plan(&on(Driver::PostgreSql)).unwrap();
    let config = data(&plan, "full-datastore-config");
    assert_eq!(config["DB_CONNECTION_STRING"], "db-0:5432");
    assert_eq!(
        (&config["DB_SCHEMA"], &config["DB_USER"]),
        (&json!("demo"), &json!("demo"))
    );
    let password = config["DB_PASSWORD"].as_str().unwrap();
    assert_eq!(password.len(), 36, "a uuid needs no escape in a URL");
    let certificate = data(&plan, "full-datastore-certificate");
    assert_eq!(certificate["server.crt"], "certificate");
    assert_eq!(certificate["server.key"], "key");
    let keys: Vec<&String> = certificate.as_object().unwrap().keys().collect();
    assert_eq!(
        keys,
        ["ca.crt", "server.crt", "server.key"],
        "the CA's key stays with the operator"
    );
}

#[test]
fn a_password_stays_and_a_rotated_client_certificate_rolls_the_pods() {
    let before = on(Driver::MySql);
    let first = plan(&before).unwrap();
    let same = then(&before, &first, database(Driver::MySql));
    assert_eq!(template(&same), template(&first));
    let mut rotated = database(Driver::MySql);
    rotated.tls.as_mut().unwrap().client = Some((b"another".to_vec(), b"key".to_vec()));
    let second = then(&before, &first, rotated);
    assert_eq!(
        data(&second, "full-datastore-config"),
        data(&first, "full-datastore-config")
    );
    assert_ne!(template(&second)["metadata"], template(&first)["metadata"]);
    assert_eq!(template(&second)["spec"], template(&first)["spec"]);
}

#[test]
fn a_datastore_that_gives_up_tls_leaves_no_certificate_and_no_init_container() {
    let before = on(Driver::PostgreSql);
    let first = plan(&before).unwrap();
    assert_eq!(
        template(&first)["spec"]["initContainers"][0]["name"],
        "chmod"
    );
    let plain = ResolvedDataStore {
        tls: None,
        ..database(Driver::PostgreSql)
    };
    let second = then(&before, &first, plain);
    let left = data(&second, "full-datastore-certificate");
    assert!(
        left.as_object().is_none_or(serde_json::Map::is_empty),
        "{left}"
    );
    assert!(template(&second)["spec"].get("initContainers").is_none());
}

#[test]
fn a_tenant_in_nats_has_the_credentials_of_the_datastore_and_follows_them() {
    let before = on(Driver::Nats);
    let first = plan(&before).unwrap();
    let config = data(&first, "full-datastore-config");
    assert_eq!(
        (&config["DB_USER"], &config["DB_PASSWORD"]),
        (&json!("kamaji"), &json!("of-the-operator"))
    );
    assert_eq!(config["DB_SCHEMA"], "demo");
    let rotated = ResolvedDataStore {
        basic_auth: Some(("kamaji".to_owned(), "rotated".to_owned())),
        ..database(Driver::Nats)
    };
    let second = then(&before, &first, rotated);
    assert_eq!(
        data(&second, "full-datastore-config")["DB_PASSWORD"],
        "rotated"
    );
    assert_ne!(template(&second), template(&first));
}

#[test]
fn a_rotated_authority_of_the_datastore_reaches_kine_and_rolls_the_pods() {
    for driver in [Driver::PostgreSql, Driver::MySql, Driver::Nats] {
        let before = on(driver);
        let first = plan(&before).unwrap();
        let mut rotated = database(driver);
        rotated.tls.as_mut().unwrap().ca = b"another authority".to_vec();
        let second = then(&before, &first, rotated);
        let certificate = data(&second, "full-datastore-certificate");
        assert_eq!(certificate["ca.crt"], "another authority");
        assert_ne!(template(&second)["metadata"], template(&first)["metadata"]);
        assert_eq!(template(&second)["spec"], template(&first)["spec"]);
    }
}

#[test]
fn a_rotated_password_of_the_operator_changes_nothing_of_tenants_with_passwords_of_their_own() {
    for driver in [Driver::PostgreSql, Driver::MySql] {
        let before = on(driver);
        let first = plan(&before).unwrap();
        let rotated = ResolvedDataStore {
            basic_auth: Some(("kamaji".to_owned(), "rotated".to_owned())),
            ..database(driver)
        };
        let second = then(&before, &first, rotated);
        for secret in ["full-datastore-config", "full-datastore-certificate"] {
            assert_eq!(data(&second, secret), data(&first, secret));
        }
        assert_eq!(template(&second), template(&first));
    }
}
