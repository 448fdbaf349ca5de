//! Invariants that every plan has to satisfy.

use std::collections::BTreeSet;

use base64::{Engine, engine::general_purpose::STANDARD};
use kamaji_api::labels;
use serde_json::Value;

use crate::{
    object::{Kind, Object},
    plan::{Plan, Step},
    secret_role::SecretRole,
};

/// Every invariant that `plan` breaks, in words. An empty list is the only good one.
pub fn violations(plan: &Plan) -> Vec<String> {
    let mut found = Vec::new();
    let objects: Vec<&Object> = plan.objects().collect();
    let mut seen = BTreeSet::new();
    for object in &objects {
        if !seen.insert(&object.key) {
            found.push(format!("{} is planned twice", object.key));
        }
        owned(object, &mut found);
        if plan.prunes.contains(&object.key) {
            found.push(format!("{} is planned and pruned", object.key));
        }
    }
    let secrets = secret_values(&objects);
    for object in objects
        .iter()
        .filter(|object| object.key.kind != Kind::Secret)
    {
        let text = object.body.to_string();
        for secret in secrets
            .iter()
            .filter(|secret| text.contains(secret.as_str()))
        {
            found.push(format!(
                "{} shows a secret of {} bytes",
                object.key,
                secret.len()
            ));
        }
    }
    bound_before_pods(plan, &mut found);
    found
}

fn owned(object: &Object, found: &mut Vec<String>) {
    let metadata = &object.body["metadata"];
    let owner = &metadata["ownerReferences"][0];
    // One that is adopted may have another controller already.
    let controls = owner["controller"] == Value::Bool(true) || object.intent.version().is_some();
    if !controls || owner["kind"] != "TenantControlPlane" {
        found.push(format!(
            "{} has no TenantControlPlane as controller",
            object.key
        ));
    }
    if metadata["labels"][labels::PROJECT] != "kamaji" {
        found.push(format!(
            "{} lacks our label, so nobody would watch it",
            object.key
        ));
    }
    for (key, value) in metadata["labels"].as_object().into_iter().flatten() {
        if value.as_str().is_none_or(|value| value.len() > 63) {
            found.push(format!("{} has a label {key} longer than 63", object.key));
        }
    }
    if object.key.name.len() > 253 {
        found.push(format!("{} has a name longer than 253", object.key));
    }
}

/// Keys and passwords of the plan's Secrets, as text.
fn secret_values(objects: &[&Object]) -> Vec<String> {
    let mut values = Vec::new();
    for object in objects
        .iter()
        .filter(|object| object.key.kind == Kind::Secret)
    {
        for (key, value) in object.body["data"].as_object().into_iter().flatten() {
            let private = key.rsplit('.').next() == Some("key") || key.contains("PASSWORD");
            let bytes = value.as_str().and_then(|text| STANDARD.decode(text).ok());
            if let (true, Some(Ok(text))) = (private, bytes.map(String::from_utf8)) {
                // The bare base64 lines of a key, so that another wrapping does not hide it.
                let body = text.lines().find(|line| !line.starts_with('-'));
                values.extend(body.filter(|body| body.len() >= 16).map(str::to_owned));
            }
        }
    }
    values
}

/// Pods start only when their place in the datastore is there.
fn bound_before_pods(plan: &Plan, found: &mut Vec<String>) {
    let pods = plan.steps.iter().position(
        |step| matches!(step, Step::Write(object) if object.key.kind == Kind::Deployment),
    );
    let bound = plan
        .steps
        .iter()
        .position(|step| matches!(step, Step::Bind(..)));
    match (bound, pods) {
        (None, Some(_)) => found.push("pods are planned without a datastore".to_owned()),
        (Some(bound), Some(pods)) if bound > pods => {
            found.push("pods are planned before their datastore".to_owned());
        }
        _ => {}
    }
    let signed = plan.steps.iter().position(|step| {
        matches!(step, Step::Write(object) if object.key.kind == Kind::Secret
            && object.body["metadata"]["labels"][labels::COMPONENT] == SecretRole::DatastoreCertificate.component())
    });
    if signed.is_some_and(|signed| bound.is_none_or(|bound| bound > signed)) {
        found.push(
            "a certificate for the datastore is signed before its user is the tenant's".to_owned(),
        );
    }
}
