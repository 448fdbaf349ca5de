//! Tenants and facts for the tests of admission.

use kamaji_api::{datastore::Driver, tenant::TenantControlPlane};
use serde_json::{Value, json};

use super::{Claim, Facts, Request, validate};

/// The smallest tenant, as JSON, with `changes` merged into its spec.
pub fn raw(changes: Value) -> Value {
    let mut object = json!({
        "apiVersion": "kamaji.clastix.io/v1alpha1",
        "kind": "TenantControlPlane",
        "metadata": {"name": "demo", "namespace": "apps"},
        "spec": {
            "controlPlane": {"service": {"serviceType": "ClusterIP"}},
            "kubernetes": {"version": "v1.35.1", "kubelet": {}},
        },
    });
    merge(&mut object["spec"], changes);
    object
}

/// The same, typed.
pub fn tenant(changes: Value) -> TenantControlPlane {
    serde_json::from_value(raw(changes)).expect("a tenant")
}

/// The same with a status.
pub fn running(changes: Value, status: Value) -> TenantControlPlane {
    let mut object = raw(changes);
    object["status"] = status;
    serde_json::from_value(object).expect("a tenant with a status")
}

fn merge(into: &mut Value, changes: Value) {
    match (into, changes) {
        (Value::Object(into), Value::Object(changes)) => {
            for (key, value) in changes {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, changes) => *into = changes,
    }
}

/// A management cluster with a few DataStores, the Gateway API and another tenant.
pub fn facts() -> Facts {
    let stores = [
        ("default", Driver::Etcd),
        ("events", Driver::Etcd),
        ("pg", Driver::PostgreSql),
        ("my", Driver::MySql),
        ("nats", Driver::Nats),
        ("nats-free", Driver::Nats),
    ];
    Facts {
        data_stores: stores
            .map(|(name, driver)| (name.to_owned(), driver))
            .into(),
        default_data_store: Some("default".to_owned()),
        tls_routes: true,
        claims: vec![Claim {
            namespace: "apps".to_owned(),
            name: "neighbour".to_owned(),
            schema: "theirs".to_owned(),
            user: "them".to_owned(),
            data_store: Some("nats".to_owned()),
        }],
    }
}

/// Warnings or refusals when the smallest tenant with `changes` is created.
pub fn create(changes: Value) -> Result<Vec<String>, Vec<String>> {
    evaluate(&tenant(changes), None)
}

/// Warnings or refusals when `old` is updated to `new`.
pub fn update(old: Value, new: Value) -> Result<Vec<String>, Vec<String>> {
    evaluate(&tenant(new), Some(&tenant(old)))
}

pub fn evaluate(
    new: &TenantControlPlane,
    old: Option<&TenantControlPlane>,
) -> Result<Vec<String>, Vec<String>> {
    validate(&Request {
        new,
        old,
        facts: &facts(),
    })
    .map_err(|refusals| refusals.iter().map(ToString::to_string).collect())
}

/// Asserts that each change is accepted without a warning.
pub fn all_pass(changes: impl IntoIterator<Item = Value>) {
    for change in changes {
        assert_eq!(create(change.clone()), Ok(Vec::new()), "{change}");
    }
}

/// Asserts that each change is refused for exactly one reason, with the words in it.
pub fn all_refused<'a>(changes: impl IntoIterator<Item = (Value, &'a str)>) {
    for (change, words) in changes {
        let refusals = create(change.clone()).expect_err(&change.to_string());
        assert!(
            refusals.len() == 1 && refusals[0].contains(words),
            "{change} should be refused once, for {words:?}: {refusals:#?}"
        );
    }
}

/// Asserts that each change is accepted with exactly one warning, with the words in it.
pub fn all_warned<'a>(changes: impl IntoIterator<Item = (Value, &'a str)>) {
    for (change, words) in changes {
        let warnings = create(change.clone()).expect("accepted");
        assert!(
            warnings.len() == 1 && warnings[0].contains(words),
            "{change} should bring one warning, of {words:?}: {warnings:#?}"
        );
    }
}
