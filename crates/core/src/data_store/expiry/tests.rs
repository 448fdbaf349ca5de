use std::{collections::BTreeSet, time::Duration};

use kamaji_api::condition;

use super::*;
use crate::{
    data_store::status::{Facts, Health, plan},
    plan::fixture::store,
};

const DAY: Duration = Duration::from_hours(24);

#[test]
fn a_datastore_warns_before_its_authority_ends_and_stays_ready() {
    let store = store();
    let all = expiries(&store);
    assert_eq!(all.len(), 1, "it has no client certificate: {all:?}");
    let resolved = Ok(store);
    let valid = |now: Timestamp| {
        let object = serde_json::from_value(serde_json::json!({
            "apiVersion": "kamaji.clastix.io/v1alpha1",
            "kind": "DataStore",
            "metadata": {"name": "default"},
            "spec": {"driver": "etcd", "endpoints": ["172.30.0.1:2379"]},
        }));
        let facts = Facts {
            used_by: &BTreeSet::new(),
            resolved: &resolved,
            health: &Health::Unknown,
            probe: None,
        };
        let plan = plan(&object.unwrap(), facts, now);
        assert!(plan.status.ready);
        let found = condition::find(&plan.status.conditions, condition::DATA_STORE_VALID).cloned();
        let found = found.unwrap();
        assert_eq!(found.status, "True");
        (found.reason, found.message)
    };
    assert_eq!(valid(all[0].notice - DAY).0, "DataStoreIsValid");
    let (reason, message) = valid(all[0].notice);
    assert_eq!(reason, "CertificateExpiring");
    assert!(message.contains(&all[0].ends.to_string()), "{message}");
    assert_eq!(
        valid(all[0].notice + DAY).1,
        message,
        "nothing is written each day"
    );
}
