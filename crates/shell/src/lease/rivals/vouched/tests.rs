use serde_json::{Value, json};

use super::*;

fn rule(value: Value) -> PolicyRule {
    serde_json::from_value(value).unwrap()
}

#[test]
fn a_role_counts_only_if_it_writes_the_status_of_every_tenant() {
    let (group, status) = ("kamaji.clastix.io", "tenantcontrolplanes/status");
    for (groups, resources, verbs, counts) in [
        (group, status, "patch", true),
        (group, status, "update", true),
        ("*", "*", "*", true),
        (group, status, "get", false),
        (group, "tenantcontrolplanes", "patch", false),
        (group, "datastores/status", "patch", false),
        ("apps", status, "patch", false),
        ("coordination.k8s.io", "leases", "update", false),
    ] {
        let found =
            rule(json!({"apiGroups": [groups], "resources": [resources], "verbs": [verbs]}));
        assert_eq!(writes_tenants(&found), counts, "{found:?}");
    }
    let one = rule(json!({
        "apiGroups": ["*"], "resources": ["*"], "verbs": ["*"], "resourceNames": ["mine"],
    }));
    assert!(!writes_tenants(&one), "one tenant is not all");
}

#[test]
fn the_namespace_of_a_subject_is_its_service_accounts() {
    let subject = |kind: &str, name: &str, namespace: Option<&str>| Subject {
        kind: kind.to_owned(),
        name: name.to_owned(),
        namespace: namespace.map(str::to_owned),
        api_group: None,
    };
    let of = |subject: Subject| namespace(&subject);
    let is = |name: &str| Some(name.to_owned());
    assert_eq!(of(subject("ServiceAccount", "a", Some("n"))), is("n"));
    assert_eq!(
        of(subject("User", "system:serviceaccount:n:a", None)),
        is("n")
    );
    assert_eq!(
        of(subject("Group", "system:serviceaccounts:n", None)),
        is("n")
    );
    assert_eq!(of(subject("Group", "system:serviceaccounts", None)), None);
    assert_eq!(of(subject("User", "admin", Some("n"))), None);
    assert_eq!(of(subject("ServiceAccount", "a", None)), None);
}
