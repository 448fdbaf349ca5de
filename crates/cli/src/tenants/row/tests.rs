use std::collections::BTreeMap;

use serde_json::json;

use super::*;

fn now() -> Timestamp {
    "2026-03-01T00:00:00Z".parse().unwrap()
}

fn object() -> Value {
    json!({
        "apiVersion": "kamaji.clastix.io/v1alpha1", "kind": "TenantControlPlane",
        "metadata": {"namespace": "ns", "name": "one", "uid": "u", "creationTimestamp": "2026-02-19T00:00:00Z"},
        "spec": {
            "controlPlane": {"deployment": {"replicas": 2}, "service": {"serviceType": "ClusterIP"}},
            "kubernetes": {"version": "v1.36.3", "kubelet": {}},
        },
        "status": {
            "controlPlaneEndpoint": "192.0.2.1:6443",
            "conditions": [{
                "type": "Ready", "status": "False", "reason": "NoReplicaReady", "message": "m",
                "lastTransitionTime": "2026-02-19T00:00:00Z",
            }],
            "kubernetesResources": {"version": {"version": "v1.35.1", "status": "Upgrading"}},
            "storage": {
                "dataStoreName": "default", "driver": "etcd", "setup": {"schema": "s"},
                "usage": {"keys": 812, "bytes": 5_300_000},
            },
        },
    })
}

fn cells(object: &Value, ends: Option<&Ends>) -> BTreeMap<&'static str, String> {
    let columns = Columns {
        namespace: true,
        wide: true,
    };
    let facts = Facts { ends, now: now() };
    let row = columns.row(object, &facts);
    let texts = row.iter().map(|cell| cell.text().to_owned());
    columns.head().into_iter().zip(texts).collect()
}

#[test]
fn a_row_shows_rollout_storage_and_nearest_end() {
    let ends = Ends::from([("u".to_owned(), "2026-06-01T00:00:00Z".parse().unwrap())]);
    let row = cells(&object(), Some(&ends));
    let expected = [
        ("NAMESPACE", "ns"),
        ("NAME", "one"),
        ("VERSION", "v1.35.1 -> v1.36.3"),
        ("STATUS", "Upgrading"),
        ("ENDPOINT", "192.0.2.1:6443"),
        ("DATASTORE", "default"),
        ("AGE", "10d"),
        ("EXPIRES", "92d"),
        ("KEYS", "812"),
        ("BYTES", "5MiB"),
        ("REASON", "NoReplicaReady"),
        ("DRIVER", "etcd"),
        ("SCHEMA", "s"),
        ("REPLICAS", "0/2"),
        ("UID", "u"),
    ];
    for (column, text) in expected {
        assert_eq!(row[column], text, "{column}");
    }
}

#[test]
fn deletion_pause_and_missing_facts_are_shown() {
    let mut object = object();
    assert_eq!(cells(&object, None)["EXPIRES"], "?");
    assert_eq!(cells(&object, Some(&Ends::new()))["EXPIRES"], "-");
    let past = Ends::from([("u".to_owned(), "2026-02-28T21:00:00Z".parse().unwrap())]);
    assert_eq!(cells(&object, Some(&past))["EXPIRES"], "ended 3h ago");
    object["metadata"]["annotations"] = json!({"kamaji.clastix.io/paused": ""});
    assert_eq!(cells(&object, None)["STATUS"], "Upgrading (paused)");
    object["metadata"]["deletionTimestamp"] = json!("2026-03-01T00:00:00Z");
    assert_eq!(cells(&object, None)["STATUS"], "Deleting");
}

#[test]
fn an_object_that_cannot_be_read_still_has_a_row() {
    let row = cells(&json!({"metadata": {"name": "x"}, "spec": 3}), None);
    assert_eq!(row["NAME"], "x");
    assert_eq!(row["STATUS"], "Unreadable");
}

#[test]
fn what_a_tenant_writes_into_its_object_cannot_act_on_the_terminal() {
    let mut object = object();
    object["spec"]["kubernetes"]["version"] = json!("v1\u{1b}[2J\n");
    let row = cells(&object, None);
    assert_eq!(row["VERSION"], "v1.35.1 -> v1\\u{1b}[2J\\n");
}
