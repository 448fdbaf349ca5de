use clap::Parser;
use kamaji_api::tenant::TenantControlPlane;
use serde_json::json;

use super::*;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    arguments: Arguments,
}

fn chosen(flags: &[&str], existing: Option<(&str, Option<&str>)>) -> Result<&'static str, String> {
    let arguments = Line::parse_from(["restore", "demo.snap"].iter().chain(flags)).arguments;
    let existing = existing.map(|(uid, mark)| {
        let mut tenant = TenantControlPlane::default();
        tenant.metadata.uid = Some(uid.to_owned());
        tenant.metadata.annotations =
            mark.map(|mark| [(labels::RESTORING.to_owned(), mark.to_owned())].into());
        tenant
    });
    way(&arguments.named, "original", existing.as_ref(), "mark")
        .map(|way| match way {
            Way::Replace => "replace",
            Way::Again => "again",
            Way::Clone => "clone",
        })
        .map_err(|error| error.to_string())
}

#[test]
fn a_tenant_that_exists_is_replaced_on_request_alone_and_no_other_of_its_name() {
    let original = Some(("original", None));
    assert_eq!(chosen(&["--replace=ns/demo"], original), Ok("replace"));
    let refused = chosen(&["--create=ns/demo"], original).unwrap_err();
    assert!(refused.contains("--replace"), "{refused}");
    for flags in [["--replace=ns/demo"], ["--create=ns/demo"], ["--as=a/b"]] {
        let refused = chosen(&flags, Some(("later", None))).unwrap_err();
        assert!(refused.contains("not the one of the snapshot"), "{flags:?}");
    }
    assert!(chosen(&["--as=a/b"], original).is_err());
}

#[test]
fn a_tenant_that_does_not_exist_is_created_with_its_keys_or_as_a_clone() {
    assert_eq!(chosen(&["--create=ns/demo"], None), Ok("again"));
    assert_eq!(chosen(&["--as=a/b"], None), Ok("clone"));
    let refused = chosen(&["--replace=ns/demo"], None).unwrap_err();
    assert!(refused.contains("--create"), "{refused}");
}

#[test]
fn a_tenant_is_named_once_by_the_person_and_no_file_chooses_another() {
    let original = tenant_key("ns/demo").unwrap();
    let key = |flag: &str| {
        let line = Line::try_parse_from(["restore", "demo.snap", flag]).unwrap();
        let key = line.arguments.named.key(&original);
        key.map(|key| key.to_string())
            .map_err(|error| error.to_string())
    };
    for flag in ["--replace=ns/demo", "--create=ns/demo"] {
        assert_eq!(key(flag).unwrap(), "ns/demo");
    }
    for flag in ["--replace=ns/other", "--create=other/demo"] {
        let refused = key(flag).unwrap_err();
        let (_, named) = flag.split_once('=').unwrap();
        assert!(
            refused.contains("ns/demo") && refused.contains(named),
            "{refused}"
        );
    }
    assert_eq!(key("--as=a/b").unwrap(), "a/b");
    for flags in [&[][..], &["--replace=ns/demo", "--as=a/b"]] {
        let line = ["restore", "demo.snap"].iter().chain(flags);
        assert!(Line::try_parse_from(line).is_err(), "{flags:?}");
    }
}

#[test]
fn an_interrupted_restore_of_the_same_snapshot_goes_on_and_of_another_does_not() {
    assert_eq!(
        chosen(&["--as=a/b"], Some(("new", Some("mark")))),
        Ok("clone")
    );
    assert_eq!(
        chosen(&["--create=ns/demo"], Some(("new", Some("mark")))),
        Ok("again")
    );
    assert!(chosen(&["--as=a/b"], Some(("new", Some("other")))).is_err());
    // An original whose restore was interrupted is still replaced on request alone.
    assert!(chosen(&["--create=ns/demo"], Some(("original", Some("mark")))).is_err());
}

fn saved() -> TenantControlPlane {
    serde_json::from_value(json!({
        "apiVersion": "kamaji.clastix.io/v1alpha1", "kind": "TenantControlPlane",
        "metadata": {"name": "demo", "namespace": "ns", "uid": "original",
                     "annotations": {"theirs": "x"}, "ownerReferences": []},
        "spec": {
            "dataStore": "etcd", "dataStoreSchema": "ns_demo", "dataStoreUsername": "ns_demo",
            "dataStoreOverrides": [{"resource": "/events", "dataStore": "other"}],
            "controlPlane": {
                "service": {"serviceType": "NodePort", "additionalMetadata": {"annotations": {"dns": "demo.example"}}},
                "ingress": {"hostname": "demo.example"},
            },
            "kubernetes": {"version": "v1.36.3", "kubelet": {}},
            "networkProfile": {"address": "192.0.2.1", "certSANs": ["demo.example"]},
        },
    }))
    .unwrap()
}

fn desired(clone: bool) -> serde_json::Value {
    let key = tenant_key("other/copy").unwrap();
    let desired = Desired {
        key: &key,
        data_store: Some("postgres"),
        clone,
        restoring: "mark",
    };
    serde_json::to_value(objects::desired(&saved(), &desired)).unwrap()
}

#[test]
fn a_clone_takes_no_name_and_no_address_from_the_original_and_starts_fenced() {
    let clone = desired(true);
    let text = clone.to_string();
    for trace in [
        "demo",
        "192.0.2.1",
        "original",
        "NodePort",
        "theirs",
        "/events",
    ] {
        assert!(!text.contains(trace), "{trace} in {text}");
    }
    let annotations = &clone["metadata"]["annotations"];
    assert_eq!(
        annotations,
        &json!({labels::RESTORING: "mark", labels::FENCED: ""})
    );
    assert_eq!(clone["spec"]["dataStore"], "postgres");
}

#[test]
fn the_same_tenant_keeps_its_spec_and_is_not_fenced() {
    let again = desired(false);
    assert_eq!(again["spec"]["dataStoreSchema"], "ns_demo");
    assert_eq!(again["spec"]["networkProfile"]["address"], "192.0.2.1");
    assert_eq!(
        again["metadata"]["annotations"],
        json!({labels::RESTORING: "mark"})
    );
    assert_eq!(again["metadata"]["uid"], json!(null));
}

#[test]
fn of_the_secrets_in_a_file_only_names_and_data_of_authorities_are_used() {
    let key = tenant_key("ns/demo").unwrap();
    let secret = |name: &str| {
        json!({"kind": "Secret", "type": "kubernetes.io/service-account-token", "data": {"ca.crt": "eA=="},
               "metadata": {"name": name, "namespace": "kube-system", "labels": {"evil": "x"}}})
    };
    let names = [
        "demo-ca",
        "demo-front-proxy-ca-certificate",
        "demo-sa-certificate",
        "evil",
    ];
    let objects: Vec<_> = names.into_iter().map(secret).collect();
    let secrets = objects::authorities(&objects, &key).unwrap();
    let text = serde_json::to_string(&secrets).unwrap();
    assert_eq!(secrets.len(), 3);
    for trace in ["evil", "kube-system", "service-account-token"] {
        assert!(!text.contains(trace), "{trace} in {text}");
    }
    assert!(objects::authorities(&objects[1..], &key).is_err());
}
