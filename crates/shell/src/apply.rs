//! How is anything written? Through this one door, and through no other.
//!
//! It writes only while this replica leads, counts what it writes, and refuses to write the same
//! object over and over: a field that two managers fight for becomes an error that names it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kamaji_core::{
    adoption,
    object::{Intent, Object, ObjectRef, Version},
};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{ApiResource, DeleteParams, DynamicObject, Patch, PatchParams, Preconditions},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::{
    clock,
    index::fingerprint,
    lease::Leadership,
    storm::{self, Guard},
    telemetry::Counters,
};

mod error;
mod foreign;

pub use error::WriteError;
pub use foreign::Address;

pub use adoption::MANAGER;

/// A resource version that no object has: an apply that carries it makes the object or is refused. What a
/// POST makes would belong to an update, and no later apply could take a key of it away.
const NO_VERSION: &str = "1";

/// The door.
#[derive(Clone)]
pub struct Writer {
    client: Client,
    leadership: Leadership,
    counters: Counters,
    guard: Guard,
    manager: &'static str,
}

/// An object as the API server returned it.
#[derive(Clone, Debug)]
pub struct Live {
    /// Which object it is, and which version of it.
    pub version: Version,
    /// Hash of what it says, status and bookkeeping aside.
    pub fingerprint: u64,
    /// All of it.
    pub body: Value,
}

impl Writer {
    /// A door to the API server behind `client`, open while `leadership` holds.
    pub fn new(client: Client, leadership: Leadership, counters: Counters) -> Self {
        Self {
            client,
            leadership,
            counters,
            guard: Guard::default(),
            manager: MANAGER,
        }
    }

    /// The same door, which calls itself `manager` to the API server.
    #[must_use]
    pub fn managing_as(self, manager: &'static str) -> Self {
        Self { manager, ..self }
    }

    /// The same door to another API server: a tenant's. It counts by itself, since objects of the
    /// same name are in every tenant.
    #[must_use]
    pub fn towards(&self, client: Client) -> Self {
        Self {
            client,
            guard: Guard::default(),
            ..self.clone()
        }
    }

    /// Waits until this replica may write.
    pub async fn leading(&self) {
        self.leadership.acquired().await;
    }

    /// True if this replica may write now.
    pub fn is_leading(&self) -> bool {
        self.leadership.is_leading()
    }

    /// Changes single fields of somebody else's cluster-scoped object.
    pub async fn json_patch(
        &self,
        resource: &ApiResource,
        name: &str,
        patch: json_patch::Patch,
    ) -> Result<(), WriteError> {
        let object = format!("{} {name}", resource.kind);
        self.admit(&object, &object, storm::OBJECT)?;
        self.counters.request("patch", &resource.plural);
        let api: Api<DynamicObject> = Api::all_with(self.client.clone(), resource);
        let (params, patch) = (PatchParams::default(), Patch::Json::<()>(patch));
        let request = api.patch(name, &params, &patch);
        self.sent(&object, request).await.map(drop)
    }

    /// Writes an object as it was planned.
    pub async fn write(&self, object: &Object) -> Result<Live, WriteError> {
        let name = object.key.to_string();
        let uid = object.body["metadata"]["ownerReferences"][0]["uid"]
            .as_str()
            .unwrap_or_default();
        let key = format!("{uid} {name}");
        match self.admit(&name, &key, storm::OBJECT) {
            Err(WriteError::Storm {
                object: name,
                mut detail,
            }) => {
                if let Some(explained) = self.explained(object, &key).await {
                    detail = explained;
                }
                return Err(WriteError::Storm {
                    object: name,
                    detail,
                });
            }
            admitted => admitted?,
        }
        self.guard.wrote(&key, &object.body);
        match self.fenced(&name, self.send(object)).await? {
            Ok(live) => Ok(Live::of(&live)),
            Err(kube::Error::Api(status))
                if status.code == 409 && object.intent == Intent::Create =>
            {
                Err(WriteError::AlreadyExists(object.key.clone()))
            }
            Err(error) => Err(WriteError::of(name, &error)),
        }
    }

    async fn send(&self, object: &Object) -> Result<DynamicObject, kube::Error> {
        let (api, plural) = (self.api(&object.key), object.key.kind.names().3);
        let mut body = object.body.clone();
        let verb = match &object.intent {
            Intent::Create => {
                body["metadata"]["resourceVersion"] = NO_VERSION.into();
                "create"
            }
            Intent::Update(version) => {
                demand(&mut body, version);
                "apply"
            }
            Intent::Adopt(version) => {
                demand(&mut body, &self.adopted(object, version).await?);
                "apply"
            }
            Intent::Apply => "apply",
        };
        self.counters.request(verb, plural);
        let params = PatchParams::apply(self.manager).force();
        let patch = Patch::Apply(body);
        api.patch(&object.key.name, &params, &patch).await
    }

    /// Makes the fields ours that others wrote for us; the version that the object has then. One that has
    /// changed stays as it is, and the apply that follows is refused.
    async fn adopted(&self, object: &Object, version: &Version) -> Result<Version, kube::Error> {
        let (api, plural) = (self.api(&object.key), object.key.kind.names().3);
        self.counters.request("get", plural);
        let Some(live) = api.get_opt(&object.key.name).await? else {
            return Ok(version.clone());
        };
        if Version::of(&live.metadata) != *version {
            return Ok(version.clone());
        }
        let live = serde_json::to_value(live).map_err(kube::Error::SerdeError)?;
        let Some(mut patch) = adoption::patch(&live, object) else {
            return Ok(version.clone());
        };
        demand(&mut patch, version);
        self.counters.request("patch", plural);
        let params = PatchParams {
            field_manager: Some(self.manager.to_owned()),
            ..PatchParams::default()
        };
        let patch = Patch::Merge(patch);
        let taken = api.patch(&object.key.name, &params, &patch).await?;
        Ok(Version::of(&taken.metadata))
    }

    /// Deletes an object, only that version of it if one is given. What is gone stays gone.
    pub async fn delete(
        &self,
        key: &ObjectRef,
        version: Option<&Version>,
    ) -> Result<(), WriteError> {
        let name = key.to_string();
        self.admit(&name, &format!("delete {name}"), storm::OBJECT)?;
        self.counters.request("delete", key.kind.names().3);
        let mut params = DeleteParams::background();
        params.preconditions = version.map(|version| Preconditions {
            uid: Some(version.uid.to_string()),
            resource_version: (version.revision > 0).then(|| version.revision.to_string()),
        });
        let api = self.api(key);
        match self.fenced(&name, api.delete(&key.name, &params)).await? {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            Err(error) => Err(WriteError::of(name, &error)),
        }
    }

    /// Reads an object; `None` if it is not there.
    pub async fn read(&self, key: &ObjectRef) -> Result<Option<Live>, WriteError> {
        self.counters.request("get", key.kind.names().3);
        match self.api(key).get_opt(&key.name).await {
            Ok(found) => Ok(found.as_ref().map(Live::of)),
            Err(error) => Err(WriteError::of(key.to_string(), &error)),
        }
    }

    /// Sets the finalizers of one of our own objects; refused if it changed in between.
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
        let name = described(object);
        self.admit(&name, &format!("finalizers {name}"), storm::OBJECT)?;
        self.counters.request("patch", &K::plural(&()));
        let (api, params) = (self.dynamic(object), PatchParams::default());
        let (called, patch) = (object.name_any(), Patch::Merge(patch));
        let request = api.patch(&called, &params, &patch);
        typed(&name, self.sent(&name, request).await?)
    }

    /// Removes an annotation of one of our own objects; refused if the object changed in between.
    pub async fn remove_annotation<K>(&self, object: &K, annotation: &str) -> Result<K, WriteError>
    where
        K: Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug,
    {
        let patch = json!({"metadata": {
            "annotations": {annotation: null},
            "resourceVersion": object.meta().resource_version,
        }});
        let name = described(object);
        self.admit(&name, &format!("annotation {name}"), storm::OBJECT)?;
        self.counters.request("patch", &K::plural(&()));
        let (api, params) = (self.dynamic(object), PatchParams::default());
        let (called, patch) = (object.name_any(), Patch::Merge(patch));
        let request = api.patch(&called, &params, &patch);
        typed(&name, self.sent(&name, request).await?)
    }

    /// Replaces the status of one of our own objects; refused if it changed in between.
    ///
    /// # Panics
    /// Never: the patch is written down here.
    pub async fn patch_status<K, S>(&self, object: &K, status: &S) -> Result<K, WriteError>
    where
        K: Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug,
        S: Serialize + Sync,
    {
        // A JSON patch replaces all of it; a merge patch would leave what is no longer said.
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
        let (api, params) = (self.dynamic(object), PatchParams::default());
        let (called, patch) = (object.name_any(), Patch::Json::<()>(patch));
        let request = api.patch_status(&called, &params, &patch);
        typed(&name, self.sent(&name, request).await?)
    }

    /// Sets the conditions of one of our own objects that cannot be read as a whole, and leaves all else
    /// of its status.
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
        let (api, params) = (self.dynamic(object), PatchParams::default());
        let (called, patch) = (object.name_any(), Patch::Merge(patch));
        let request = api.patch_status(&called, &params, &patch);
        self.sent(&name, request).await.map(drop)
    }

    fn dynamic<K: Resource<DynamicType = ()>>(&self, object: &K) -> Api<DynamicObject> {
        let resource = ApiResource::erase::<K>(&());
        match object.meta().namespace.as_deref() {
            Some(namespace) => Api::namespaced_with(self.client.clone(), namespace, &resource),
            None => Api::all_with(self.client.clone(), &resource),
        }
    }

    fn api(&self, key: &ObjectRef) -> Api<DynamicObject> {
        let (group, version, kind, plural) = key.kind.names();
        let resource = ApiResource {
            group: group.to_owned(),
            version: version.to_owned(),
            api_version: key.kind.api_version(),
            kind: kind.to_owned(),
            plural: plural.to_owned(),
        };
        match &key.namespace {
            Some(namespace) => Api::namespaced_with(self.client.clone(), namespace, &resource),
            None => Api::all_with(self.client.clone(), &resource),
        }
    }

    /// May `object` be written now, if `limit` writes of `key` within a minute are a storm?
    fn admit(&self, object: &str, key: &str, limit: usize) -> Result<(), WriteError> {
        if !self.leadership.is_leading() {
            return Err(WriteError::NotLeading(object.to_owned()));
        }
        if self.guard.admit(key, limit, clock::instant()) {
            return Ok(());
        }
        let detail =
            ": another controller or webhook changes it back; find it in metadata.managedFields";
        Err(WriteError::Storm {
            object: object.to_owned(),
            detail: detail.to_owned(),
        })
    }

    /// Drops a request that outlives our leadership: the client may be about to repeat it.
    async fn fenced<T>(
        &self,
        object: &str,
        request: impl Future<Output = Result<T, kube::Error>>,
    ) -> Result<Result<T, kube::Error>, WriteError> {
        tokio::select! {
            biased;
            () = self.leadership.lost() => Err(WriteError::NotLeading(object.to_owned())),
            result = request => Ok(result),
        }
    }

    async fn sent<T>(
        &self,
        object: &str,
        request: impl Future<Output = Result<T, kube::Error>>,
    ) -> Result<T, WriteError> {
        let result = self.fenced(object, request).await?;
        result.map_err(|error| WriteError::of(object.to_owned(), &error))
    }

    /// Where the object in a storm differs from the plan, and whose work that may be.
    async fn explained(&self, object: &Object, key: &str) -> Option<String> {
        if let Some(field) = self.guard.flapping(key, &object.body) {
            return Some(format!(
                ": its plan flips {field}, which is a mistake of this operator; please report it"
            ));
        }
        let live = self.read(&object.key).await.ok()??;
        let field = storm::difference(&object.body, &live.body)?;
        let others = storm::others(&live.body, self.manager).join(", ");
        let who = if others.is_empty() {
            "a controller or webhook changes it back; find it in the API server's audit log"
                .to_owned()
        } else {
            format!("{others} changes it back; keep that from writing this field")
        };
        Some(format!(": {field} differs, {who}"))
    }
}

impl Live {
    /// What the API server returned.
    pub fn of(object: &DynamicObject) -> Self {
        let body = serde_json::to_value(object).unwrap_or_default();
        Self {
            version: Version::of(&object.metadata),
            fingerprint: fingerprint(&body),
            body,
        }
    }
}

/// Only this version is meant.
fn demand(body: &mut Value, version: &Version) {
    body["metadata"]["uid"] = json!(version.uid);
    if version.revision > 0 {
        body["metadata"]["resourceVersion"] = version.revision.to_string().into();
    }
}

fn described<K: Resource<DynamicType = ()>>(object: &K) -> String {
    let meta = object.meta();
    let name = meta.name.as_deref().unwrap_or_default();
    match &meta.namespace {
        Some(namespace) => format!("{} {namespace}/{name}", K::kind(&())),
        None => format!("{} {name}", K::kind(&())),
    }
}

fn typed<K: DeserializeOwned>(name: &str, value: impl Serialize) -> Result<K, WriteError> {
    serde_json::to_value(value)
        .and_then(serde_json::from_value)
        .map_err(|error| WriteError::Api {
            object: name.to_owned(),
            problem: error.to_string(),
        })
}
