//! Merge of a tenant's cluster, user and context into the content of a kubeconfig file.

use anyhow::{Context, bail};
use base64::{Engine, prelude::BASE64_STANDARD};
use kamaji_core::pki::kubeconfig::Credentials;
use serde_json::{Map, Value, json};

/// Entries that are added to a kubeconfig file.
pub struct Addition<'a> {
    /// Name of the cluster, the user and the context.
    pub name: &'a str,
    /// Server, CA and client certificate.
    pub credentials: &'a Credentials,
    /// True replaces entries of that name whatever they are.
    pub force: bool,
}

/// Adds cluster, user and context; entries of the same tenant are renewed, and all else of the file stays as it is. Entries
/// of that name that are not of the same certificate authority are an error unless forced.
pub fn merge(file: &mut Value, addition: &Addition) -> anyhow::Result<()> {
    if file.is_null() {
        *file = json!({"apiVersion": "v1", "kind": "Config", "current-context": ""});
    }
    let file = file.as_object_mut();
    let file = file.context("the file is not a kubeconfig: choose another with --into")?;
    if !addition.force {
        require_same(file, addition)?;
    }
    let (name, credentials) = (addition.name, addition.credentials);
    let encode = |content: &[u8]| BASE64_STANDARD.encode(content);
    put(
        file,
        "clusters",
        json!({"name": name, "cluster": {
            "server": credentials.server, "certificate-authority-data": encode(&credentials.ca)}}),
    )?;
    put(
        file,
        "users",
        json!({"name": name, "user": {
            "client-certificate-data": encode(&credentials.certificate),
            "client-key-data": encode(&credentials.key)}}),
    )?;
    put(
        file,
        "contexts",
        json!({"name": name, "context": {"cluster": name, "user": name}}),
    )
}

fn entries<'a>(file: &'a Map<String, Value>, list: &str) -> &'a [Value] {
    let entries = file.get(list).and_then(Value::as_array);
    entries.map_or(&[], Vec::as_slice)
}

/// Refuses entries of the name unless the cluster has the same CA, and the context leads to it.
fn require_same(file: &Map<String, Value>, addition: &Addition) -> anyhow::Result<()> {
    let find = |list| {
        let mut entries = entries(file, list).iter();
        entries.find(|entry| entry["name"] == addition.name)
    };
    let (cluster, user, context) = (find("clusters"), find("users"), find("contexts"));
    if cluster.is_none() && user.is_none() && context.is_none() {
        return Ok(());
    }
    let ca = cluster.and_then(|entry| entry["cluster"]["certificate-authority-data"].as_str());
    let ca = ca.and_then(|data| BASE64_STANDARD.decode(data).ok());
    let leads = context.is_none_or(|entry| {
        entry["context"]["cluster"] == addition.name && entry["context"]["user"] == addition.name
    });
    if ca.as_ref() != Some(&addition.credentials.ca) || !leads {
        bail!(
            "the name {} is taken there by another cluster, user or context: choose another with --entry, or replace them with --force",
            addition.name
        );
    }
    Ok(())
}

/// Replaces the entry of the same name in a list, or adds it at the end. A context keeps its other fields.
fn put(file: &mut Map<String, Value>, list: &str, entry: Value) -> anyhow::Result<()> {
    let entries = file.entry(list).or_insert_with(|| json!([]));
    if entries.is_null() {
        *entries = json!([]);
    }
    let entries = entries.as_array_mut();
    let entries = entries.with_context(|| format!("{list} is not a list in that file"))?;
    let found = entries
        .iter_mut()
        .find(|found| found["name"] == entry["name"]);
    match found {
        Some(found) if list == "contexts" && found["context"].is_object() => {
            found["context"]["cluster"] = entry["context"]["cluster"].clone();
            found["context"]["user"] = entry["context"]["user"].clone();
        }
        Some(found) => *found = entry,
        None => entries.push(entry),
    }
    Ok(())
}

#[cfg(test)]
mod tests;
