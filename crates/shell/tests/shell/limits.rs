//! Tests of the limits in the CustomResourceDefinitions: what is refused, with which messages, and that an object
//! stored beyond a limit can be changed in other fields.

use std::time::Duration;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};

use crate::support::server;

/// Removes the limits from a schema, as before they were introduced.
fn unbounded(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            for key in ["maxItems", "maxLength", "maxProperties"] {
                if map.get(key).is_some_and(Value::is_u64) {
                    map.remove(key);
                }
            }
            map.values_mut().for_each(unbounded);
        }
        Value::Array(items) => items.iter_mut().for_each(unbounded),
        _ => {}
    }
}

/// Applies all CustomResourceDefinitions. The API server accepts them only if the estimated cost of each rule is low.
async fn define(client: &Client, bounded: bool) {
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    for (name, mut crd) in kamaji_api::crd::all() {
        // No webhook serves the conversion here.
        crd["spec"].as_object_mut().unwrap().remove("conversion");
        if !bounded {
            for version in crd["spec"]["versions"].as_array_mut().unwrap() {
                let schema = &mut version["schema"]["openAPIV3Schema"];
                unbounded(schema);
                // Rules over strings and lists without a limit are refused for their estimated cost.
                without_rules(schema);
            }
        }
        let params = PatchParams::apply("test").force();
        api.patch(&name, &params, &Patch::Apply(&crd))
            .await
            .unwrap();
    }
}

fn without_rules(schema: &mut Value) {
    if let Value::Object(map) = schema {
        map.remove("x-kubernetes-validations");
        map.values_mut().for_each(without_rules);
    }
}

fn api(client: &Client, kind: &str) -> Api<DynamicObject> {
    let resource = ApiResource {
        group: "kamaji.clastix.io".to_owned(),
        version: "v1alpha1".to_owned(),
        api_version: "kamaji.clastix.io/v1alpha1".to_owned(),
        kind: kind.to_owned(),
        plural: format!("{}s", kind.to_lowercase()),
    };
    match kind {
        "DataStore" => Api::all_with(client.clone(), &resource),
        _ => Api::namespaced_with(client.clone(), "default", &resource),
    }
}

/// Creates an object once the API server serves its definition. Returns the message of a refusal.
async fn create(client: &Client, object: &Value) -> Result<(), String> {
    let kind = object["kind"].as_str().unwrap();
    let parsed: DynamicObject = serde_json::from_value(object.clone()).unwrap();
    for _ in 0..100 {
        match api(client, kind)
            .create(&PostParams::default(), &parsed)
            .await
        {
            Ok(_) => return Ok(()),
            Err(kube::Error::Api(status)) if status.code != 404 => {
                return Err(status.message.clone());
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
    Err("the definition is not served".to_owned())
}

fn tenant(name: &str, changes: &Value) -> Value {
    let mut object = json!({
        "apiVersion": "kamaji.clastix.io/v1alpha1", "kind": "TenantControlPlane",
        "metadata": {"name": name},
        "spec": {
            "controlPlane": {"deployment": {"replicas": 1}, "service": {"serviceType": "ClusterIP"}},
            "kubernetes": {"version": "v1.33.0", "kubelet": {"cgroupfs": "systemd"}},
            "networkProfile": {},
        },
    });
    json_patch::merge(&mut object["spec"], changes);
    object
}

fn names(count: usize) -> Value {
    json!({"networkProfile": {"certSANs": (0..count).map(|n| format!("n{n}.example.com")).collect::<Vec<_>>()}})
}

async fn change(client: &Client, name: &str, spec: Value) -> Result<(), String> {
    let patch = Patch::Merge(json!({ "spec": spec }));
    let api = api(client, "TenantControlPlane");
    let changed = api.patch(name, &PatchParams::default(), &patch).await;
    changed.map(drop).map_err(|error| error.to_string())
}

#[tokio::test]
async fn an_object_stored_beyond_a_limit_can_be_changed_in_other_fields() {
    let server = server().await;
    let client = server.client().await.unwrap();
    define(&client, false).await;
    let patches: Vec<Value> = (0..100)
        .map(|n| json!({"op": "add", "path": format!("/x{n}"), "value": n}))
        .collect();
    let mut long = names(300);
    long["kubernetes"] = json!({"kubelet": {"configurationJSONPatches": patches}});
    long["controlPlane"] = json!({"deployment": {"extraArgs": {"apiServer": ["--a=".to_owned() + &"x".repeat(5000)]}}});
    create(&client, &tenant("long", &long)).await.unwrap();

    define(&client, true).await;
    // The API server enforces a changed schema after a moment.
    let mut refused = Ok(());
    for number in 0..100 {
        refused = create(&client, &tenant(&format!("new{number}"), &names(300))).await;
        if refused.is_err() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let text = refused.expect_err("more names than the limit");
    assert!(
        text.contains("spec.networkProfile.certSANs: Too many: 300"),
        "{text}"
    );
    create(&client, &tenant("fits", &names(256))).await.unwrap();

    change(
        &client,
        "long",
        json!({"controlPlane": {"deployment": {"replicas": 2}}}),
    )
    .await
    .expect("another field");
    let text = change(&client, "long", names(301))
        .await
        .expect_err("the same field");
    assert!(text.contains("certSANs"), "{text}");
    change(&client, "long", names(3))
        .await
        .expect("within the limit");
}

/// A `DataStore` of etcd with these changes of its spec.
fn store(changes: Value) -> Value {
    let secret = json!({"secretReference": {"name": "s", "namespace": "default", "keyPath": "k"}});
    let mut object = json!({
        "apiVersion": "kamaji.clastix.io/v1alpha1", "kind": "DataStore",
        "metadata": {"name": "d"},
        "spec": {
            "driver": "etcd", "endpoints": ["[2001:db8::5]:2379", "etcd:2379"],
            "tlsConfig": {
                "certificateAuthority": {"certificate": secret, "privateKey": secret},
                "clientCertificate": {"certificate": secret, "privateKey": secret},
            },
        },
    });
    json_patch::merge(&mut object["spec"], &changes);
    object
}

#[tokio::test]
async fn an_invalid_route_range_or_endpoint_is_refused_with_a_message_about_the_field() {
    let server = server().await;
    let client = server.client().await.unwrap();
    define(&client, true).await;
    let parent = |parent: Value| {
        tenant(
            "t",
            &json!({"controlPlane": {"gateway": {"hostname": "a.example.com", "parentRefs": [parent]}}}),
        )
    };
    let table = [
        (
            store(json!({"endpoints": ["2001:db8::5:2379"]})),
            "an IPv6 address in endpoints needs brackets",
        ),
        (
            store(json!({"endpoints": vec!["etcd:2379"; 65]})),
            "spec.endpoints: Too many",
        ),
        (
            tenant(
                "t",
                &json!({"networkProfile": {"podCidrs": ["10.1.0.0/16", "10.2.0.0/16"]}}),
            ),
            "podCidrs has two ranges of one family",
        ),
        (
            tenant(
                "t",
                &json!({"networkProfile": {"serviceCidrs": ["fd00::/112", "fd01::/112"]}}),
            ),
            "serviceCidrs has two ranges of one family",
        ),
        (
            parent(json!({"name": "g", "port": 70_000})),
            "parentRefs[0].port",
        ),
        (
            parent(json!({"name": "g", "namespace": "No Name"})),
            "parentRefs[0].namespace",
        ),
        (
            parent(json!({"name": "g".repeat(254)})),
            "parentRefs[0].name",
        ),
        (
            parent(json!({"name": "g", "kind": "1"})),
            "parentRefs[0].kind",
        ),
        (
            parent(json!({"name": "g", "group": "a_b"})),
            "parentRefs[0].group",
        ),
        (
            parent(json!({"name": "g", "sectionName": ""})),
            "parentRefs[0].sectionName",
        ),
    ];
    for (object, words) in table {
        let text = create(&client, &object).await.expect_err(words);
        assert!(text.contains(words), "{text}");
    }
    create(&client, &store(json!({}))).await.unwrap();
    let dual = json!({"networkProfile": {"podCidrs": ["10.1.0.0/16", "fd01::/64"]}});
    create(&client, &tenant("dual", &dual)).await.unwrap();
}

#[tokio::test]
async fn a_data_store_of_etcd_without_the_key_of_its_ca_is_refused_with_the_own_message_first() {
    let server = server().await;
    let client = server.client().await.unwrap();
    define(&client, true).await;
    // The own message comes first; errors of upstream's rules follow.
    let mut without = store(json!({}));
    without["metadata"]["name"] = json!("e");
    let authority = without["spec"]["tlsConfig"]["certificateAuthority"].as_object_mut();
    authority.unwrap().remove("privateKey");
    let text = create(&client, &without).await.expect_err("no key");
    let (own, engine) = (
        text.find("driver etcd needs tlsConfig.certificateAuthority.privateKey"),
        text.find("no such key"),
    );
    assert!(
        own.is_some() && engine.is_none_or(|engine| own < Some(engine)),
        "{text}"
    );
}
