use serde_json::json;

use super::*;

fn whole() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Secret", "type": "Opaque", "data": {"a": "YQ=="}, "status": {"list": [1, null, {"b": false}]},
        "metadata": {
            "annotations": {"managedFields": "fieldsV1"}, "creationTimestamp": "2026-01-02T03:04:05Z",
            "deletionGracePeriodSeconds": 3, "deletionTimestamp": "2026-01-02T03:04:06Z", "finalizers": ["f"],
            "generateName": "n-", "generation": 7, "labels": {"l": "v"}, "name": "n", "namespace": "s",
            "ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "o", "uid": "u", "controller": true}],
            "resourceVersion": "12", "uid": "abc",
        },
    })
}

#[test]
fn an_object_is_read_as_kube_reads_it_but_for_the_trees_of_fields() {
    let mut text = whole();
    text["metadata"]["managedFields"] = json!([{
        "apiVersion": "v1", "manager": "kamaji", "operation": "Apply", "subresource": "status",
        "fieldsType": "FieldsV1", "fieldsV1": {"f:data": {"f:a": {}}}, "time": "2026-01-02T03:04:05Z",
    }]);
    let mut expected: DynamicObject = serde_json::from_value(text.clone()).unwrap();
    let entries = expected.metadata.managed_fields.iter_mut().flatten();
    for entry in entries {
        (entry.fields_v1, entry.fields_type, entry.time) = (None, None, None);
    }
    let read: Received = serde_json::from_str(&text.to_string()).unwrap();
    assert_eq!(read.0, expected);
    let metadata: Metadata = serde_json::from_value(text).unwrap();
    assert_eq!(metadata.0, read.0);
}

#[test]
fn an_object_without_type_or_with_empty_metadata_is_read() {
    for text in [
        json!({"metadata": {"name": "n", "managedFields": null}, "items": []}),
        json!({"metadata": null, "kind": "X", "apiVersion": null}),
        json!({}),
    ] {
        let read: Received = serde_json::from_value(text.clone()).unwrap();
        assert_eq!(read.0.types, None, "{text}");
        assert_eq!(read.0.metadata.name.is_some(), text["items"].is_array());
        assert_eq!(read.0.data.get("items"), text.get("items"));
    }
}

#[test]
fn what_is_no_object_is_an_error() {
    for text in [
        "[]",
        "7",
        r#"{"metadata": 7}"#,
        r#"{"metadata": {"labels": [1]}}"#,
        r#"{"kind": 7}"#,
    ] {
        assert!(serde_json::from_str::<Received>(text).is_err(), "{text}");
    }
}

#[test]
fn requests_for_metadata_name_the_same_resource() {
    let resource = ApiResource::erase::<k8s_openapi::api::core::v1::Secret>(&());
    assert_eq!(
        Metadata::url_path(&resource, Some("n")),
        <Received>::url_path(&resource, Some("n"))
    );
    assert!(Metadata::metadata_api() && !<Received>::metadata_api());
}
