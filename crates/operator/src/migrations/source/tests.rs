use kamaji_api::owner::Owner;
use serde_json::{Value, json};

use super::*;

/// A tenant with its data in `gold`, and a migration from there that has this fence.
fn tenant(fence: Value) -> TenantControlPlane {
    let object = json!({
        "apiVersion": "kamaji.clastix.io/v1alpha1",
        "kind": "TenantControlPlane",
        "metadata": {"name": "a", "namespace": "tenants", "uid": "t"},
        "spec": {
            "dataStore": "silver",
            "controlPlane": {"deployment": {}, "service": {"serviceType": "ClusterIP"}},
            "kubernetes": {"version": "v1.37.2", "kubelet": {}},
        },
        "status": {"storage": {
            "dataStoreName": "gold", "driver": "etcd",
            "setup": {"schema": "s", "user": "u"},
            "migration": {
                "phase": "Copying", "source": "gold", "target": "silver", "attempts": 1, "prepared": false,
                "fence": fence,
            },
        }},
    });
    serde_json::from_value(object).unwrap()
}

fn binding(access: Access) -> Binding {
    Binding {
        schema: "s".to_owned(),
        user: "u".to_owned(),
        password: "of-the-tenant".to_owned(),
        connection: "10.0.0.5:5432".to_owned(),
        owner: Owner {
            cluster: "c".to_owned(),
            tenant: "t".to_owned(),
            ..Owner::default()
        },
        recorded: true,
        adopts: None,
        part: Vec::new(),
        access,
    }
}

#[test]
fn a_plan_of_before_a_fence_or_its_lift_is_not_confirmed() {
    let (write, read) = (binding(Access::ReadWrite), binding(Access::ReadOnly));
    let (free, fenced) = (tenant(Value::Null), tenant(json!("t/1")));
    for (live, binding, expected) in [
        (&free, &write, true),
        (&free, &read, false),
        (&fenced, &write, false),
        (&fenced, &read, true),
    ] {
        let found = gives(live, binding, ("gold", None));
        let fence = fence_of(live);
        assert_eq!(found, expected, "{:?} with {fence:?}", binding.access);
    }
    // Whoever is no longer in force there keeps no right to write.
    assert!(!gives(&free, &write, ("silver", None)));
    assert!(gives(&free, &read, ("silver", None)));
}

#[test]
fn a_plan_for_another_tenant_of_the_name_is_not_confirmed() {
    let mut other = tenant(Value::Null);
    other.metadata.uid = Some("later".to_owned());
    for access in [Access::ReadWrite, Access::ReadOnly] {
        assert!(!gives(&other, &binding(access), ("gold", None)));
    }
}
