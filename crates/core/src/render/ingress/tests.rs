use serde_json::{Value, json};

use super::*;
use crate::render::fixture::tenant;

fn spec(wanted: &Value) -> Option<Value> {
    let tenant = tenant(json!({"controlPlane": {"ingress": wanted}}));
    ingress(&tenant).map(|ingress| serde_json::to_value(ingress.spec).expect("JSON"))
}

#[test]
fn a_tenant_without_ingress_or_host_name_has_no_ingress() {
    assert_eq!(spec(&Value::Null), None);
    assert_eq!(spec(&json!({})), None);
    assert_eq!(spec(&json!({"hostname": ""})), None);
}

#[test]
fn the_rule_has_the_host_without_its_port_and_the_services_port() {
    let spec = spec(&json!({"hostname": "api.example.com:8443", "ingressClassName": ""}));
    let expected = json!({"rules": [{
        "host": "api.example.com",
        "http": {"paths": [{
            "path": "/",
            "pathType": "Prefix",
            "backend": {"service": {"name": "demo", "port": {"number": 6443}}},
        }]},
    }]});
    assert_eq!(spec, Some(expected));
}

#[test]
fn ingress_class_and_annotations_come_from_the_spec() {
    let tenant = tenant(json!({"controlPlane": {"ingress": {
        "hostname": "api.example.com",
        "ingressClassName": "nginx",
        "additionalMetadata": {"annotations": {"passthrough": "true"}},
    }}}));
    let ingress = ingress(&tenant).expect("an ingress");
    assert_eq!(
        ingress.metadata.annotations.expect("annotations")["passthrough"],
        "true"
    );
    let class = ingress.spec.and_then(|spec| spec.ingress_class_name);
    assert_eq!(class.as_deref(), Some("nginx"));
}
