//! How are objects written whose kinds the plan of a tenant does not know: those of other projects,
//! and TenantControlPlanes?

use kube::{
    Api, ResourceExt,
    api::{ApiResource, DeleteParams, DynamicObject, Patch, PatchParams, Preconditions},
};
use serde_json::{Value, json};

use super::{Live, Writer, storm};
use crate::apply::WriteError;

/// Where one object of any kind is.
#[derive(Clone, Debug)]
pub struct Address {
    /// Its kind.
    pub resource: ApiResource,
    /// Its namespace; `None` for cluster-scoped kinds.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
}

impl Address {
    /// The object `name` in `namespace`.
    pub fn namespaced(resource: ApiResource, namespace: &str, name: &str) -> Self {
        Self {
            resource,
            namespace: Some(namespace.to_owned()),
            name: name.to_owned(),
        }
    }

    /// The cluster-scoped object `name`.
    pub fn cluster(resource: ApiResource, name: &str) -> Self {
        Self {
            resource,
            namespace: None,
            name: name.to_owned(),
        }
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{} {namespace}/{}", self.resource.kind, self.name),
            None => write!(f, "{} {}", self.resource.kind, self.name),
        }
    }
}

impl Writer {
    fn at(&self, address: &Address) -> Api<DynamicObject> {
        match &address.namespace {
            Some(namespace) => {
                Api::namespaced_with(self.client.clone(), namespace, &address.resource)
            }
            None => Api::all_with(self.client.clone(), &address.resource),
        }
    }

    /// Reads an object of any kind; `None` if it is not there.
    pub async fn find(&self, address: &Address) -> Result<Option<DynamicObject>, WriteError> {
        self.counters.request("get", &address.resource.plural);
        let found = self.at(address).get_opt(&address.name).await;
        found.map_err(|error| WriteError::of(address.to_string(), &error))
    }

    /// Server-side apply of an object of any kind, only to the one with `uid` if that is given:
    /// what was deleted meanwhile is not made anew.
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
        let (api, params) = (self.at(address), PatchParams::apply(self.manager).force());
        let patch = Patch::Apply(body);
        let request = api.patch(&address.name, &params, &patch);
        Ok(Live::of(&self.sent(&name, request).await?))
    }

    /// Changes single fields of an object of any kind; of its status with `status`.
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

    /// Deletes the object of any kind with that uid once what it owns is gone. What is gone stays
    /// gone.
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

/// Where an object that was read is.
impl From<(&DynamicObject, ApiResource)> for Address {
    fn from((object, resource): (&DynamicObject, ApiResource)) -> Self {
        Self {
            resource,
            namespace: object.namespace(),
            name: object.name_any(),
        }
    }
}
