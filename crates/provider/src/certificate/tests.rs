use super::*;

fn definition(name: &str, bundle: Option<&str>) -> Value {
    let mut client = json!({"service": {"name": name, "namespace": "kamaji-system"}});
    if let Some(bundle) = bundle {
        client["caBundle"] = bundle.into();
    }
    json!({"spec": {"conversion": {"strategy": "Webhook", "webhook": {"clientConfig": client}}}})
}

fn service() -> WebhookService {
    WebhookService {
        namespace: "kamaji-system".to_owned(),
        name: "capi-kamaji-webhook-service".to_owned(),
    }
}

#[test]
fn a_conversion_by_the_provider_gets_the_ca_bundle_once() {
    let mut live = definition("capi-kamaji-webhook-service", None);
    let patch = inject(&live, &service(), "Q0E=").unwrap();
    json_patch::patch(&mut live, &patch).unwrap();
    assert_eq!(
        live["spec"]["conversion"]["webhook"]["clientConfig"]["caBundle"],
        "Q0E="
    );
    assert!(inject(&live, &service(), "Q0E=").is_none());
    assert!(inject(&live, &service(), "bmV3").is_some());
}

#[test]
fn a_conversion_by_another_service_or_none_is_left_alone() {
    assert!(inject(&definition("another", None), &service(), "Q0E=").is_none());
    let none = json!({"spec": {"conversion": {"strategy": "None"}}});
    assert!(inject(&none, &service(), "Q0E=").is_none());
}
