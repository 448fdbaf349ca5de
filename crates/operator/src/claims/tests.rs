use kamaji_api::owner::Owner;
use serde_json::json;

use super::*;

fn store(name: &str, endpoints: &[&str]) -> ResolvedDataStore {
    ResolvedDataStore {
        name: name.to_owned(),
        driver: Driver::Etcd,
        endpoints: endpoints.iter().map(|text| (*text).to_owned()).collect(),
        tls: None,
        basic_auth: None,
        without_access_control: false,
        adopted_clusters: Vec::new(),
    }
}

fn binding(schema: &str, user: &str, recorded: bool) -> Binding {
    Binding {
        schema: schema.to_owned(),
        user: user.to_owned(),
        password: String::new(),
        connection: String::new(),
        owner: Owner::default(),
        recorded,
        adopts: None,
        part: Vec::new(),
        access: kamaji_core::binding::Access::ReadWrite,
    }
}

fn object(name: &str, storage: serde_json::Value) -> TenantControlPlane {
    serde_json::from_value(json!({
        "metadata": {"name": name, "namespace": "ns"},
        "spec": {
            "controlPlane": {"deployment": {}, "service": {"serviceType": "ClusterIP"}},
            "kubernetes": {"version": "v1.36.3", "kubelet": {}},
        },
        "status": {"storage": storage},
    }))
    .unwrap()
}

#[test]
fn name_belongs_to_the_first_tenant_in_every_data_store_of_one_etcd() {
    let claims = Claims::default();
    let (one, two) = (ObjectKey::new("ns", "one"), ObjectKey::new("ns", "two"));
    let etcd = store("etcd", &["a:1", "b:1"]);
    assert_eq!(claims.claim(&one, &etcd, &binding("s", "u", false)), None);
    assert_eq!(claims.claim(&one, &etcd, &binding("s", "u", false)), None);
    let same = store("the-same", &["b:1", "a:1"]);
    for other in [binding("s", "v", false), binding("t", "u", false)] {
        assert_eq!(claims.claim(&two, &same, &other), Some(one.clone()));
    }
    let another = store("another", &["c:1"]);
    assert_eq!(
        claims.claim(&two, &another, &binding("s", "u", false)),
        None
    );
    claims.forget(&one);
    assert_eq!(claims.claim(&two, &etcd, &binding("s", "u", false)), None);
}

#[test]
fn recorded_name_wins_over_an_unrecorded_one() {
    let claims = Claims::default();
    let (one, two) = (ObjectKey::new("ns", "one"), ObjectKey::new("ns", "two"));
    let etcd = store("etcd", &["a:1"]);
    assert_eq!(claims.claim(&two, &etcd, &binding("s", "v", false)), None);
    let storage = json!({"dataStoreName": "etcd", "setup": {"schema": "s", "user": "u"}});
    claims.recall(&one, &etcd, &object("one", storage));
    assert_eq!(
        claims.claim(&two, &etcd, &binding("s", "v", false)),
        Some(one.clone())
    );
    assert_eq!(claims.claim(&one, &etcd, &binding("s", "u", true)), None);
    // Of two that are recorded the first stays.
    assert_eq!(
        claims.claim(&two, &etcd, &binding("s", "v", true)),
        Some(one)
    );
}

#[test]
fn nats_takes_one_tenant_whatever_the_names_and_the_data_store() {
    let claims = Claims::default();
    let (one, two) = (ObjectKey::new("ns", "one"), ObjectKey::new("ns", "two"));
    let nats = |name| ResolvedDataStore {
        driver: Driver::Nats,
        ..store(name, &["n:4222"])
    };
    assert_eq!(
        claims.claim(&one, &nats("a"), &binding("s", "u", false)),
        None
    );
    let other = binding("t", "v", false);
    assert_eq!(claims.claim(&two, &nats("b"), &other), Some(one.clone()));
    claims.forget(&one);
    assert_eq!(claims.claim(&two, &nats("b"), &other), None);
}
