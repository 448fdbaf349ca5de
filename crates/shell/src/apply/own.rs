//! Writes to objects of this project's own kinds: status, conditions, finalizers and annotations.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{
    Resource, ResourceExt,
    api::{Patch, PatchParams},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::{error::WriteError, writer::Writer};
use crate::{live::into_json, received::Received, storm};

impl Writer {
    /// Sets the finalizers of an object; refused with a conflict if the object changed since it was read.
    pub async fn set_finalizers<K>(
        &self,
        object: &K,
        finalizers: &[String],
    ) -> Result<K, WriteError>
    where
        K: Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug,
    {
        let patch = json!({"metadata": {
            "finalizers": finalizers,
            "resourceVersion": object.meta().resource_version,
        }});
        self.merge_own(object, "finalizers", patch).await
    }

    /// Removes an annotation of an object; refused with a conflict if the object changed since it was read.
    pub async fn remove_annotation<K>(&self, object: &K, annotation: &str) -> Result<K, WriteError>
    where
        K: Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug,
    {
        let patch = json!({"metadata": {
            "annotations": {annotation: null},
            "resourceVersion": object.meta().resource_version,
        }});
        self.merge_own(object, "annotation", patch).await
    }

    /// Sends a merge patch; the storm guard counts it under `what`.
    async fn merge_own<K>(&self, object: &K, what: &str, patch: Value) -> Result<K, WriteError>
    where
        K: Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug,
    {
        let name = described(object);
        self.admit(&name, &format!("{what} {name}"), storm::OBJECT)?;
        self.counters.request("patch", &K::plural(&()));
        let (api, params) = (self.api_of(object), PatchParams::default());
        let (called, patch) = (object.name_any(), Patch::Merge(patch));
        let request = api.patch(&called, &params, &patch);
        typed(&name, self.sent(&name, request).await?)
    }

    /// Replaces the whole status of an object; refused with a conflict if the object changed since it was read
    /// or is another one of the same name.
    ///
    /// # Panics
    /// Never: the patch is a constant with values filled in.
    pub async fn patch_status<K, S>(&self, object: &K, status: &S) -> Result<K, WriteError>
    where
        K: Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug,
        S: Serialize + Sync,
    {
        // A merge patch would keep fields that the new status leaves out.
        let patch: json_patch::Patch = serde_json::from_value(json!([
            {"op": "test", "path": "/metadata/uid", "value": object.meta().uid},
            // The API server compares it with the present one.
            {"op": "add", "path": "/metadata/resourceVersion", "value": object.meta().resource_version},
            {"op": "add", "path": "/status", "value": status},
        ]))
        .expect("three operations that are written down here");
        let name = described(object);
        self.admit(&name, &format!("status {name}"), storm::STATUS)?;
        self.counters.request("patch_status", &K::plural(&()));
        let (api, params) = (self.api_of(object), PatchParams::default());
        let (called, patch) = (object.name_any(), Patch::Json::<()>(patch));
        let request = api.patch_status(&called, &params, &patch);
        typed(&name, self.sent(&name, request).await?)
    }

    /// Replaces the conditions in the status of an object that cannot be parsed as a whole. Every other field of
    /// the status keeps its value.
    pub async fn patch_conditions<K>(
        &self,
        object: &K,
        conditions: &[Condition],
    ) -> Result<(), WriteError>
    where
        K: Resource<DynamicType = ()>,
    {
        let patch = json!({
            "metadata": {"uid": object.meta().uid},
            "status": {"conditions": conditions},
        });
        let name = described(object);
        self.admit(&name, &format!("status {name}"), storm::STATUS)?;
        self.counters.request("patch_status", &K::plural(&()));
        let (api, params) = (self.api_of(object), PatchParams::default());
        let (called, patch) = (object.name_any(), Patch::Merge(patch));
        let request = api.patch_status(&called, &params, &patch);
        self.sent(&name, request).await.map(drop)
    }
}

/// Kind, namespace and name for error messages.
fn described<K: Resource<DynamicType = ()>>(object: &K) -> String {
    let meta = object.meta();
    let name = meta.name.as_deref().unwrap_or_default();
    match &meta.namespace {
        Some(namespace) => format!("{} {namespace}/{name}", K::kind(&())),
        None => format!("{} {name}", K::kind(&())),
    }
}

fn typed<K: DeserializeOwned>(name: &str, answer: Received) -> Result<K, WriteError> {
    serde_json::from_value(into_json(answer.0)).map_err(|error| WriteError::Api {
        object: name.to_owned(),
        problem: error.to_string(),
    })
}
