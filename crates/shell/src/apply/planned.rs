//! Writes of objects of a tenant's plan: server-side apply by intent, adoption, deletion.

use kamaji_core::{
    adoption,
    object::{Intent, Kind, Object, ObjectRef, Version},
};
use kube::{
    Api, Resource,
    api::{ApiResource, DeleteParams, DynamicObject, Patch, PatchParams, Preconditions},
    core::DynamicResourceScope,
};
use serde_json::{Value, json};

use super::{error::WriteError, writer::Writer};
use crate::{
    live::Live,
    received::{Metadata, Received},
    resource::resource,
    storm,
};

/// A resource version that no object has. An apply that carries it creates the object or is refused with 409.
/// A POST would create it as an update, and no later apply could take a key of it away.
const NO_VERSION: &str = "1";

impl Writer {
    /// Applies a planned object as its intent says: create it, update or adopt the observed version of it, or
    /// apply it unconditionally. Returns the object as the API server stored it.
    pub async fn write(&self, object: &Object) -> Result<Live, WriteError> {
        let name = object.key.to_string();
        let uid = object.body["metadata"]["ownerReferences"][0]["uid"]
            .as_str()
            .unwrap_or_default();
        let key = format!("{uid} {name}");
        match self.admit(&name, &key, storm::OBJECT) {
            Err(WriteError::Storm {
                object: name,
                detail,
            }) => {
                let detail = self.explained(object, &key).await.unwrap_or(detail);
                return Err(WriteError::Storm {
                    object: name,
                    detail,
                });
            }
            admitted => admitted?,
        }
        self.guard.wrote(&key, &object.body);
        match self.fenced(&name, self.send(object)).await? {
            Ok(live) => Ok(live),
            Err(kube::Error::Api(status))
                if status.code == 409 && object.intent == Intent::Create =>
            {
                Err(WriteError::AlreadyExists(object.key.clone()))
            }
            Err(error) => Err(WriteError::of(name, &error)),
        }
    }

    async fn send(&self, object: &Object) -> Result<Live, kube::Error> {
        let plural = object.key.kind.names().3;
        let mut body = object.body.clone();
        let verb = match &object.intent {
            Intent::Create => {
                body["metadata"]["resourceVersion"] = NO_VERSION.into();
                "create"
            }
            Intent::Update(version) => {
                require(&mut body, version);
                "apply"
            }
            Intent::Adopt(version) => {
                require(&mut body, &self.take_over(object, version).await?);
                "apply"
            }
            Intent::Apply => "apply",
        };
        self.counters.request(verb, plural);
        let params = PatchParams::apply(self.manager).force();
        let (name, patch) = (&object.key.name, Patch::Apply(&body));
        if object.key.kind == Kind::Secret && object.intent == Intent::Create {
            let api = self.api_at::<Metadata>(&object.key);
            let answer = api.patch(name, &params, &patch).await?;
            return Ok(Live::created(answer, body));
        }
        let api = self.api_at::<Received>(&object.key);
        Ok(Live::of(api.patch(name, &params, &patch).await?))
    }

    /// Makes this field manager the owner of the fields that others wrote in its place, so that the apply that
    /// follows can remove them. Returns the version after that. If the object has another version than
    /// `version`, nothing is written, and the apply that follows is refused.
    async fn take_over(&self, object: &Object, version: &Version) -> Result<Version, kube::Error> {
        let api = self.api_at::<DynamicObject>(&object.key);
        let plural = object.key.kind.names().3;
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
        require(&mut patch, version);
        self.counters.request("patch", plural);
        let params = PatchParams {
            field_manager: Some(self.manager.to_owned()),
            ..PatchParams::default()
        };
        let patch = Patch::Merge(patch);
        let taken = api.patch(&object.key.name, &params, &patch).await?;
        Ok(Version::of(&taken.metadata))
    }

    /// Deletes an object in the background; with `version`, only if it has that uid and, unless the revision is
    /// 0, that resource version. Success if it does not exist.
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
        let api = self.api_at::<Received>(key);
        match self.fenced(&name, api.delete(&key.name, &params)).await? {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            Err(error) => Err(WriteError::of(name, &error)),
        }
    }

    /// Reads an object; `None` if it does not exist.
    pub async fn read(&self, key: &ObjectRef) -> Result<Option<Live>, WriteError> {
        self.counters.request("get", key.kind.names().3);
        match self.api_at::<Received>(key).get_opt(&key.name).await {
            Ok(found) => Ok(found.map(Live::of)),
            Err(error) => Err(WriteError::of(key.to_string(), &error)),
        }
    }

    fn api_at<K>(&self, key: &ObjectRef) -> Api<K>
    where
        K: Resource<DynamicType = ApiResource, Scope = DynamicResourceScope>,
    {
        self.api(&resource(key.kind), key.namespace.as_deref())
    }

    /// The field in which the object of a storm differs from its plan, and the manager that changes it back;
    /// `None` if the object cannot be read or does not differ.
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

/// Makes the API server refuse `body` unless the object has this uid and, unless the revision is 0, this
/// resource version.
fn require(body: &mut Value, version: &Version) {
    body["metadata"]["uid"] = json!(version.uid);
    if version.revision > 0 {
        body["metadata"]["resourceVersion"] = version.revision.to_string().into();
    }
}
