//! [`Received`] and [`Metadata`]: objects as an API server sends them, read without what nothing here needs.
//!
//! [`DynamicObject`] reads an object twice, first into a buffer, and with it the trees of `fieldsV1`: half the text of
//! many objects. These types read it once and leave those trees out. Both serve as types of an [`Api`](kube::Api).

use std::{borrow::Cow, fmt};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{
    ManagedFieldsEntry, ObjectMeta, OwnerReference, Time,
};
use kube::{
    Resource,
    api::{ApiResource, DynamicObject, TypeMeta},
    core::DynamicResourceScope,
};
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// An object of any kind, whose `managedFields` say who wrote and how, but not which fields. With `METADATA`, requests
/// ask the API server for the metadata alone.
#[derive(Clone, Debug, PartialEq)]
pub struct Received<const METADATA: bool = false>(pub DynamicObject);

/// Metadata of an object, and nothing else of it.
pub type Metadata = Received<true>;

impl<'de, const METADATA: bool> Deserialize<'de> for Received<METADATA> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Fields).map(Self)
    }
}

/// Reads the fields of an object.
struct Fields;

impl<'de> Visitor<'de> for Fields {
    type Value = DynamicObject;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object of Kubernetes")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<DynamicObject, A::Error> {
        let (mut api_version, mut kind) = (None, None);
        let mut metadata = ObjectMeta::default();
        let mut data = Map::new();
        while let Some(name) = fields.next_key::<Cow<'de, str>>()? {
            match name.as_ref() {
                "apiVersion" => api_version = fields.next_value::<Option<String>>()?,
                "kind" => kind = fields.next_value::<Option<String>>()?,
                "metadata" => {
                    let read = fields.next_value::<Option<Meta>>()?;
                    metadata = read.unwrap_or_default().into();
                }
                _ => {
                    data.insert(name.into_owned(), fields.next_value()?);
                }
            }
        }
        let types = api_version.zip(kind);
        Ok(DynamicObject {
            types: types.map(|(api_version, kind)| TypeMeta { api_version, kind }),
            metadata,
            data: Value::Object(data),
        })
    }
}

/// Metadata of an object. Fields that are not listed here are skipped.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Meta {
    annotations: Option<BTreeMap<String, String>>,
    creation_timestamp: Option<Time>,
    deletion_grace_period_seconds: Option<i64>,
    deletion_timestamp: Option<Time>,
    finalizers: Option<Vec<String>>,
    generate_name: Option<String>,
    generation: Option<i64>,
    labels: Option<BTreeMap<String, String>>,
    managed_fields: Option<Vec<Entry>>,
    name: Option<String>,
    namespace: Option<String>,
    owner_references: Option<Vec<OwnerReference>>,
    resource_version: Option<String>,
    uid: Option<String>,
}

/// An entry of `managedFields` without the fields.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Entry {
    api_version: Option<String>,
    manager: Option<String>,
    operation: Option<String>,
    subresource: Option<String>,
}

impl From<Meta> for ObjectMeta {
    fn from(meta: Meta) -> Self {
        let entries = meta.managed_fields;
        Self {
            annotations: meta.annotations,
            creation_timestamp: meta.creation_timestamp,
            deletion_grace_period_seconds: meta.deletion_grace_period_seconds,
            deletion_timestamp: meta.deletion_timestamp,
            finalizers: meta.finalizers,
            generate_name: meta.generate_name,
            generation: meta.generation,
            labels: meta.labels,
            managed_fields: entries.map(|all| all.into_iter().map(Into::into).collect()),
            name: meta.name,
            namespace: meta.namespace,
            owner_references: meta.owner_references,
            resource_version: meta.resource_version,
            self_link: None,
            uid: meta.uid,
        }
    }
}

impl From<Entry> for ManagedFieldsEntry {
    fn from(entry: Entry) -> Self {
        Self {
            api_version: entry.api_version,
            manager: entry.manager,
            operation: entry.operation,
            subresource: entry.subresource,
            ..Self::default()
        }
    }
}

impl<const METADATA: bool> Resource for Received<METADATA> {
    type DynamicType = ApiResource;
    type Scope = DynamicResourceScope;

    fn group(resource: &ApiResource) -> Cow<'_, str> {
        DynamicObject::group(resource)
    }

    fn version(resource: &ApiResource) -> Cow<'_, str> {
        DynamicObject::version(resource)
    }

    fn kind(resource: &ApiResource) -> Cow<'_, str> {
        DynamicObject::kind(resource)
    }

    fn plural(resource: &ApiResource) -> Cow<'_, str> {
        DynamicObject::plural(resource)
    }

    fn metadata_api() -> bool {
        METADATA
    }

    fn meta(&self) -> &ObjectMeta {
        self.0.meta()
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        self.0.meta_mut()
    }
}

#[cfg(test)]
mod tests;
