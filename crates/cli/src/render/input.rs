//! Reads the documents of the given files: objects as users write them, or as `kubectl get -o yaml` prints
//! them.

use std::io::Read;

use anyhow::Context;
use k8s_openapi::api::core::v1::Secret;
use kamaji_api::{datastore::DataStore, tenant::TenantControlPlane};
use kamaji_core::object::Kind;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Documents of the files by kind, in the order of the files. Kinds that no plan uses are left out.
#[derive(Default)]
pub struct Documents {
    /// TenantControlPlanes, each of which is rendered.
    pub tenants: Vec<TenantControlPlane>,
    /// DataStores that tenants name.
    pub stores: Vec<DataStore>,
    /// Secrets of tenants and of DataStores.
    pub secrets: Vec<Secret>,
    /// Live objects of other kinds that tenants have in the management cluster.
    pub live: Vec<(Kind, Value)>,
}

impl Documents {
    /// Reads files of any number of YAML documents each; `-` is standard input. Items of a List count as
    /// documents.
    pub fn read(files: &[String]) -> anyhow::Result<Self> {
        let mut documents = Self::default();
        for file in files {
            let mut text = String::new();
            if file == "-" {
                std::io::stdin()
                    .read_to_string(&mut text)
                    .context("reading standard input")?;
            } else {
                text = std::fs::read_to_string(file).with_context(|| format!("reading {file}"))?;
            }
            let values: Vec<Value> = serde_saphyr::from_multiple(&text)
                .with_context(|| format!("reading {file} as YAML"))?;
            for value in values {
                documents
                    .take(value)
                    .with_context(|| format!("in {file}"))?;
            }
        }
        Ok(documents)
    }

    fn take(&mut self, value: Value) -> anyhow::Result<()> {
        if let Some(items) = value.get("items").and_then(Value::as_array) {
            for item in items.clone() {
                self.take(item)?;
            }
            return Ok(());
        }
        match value.get("kind").and_then(Value::as_str) {
            Some("TenantControlPlane") => self.tenants.push(typed(value)?),
            Some("DataStore") => self.stores.push(typed(value)?),
            Some("Secret") => self.secrets.push(typed(decoded(value))?),
            Some("ConfigMap") => self.live.push((Kind::ConfigMap, value)),
            Some("Deployment") => self.live.push((Kind::Deployment, value)),
            Some("Ingress") => self.live.push((Kind::Ingress, value)),
            Some("Service") => self.live.push((Kind::Service, value)),
            Some("TLSRoute") => self.live.push((Kind::TlsRoute, value)),
            _ => {}
        }
        Ok(())
    }
}

/// A Secret with its stringData as data, as the API server stores it.
fn decoded(mut value: Value) -> Value {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let texts = value
        .get("stringData")
        .and_then(Value::as_object)
        .cloned()
        .unwrap_or_default();
    for (key, text) in texts {
        value["data"][key] = STANDARD.encode(text.as_str().unwrap_or_default()).into();
    }
    value
}

fn typed<K: DeserializeOwned>(value: Value) -> anyhow::Result<K> {
    let name = format!(
        "{} {}",
        value["kind"].as_str().unwrap_or_default(),
        value["metadata"]["name"].as_str().unwrap_or_default()
    );
    serde_json::from_value(value).with_context(|| format!("reading the {name}"))
}
