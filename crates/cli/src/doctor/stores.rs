//! Check of the DataStores by their conditions.

use kamaji_api::{
    condition::{self, ACCESS_CONTROL, DATA_STORE_AVAILABLE, DATA_STORE_VALID},
    datastore::DataStore,
};
use kube::{Api, api::ListParams};

use crate::access::Access;

use super::finding::{Finding, Level};

/// Looks at up to 500 DataStores.
pub async fn check(access: &Access) -> anyhow::Result<Vec<Finding>> {
    let api: Api<DataStore> = Api::all(access.client());
    let page = ListParams::default().limit(500);
    let found = access.call("listing DataStores", api.list(&page)).await?;
    if found.items.is_empty() {
        let text = "there is no DataStore: tenants wait until one is created";
        return Ok(vec![Finding::new(Level::Hint, "datastores", text)]);
    }
    Ok(found.items.iter().map(store).collect())
}

fn store(store: &DataStore) -> Finding {
    let name = store.metadata.name.as_deref().unwrap_or_default();
    let what = "datastores";
    let Some(status) = &store.status else {
        let text = format!("{name} has no status yet: does the operator run?");
        return Finding::new(Level::Failed, what, &text);
    };
    for type_ in [DATA_STORE_VALID, DATA_STORE_AVAILABLE, ACCESS_CONTROL] {
        let found = condition::find(&status.conditions, type_);
        let Some(bad) = found.filter(|condition| condition.status != "True") else {
            continue;
        };
        let level = match bad.reason.as_str() {
            "Accepted" => Level::Hint,
            _ => Level::Failed,
        };
        return Finding::new(
            level,
            what,
            &format!("{name}: {}: {}", bad.reason, bad.message),
        );
    }
    if !status.ready {
        return Finding::new(Level::Failed, what, &format!("{name} is not ready"));
    }
    let probe = status.probe.as_ref().map_or_else(String::new, |probe| {
        format!(", {} within {}", probe.version, probe.latency)
    });
    Finding::new(Level::Ok, what, &format!("{name} is ready{probe}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn found(status: Value) -> (Level, String) {
        let object = serde_json::from_value(json!({
            "apiVersion": "kamaji.clastix.io/v1alpha1", "kind": "DataStore",
            "metadata": {"name": "one"},
            "spec": {"driver": "etcd", "endpoints": ["a:1"]},
            "status": status,
        }));
        let finding = store(&object.unwrap());
        let (level, text) = finding.parts();
        (level, text.to_owned())
    }

    fn condition(type_: &str, status: &str, reason: &str) -> Value {
        json!({
            "type": type_, "status": status, "reason": reason, "message": "because",
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        })
    }

    #[test]
    fn a_store_is_judged_by_its_conditions() {
        let answers = condition(DATA_STORE_AVAILABLE, "True", "Answers");
        let ready = json!({"ready": true, "conditions": [answers], "probe": {"latency": "5ms", "version": "etcd 3.6"}});
        assert_eq!(
            found(ready),
            (Level::Ok, "one is ready, etcd 3.6 within 5ms".to_owned())
        );
        let down = condition(DATA_STORE_AVAILABLE, "False", "CheckFailed");
        let (level, text) = found(json!({"ready": true, "conditions": [down]}));
        assert_eq!(
            (level, text.as_str()),
            (Level::Failed, "one: CheckFailed: because")
        );
        let open = condition(ACCESS_CONTROL, "False", "Accepted");
        assert_eq!(
            found(json!({"ready": true, "conditions": [open]})).0,
            Level::Hint
        );
        assert_eq!(found(json!({"ready": false})).0, Level::Failed);
    }
}
