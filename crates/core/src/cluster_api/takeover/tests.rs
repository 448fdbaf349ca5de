use super::*;

fn object(entries: Value) -> Value {
    json!({"apiVersion": "kamaji.clastix.io/v1alpha1", "metadata": {"managedFields": entries}})
}

fn entry(manager: &str, operation: &str, fields: Value) -> Value {
    json!({
        "manager": manager, "operation": operation, "apiVersion": "kamaji.clastix.io/v1alpha1",
        "fieldsType": "FieldsV1", "fieldsV1": fields,
    })
}

#[test]
fn removable_fields_are_taken_over_and_the_datastore_binding_is_not() {
    let fields = json!({
        "f:metadata": {"f:labels": {".": {}, "f:team": {}}},
        "f:spec": {
            "f:controlPlane": {"f:ingress": {"f:hostname": {}}},
            "f:dataStoreSchema": {},
            "f:networkProfile": {"f:address": {}, "f:port": {}},
        },
    });
    let person = entry(
        "kubectl-edit",
        "Update",
        json!({"f:spec": {"f:addons": {}}}),
    );
    let before = json!([entry("manager", "Update", fields), person]);
    let after = managed_fields(&object(before), "us").unwrap();
    let rest = json!({"f:spec": {"f:dataStoreSchema": {}, "f:networkProfile": {"f:port": {}}}});
    let ours = json!({
        "f:metadata": {"f:labels": {".": {}, "f:team": {}}},
        "f:spec": {
            "f:controlPlane": {"f:ingress": {"f:hostname": {}}},
            "f:networkProfile": {"f:address": {}},
        },
    });
    assert_eq!(
        after,
        json!([
            entry("manager", "Update", rest),
            person,
            entry("us", "Apply", ours)
        ])
    );
    assert_eq!(managed_fields(&object(after), "us"), None, "once is enough");
}

#[test]
fn fields_of_the_status_and_of_other_managers_are_not_taken_over() {
    let fields = json!({"f:spec": {"f:addons": {}}});
    let mut status = entry("manager", "Update", fields.clone());
    status["subresource"] = json!("status");
    let others = json!([
        status,
        entry("kamaji", "Update", fields.clone()),
        entry("manager", "Apply", fields)
    ]);
    assert_eq!(managed_fields(&object(others), "us"), None);
    assert_eq!(managed_fields(&json!({"metadata": {}}), "us"), None);
}

#[test]
fn fields_that_were_applied_before_stay_applied() {
    let written = entry(
        "manager",
        "Update",
        json!({"f:spec": {"f:addons": {"f:a": {}}}}),
    );
    let applied = entry("us", "Apply", json!({"f:spec": {"f:addons": {"f:b": {}}}}));
    let after = managed_fields(&object(json!([written, applied])), "us").unwrap();
    let both = json!({"f:spec": {"f:addons": {"f:a": {}, "f:b": {}}}});
    assert_eq!(after, json!([entry("us", "Apply", both)]));
}
