use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Secret;
use kamaji_api::labels;
use serde_json::{Value, json};

use super::*;
use crate::{
    checksum,
    names::Names,
    object::Kind,
    plan::{
        Plan,
        fixture::{planned, snapshot},
        plan,
    },
};

fn template(plan: &Plan) -> &Value {
    let mut objects = plan.objects();
    let deployment = objects.find(|object| object.key.kind == Kind::Deployment);
    &deployment.unwrap().body["spec"]["template"]
}

/// Projected keys of the Secrets below `/etc/kubernetes/pki`, by Secret.
fn projected(template: &Value) -> BTreeMap<&str, Vec<&str>> {
    let volumes = template["spec"]["volumes"].as_array().unwrap();
    let sources = volumes
        .iter()
        .filter_map(|volume| volume["projected"]["sources"].as_array())
        .flatten();
    sources
        .map(|source| {
            let items = source["secret"]["items"].as_array().unwrap();
            let keys = items.iter().map(|item| item["key"].as_str().unwrap());
            (source["secret"]["name"].as_str().unwrap(), keys.collect())
        })
        .collect()
}

#[test]
fn name_label_keys_checksum_status_and_mount_of_every_role_agree() {
    let made = plan(&snapshot(json!({}))).unwrap();
    let template = template(&made);
    let projected = projected(template);
    for role in SecretRole::ALL {
        let name = Names::of("full").secret(role);
        let secret: Secret = serde_json::from_value(planned(&made, &name).body.clone()).unwrap();
        let own = secret.metadata.labels.unwrap();
        assert_eq!(own[labels::COMPONENT], role.component());
        assert_eq!(
            own.get(labels::LIFECYCLE).map(String::as_str),
            role.lifecycle()
        );
        assert_eq!(secret.type_.as_deref(), Some(role.secret_type()), "{name}");
        let data: BTreeMap<_, _> = secret.data.unwrap().into_iter().collect();
        let data: BTreeMap<String, Vec<u8>> = data.into_iter().map(|(k, v)| (k, v.0)).collect();
        for file in role.files() {
            assert!(data.contains_key(*file), "{file} of {name}");
        }
        let annotated = &secret.metadata.annotations.unwrap()[labels::CHECKSUM];
        match role.pod_checksum() {
            Some(PodChecksum::Label(suffix)) => {
                let label = format!("{}{suffix}", labels::COMPONENT_CHECKSUM);
                let carried = &template["metadata"]["labels"][label];
                assert_eq!(*carried, checksum::map(&data), "{name}");
            }
            Some(PodChecksum::Annotation(key)) => {
                let carried = &template["metadata"]["annotations"][key];
                assert_eq!(carried, annotated, "{name}");
            }
            None => assert!(!template.to_string().contains(&format!("\"{name}\""))),
        }
        if let Some(keys) = projected.get(name.as_str()) {
            assert_eq!(keys, role.files(), "{name}");
        }
        let recorded = if let Some(status) = role.recorded(&made.status) {
            (status.secret_name.clone(), status.checksum.clone())
        } else {
            let storage = made.status.storage.as_ref().unwrap();
            let config = storage.config.as_ref().unwrap();
            (config.secret_name.clone(), config.checksum.clone())
        };
        assert_eq!(recorded, (Some(name), Some(annotated.clone())));
    }
}

#[test]
fn optional_roles_are_not_planned_when_switched_off() {
    let off = plan(&snapshot(
        json!({"spec": {"addons": {"konnectivity": null}}}),
    ))
    .unwrap();
    for role in SecretRole::ALL {
        let name = Names::of("full").secret(role);
        let wanted = off.objects().any(|object| object.key.name == name);
        assert_eq!(wanted, !role.is_optional(), "{name}");
    }
}

#[test]
fn recorded_and_entry_name_the_same_status_field() {
    for role in SecretRole::ALL {
        let mut status = TenantControlPlaneStatus::default();
        let Some(entry) = role.entry(&mut status) else {
            continue;
        };
        let marked = SecretStatus {
            secret_name: Some(role.component().to_owned()),
            ..SecretStatus::default()
        };
        *entry = Some(marked.clone());
        assert_eq!(role.recorded(&status), Some(&marked));
        let others = SecretRole::ALL.into_iter().filter(|other| *other != role);
        assert!(
            others
                .into_iter()
                .all(|other| other.recorded(&status).is_none())
        );
    }
}
