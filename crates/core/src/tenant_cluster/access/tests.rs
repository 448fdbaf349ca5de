use kamaji_api::condition::Reason;
use serde_json::{Value, json};

use super::*;
use crate::tenant_cluster::{
    fixture::{admin_secret, object, snapshot},
    snapshot::CompletedReconcile,
};

/// The access that an admin Secret gives to a tenant with this annotation.
fn access(admin_secret: AdminSecret, annotation: &Value) -> Result<Access, TenantClusterError> {
    let annotations = json!({labels::KUBECONFIG_SECRET_KEY: annotation});
    let object = object(json!({"metadata": {"annotations": annotations}}));
    let tenant = Tenant::parse(&object).unwrap();
    let snapshot = TenantClusterSnapshot {
        admin_secret,
        ..snapshot(&object)
    };
    of(&tenant, &snapshot)
}

#[test]
fn super_admin_kubeconfig_is_used_unless_the_annotation_names_another() {
    let keys = ["admin.conf", "own.conf", "super-admin.conf"];
    let rows = [
        (Value::Null, "super-admin.conf"),
        (json!(""), "super-admin.conf"),
        (json!("own.conf"), "own.conf"),
        (json!("admin.conf"), "admin.conf"),
    ];
    for (annotation, expected) in rows {
        let access = access(admin_secret(&keys), &annotation).unwrap();
        assert_eq!(access.ca(), format!("CA of {expected}").as_bytes());
        let Access::Credentials(credentials) = access else {
            panic!("{access:?} cannot write");
        };
        assert_eq!(credentials.certificate, b"cert");
        assert_eq!(credentials.key, b"key");
    }
}

#[test]
fn missing_key_or_secret_names_secret_key_and_annotation() {
    for secret in [admin_secret(&[]), admin_secret(&["admin.conf"])] {
        let error = access(secret, &json!("own.conf")).unwrap_err();
        assert_eq!(error.reason(), Reason::KubeconfigMissing);
        assert_eq!(
            error.to_string(),
            format!(
                "the Secret c2/full-admin-kubeconfig has no key own.conf: correct the annotation {}",
                labels::KUBECONFIG_SECRET_KEY
            )
        );
    }
}

#[test]
fn malformed_kubeconfig_and_failed_read_have_reasons_of_their_own() {
    let text = k8s_openapi::ByteString(b"clusters: 1".to_vec());
    let malformed = AdminSecret::Read([("super-admin.conf".to_owned(), text)].into());
    let error = access(malformed, &Value::Null).unwrap_err();
    assert_eq!(error.reason(), Reason::KubeconfigUnreadable);
    let unread = AdminSecret::Unreadable("no route to host".to_owned());
    let error = access(unread, &Value::Null).unwrap_err();
    assert_eq!(error.reason(), Reason::ReadFailed);
    assert_eq!(
        error.to_string(),
        "the Secret full-admin-kubeconfig cannot be read: no route to host"
    );
}

#[test]
fn without_a_read_only_the_ca_of_the_last_reconcile_is_known() {
    let object = object(json!({}));
    let tenant = Tenant::parse(&object).unwrap();
    let mut unread = TenantClusterSnapshot {
        admin_secret: AdminSecret::NotRead,
        ..snapshot(&object)
    };
    let error = of(&tenant, &unread).unwrap_err();
    assert!(matches!(error, TenantClusterError::NotRead(_)), "{error}");
    let error = TenantClusterError::NotRead(String::new());
    let failed = crate::tenant_cluster::report::failed(&unread, None, &error, unread.now);
    unread.last = Some(CompletedReconcile {
        ca: Some(b"the CA".to_vec()),
        ..failed
    });
    let access = of(&tenant, &unread).unwrap();
    assert_eq!(access, Access::Ca(b"the CA".to_vec()));
}

#[test]
fn debug_output_of_the_secret_has_no_kubeconfig() {
    let text = format!("{:?}", admin_secret(&["super-admin.conf"]));
    assert_eq!(text, "Read([\"super-admin.conf\"])");
}
