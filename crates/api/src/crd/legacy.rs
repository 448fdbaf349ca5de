//! Version v1alpha1 of the provider's definitions: the fields of v1alpha2, with the names of the
//! old contract beside them. Upstream up to 0.19 had this version, and Cluster API up to 1.10 reads
//! it.

use serde_json::{Map, Value, json};

const WARNING: &str = "controlplane.cluster.x-k8s.io/v1alpha1 is deprecated; write v1alpha2";

/// Members of a version's schema.
const SCHEMA: &str = "/schema/openAPIV3Schema/properties";

/// Serves v1alpha1 beside the stored version of a definition.
pub(super) fn serve(definition: &mut Value) {
    let Some(versions) = definition["spec"]["versions"].as_array_mut() else {
        return;
    };
    let Some(mut old) = versions.first().cloned() else {
        return;
    };
    old["name"] = json!("v1alpha1");
    old["storage"] = json!(false);
    old["deprecated"] = json!(true);
    old["deprecationWarning"] = json!(WARNING);
    for column in old["additionalPrinterColumns"]
        .as_array_mut()
        .into_iter()
        .flatten()
    {
        if column["name"] == "Initialized" {
            column["jsonPath"] = json!(".status.initialized");
        }
    }
    add_status_fields(&mut old);
    // Upstream wrote empty members where there was no endpoint.
    let endpoint = format!("{SCHEMA}/spec/properties/controlPlaneEndpoint");
    for (member, limit) in [
        ("", "minProperties"),
        ("/properties/host", "minLength"),
        ("/properties/port", "minimum"),
    ] {
        if let Some(member) = members(&mut old, &format!("{endpoint}{member}")) {
            member.remove(limit);
        }
    }
    versions.push(old);
}

/// Adds the fields of the old contract to the status.
fn add_status_fields(version: &mut Value) {
    let Some(status) = members(version, &format!("{SCHEMA}/status/properties")) else {
        return;
    };
    let flag = json!({"type": "boolean", "description": "True once the API server could be used; it stays true."});
    status.insert("initialized".to_owned(), flag);
    for (key, text) in [
        (
            "updatedReplicas",
            "Number of pods of the newest pod template.",
        ),
        (
            "unavailableReplicas",
            "Number of pods that are wanted and not available.",
        ),
    ] {
        let number = json!({"type": "integer", "format": "int32", "description": text});
        status.insert(key.to_owned(), number);
    }
}

fn members<'a>(value: &'a mut Value, path: &str) -> Option<&'a mut Map<String, Value>> {
    value.pointer_mut(path)?.as_object_mut()
}
