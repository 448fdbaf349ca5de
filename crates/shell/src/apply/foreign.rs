//! Reads and writes of objects of any kind: those of other projects, and TenantControlPlanes of the provider.

use kube::{
    Api,
    api::{ApiResource, DeleteParams, DynamicObject, Patch, PatchParams, Preconditions},
};
use serde_json::{Value, json};

use super::{address::Address, error::WriteError, writer::Writer};
use crate::{live::Live, received::Received, storm};

impl Writer {
    fn at(&self, address: &Address) -> Api<DynamicObject> {
        self.api(&address.resource, address.namespace.as_deref())
    }

    /// Reads an object; `None` if it does not exist.
    pub async fn find(&self, address: &Address) -> Result<Option<DynamicObject>, WriteError> {
        self.counters.request("get", &address.resource.plural);
        let found = self.at(address).get_opt(&address.name).await;
        found.map_err(|error| WriteError::of(address.to_string(), &error))
    }

    /// Sends a server-side apply. With `uid`, only the object of that uid is changed, and one that was deleted
    /// meanwhile is not created again.
    pub async fn apply(
        &self,
        address: &Address,
        mut body: Value,
        uid: Option<&str>,
    ) -> Result<Live, WriteError> {
        let name = address.to_string();
        self.admit(&name, &name, storm::OBJECT)?;
        self.counters.request("apply", &address.resource.plural);
        if let Some(uid) = uid {
            body["metadata"]["uid"] = json!(uid);
        }
        let api: Api<Received> = self.api(&address.resource, address.namespace.as_deref());
        let params = PatchParams::apply(self.manager).force();
        let patch = Patch::Apply(body);
        let request = api.patch(&address.name, &params, &patch);
        Ok(Live::of(self.sent(&name, request).await?))
    }

    /// Sends a merge patch: to the subresource `status` if `status`, else to the object.
    pub async fn merge(
        &self,
        address: &Address,
        patch: Value,
        status: bool,
    ) -> Result<DynamicObject, WriteError> {
        let name = address.to_string();
        self.admit(&name, &format!("merge {status} {name}"), storm::OBJECT)?;
        let verb = if status { "patch_status" } else { "patch" };
        self.counters.request(verb, &address.resource.plural);
        let params = PatchParams {
            field_manager: Some(self.manager.to_owned()),
            ..PatchParams::default()
        };
        let (api, patch) = (self.at(address), Patch::Merge(patch));
        if status {
            let request = api.patch_status(&address.name, &params, &patch);
            self.sent(&name, request).await
        } else {
            let request = api.patch(&address.name, &params, &patch);
            self.sent(&name, request).await
        }
    }

    /// Sends a JSON patch to the cluster-scoped object `name` of `resource`.
    pub async fn json_patch(
        &self,
        resource: &ApiResource,
        name: &str,
        patch: json_patch::Patch,
    ) -> Result<(), WriteError> {
        let object = format!("{} {name}", resource.kind);
        self.admit(&object, &object, storm::OBJECT)?;
        self.counters.request("patch", &resource.plural);
        let api: Api<Received> = self.api(resource, None);
        let (params, patch) = (PatchParams::default(), Patch::Json::<()>(patch));
        let request = api.patch(name, &params, &patch);
        self.sent(&object, request).await.map(drop)
    }

    /// Deletes the object with that uid in the foreground: it stays until its dependents are gone. Success if it
    /// does not exist.
    pub async fn remove(&self, address: &Address, uid: &str) -> Result<(), WriteError> {
        let name = address.to_string();
        self.admit(&name, &format!("delete {name}"), storm::OBJECT)?;
        self.counters.request("delete", &address.resource.plural);
        let params = DeleteParams::foreground().preconditions(Preconditions {
            uid: Some(uid.to_owned()),
            resource_version: None,
        });
        let api = self.at(address);
        match self
            .fenced(&name, api.delete(&address.name, &params))
            .await?
        {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            Err(error) => Err(WriteError::of(name, &error)),
        }
    }
}
