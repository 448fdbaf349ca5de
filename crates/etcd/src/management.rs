//! Requests to the management cluster.

use k8s_openapi::{
    NamespaceResourceScope,
    api::{
        apps::v1::StatefulSet,
        core::v1::{ConfigMap, PersistentVolumeClaim, Secret},
    },
};
use kamaji_api::datastore::DataStore;
use kube::{
    Api, Client, Resource,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::Value;

use crate::{
    error::Error,
    layout::{MOST_MEMBERS, Store},
    state::{Existing, State},
};

/// Field manager of everything that is written here.
const MANAGER: &str = "kamaji-etcd";

/// The management cluster, and the store that it runs.
pub struct Management<'a> {
    client: Client,
    store: &'a Store,
}

/// Outcome of a write at a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// The object is as it was given.
    Done,
    /// Somebody else wrote it since it was read.
    Overtaken,
}

impl<'a> Management<'a> {
    /// Connects as the pod's ServiceAccount, or by a kubeconfig.
    pub async fn connect(store: &'a Store) -> Result<Self, Error> {
        let client = Client::try_default().await;
        let client = client.map_err(|error| failed("connecting to the API server", &error))?;
        Ok(Self { client, store })
    }

    fn api<K>(&self) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), &self.store.namespace)
    }

    /// Reads a Secret; `None` if there is none.
    pub async fn secret(&self, name: &str) -> Result<Option<Secret>, Error> {
        let found = self.api::<Secret>().get_opt(name).await;
        found.map_err(|error| failed(&format!("reading Secret {name}"), &error))
    }

    /// Reads what there is of the store.
    pub async fn existing(&self) -> Result<Existing, Error> {
        Ok(Existing {
            replicas: self.replicas().await?,
            claim: self.claim().await?,
            record: self.record().await?.as_ref().and_then(State::read),
        })
    }

    /// Replicas that the StatefulSet asks for; `None` if there is no StatefulSet.
    pub async fn replicas(&self) -> Result<Option<u32>, Error> {
        let Store { name, .. } = self.store;
        let set = self.api::<StatefulSet>().get_opt(name).await;
        let set = set.map_err(|error| failed(&format!("reading StatefulSet {name}"), &error))?;
        let replicas = set.map(|set| set.spec.and_then(|spec| spec.replicas).unwrap_or(1));
        Ok(replicas.map(|count| u32::try_from(count).unwrap_or_default()))
    }

    /// Name of the first claim of a member's volume; any of them may hold votes.
    async fn claim(&self) -> Result<Option<String>, Error> {
        let api = self.api::<PersistentVolumeClaim>();
        for name in (0..MOST_MEMBERS).map(|ordinal| self.store.claim(ordinal)) {
            let found = api.get_opt(&name).await;
            let found =
                found.map_err(|error| failed(&format!("reading the claim {name}"), &error))?;
            if found.is_some() {
                return Ok(Some(name));
            }
        }
        Ok(None)
    }

    /// Reads the record of the formation; `None` if there is none.
    pub async fn record(&self) -> Result<Option<ConfigMap>, Error> {
        let name = self.store.state_config_map();
        let found = self.api::<ConfigMap>().get_opt(&name).await;
        found.map_err(|error| failed(&format!("reading ConfigMap {name}"), &error))
    }

    /// Creates a Secret, or replaces it at its resource version.
    pub async fn write_secret(&self, secret: &Secret) -> Result<Written, Error> {
        let name = secret.metadata.name.clone().unwrap_or_default();
        let api = self.api::<Secret>();
        let written = if secret.metadata.resource_version.is_some() {
            api.replace(&name, &parameters(), secret).await
        } else {
            api.create(&parameters(), secret).await
        };
        outcome(&format!("writing Secret {name}"), written)
    }

    /// Creates the record of the formation, or replaces it at its resource version; one that says the same stays.
    pub async fn write_record(&self, state: &State) -> Result<Written, Error> {
        let live = self.record().await?;
        if live.as_ref().and_then(State::read).as_ref() == Some(state) {
            return Ok(Written::Done);
        }
        let name = self.store.state_config_map();
        let mut map = live.unwrap_or_default();
        map.metadata.name = Some(name.clone());
        map.data = Some(state.data());
        let api = self.api::<ConfigMap>();
        let written = if map.metadata.resource_version.is_some() {
            api.replace(&name, &parameters(), &map).await
        } else {
            api.create(&parameters(), &map).await
        };
        outcome(&format!("writing ConfigMap {name}"), written)
    }

    /// Reads a DataStore; `None` if there is none.
    pub async fn data_store(&self, name: &str) -> Result<Option<DataStore>, Error> {
        let found = Api::<DataStore>::all(self.client.clone())
            .get_opt(name)
            .await;
        found.map_err(|error| failed(&format!("reading DataStore {name}"), &error))
    }

    /// Applies a DataStore at the resource version that it carries.
    pub async fn apply_data_store(&self, name: &str, object: &Value) -> Result<Written, Error> {
        let parameters = PatchParams::apply(MANAGER).force();
        let applied = Api::<DataStore>::all(self.client.clone())
            .patch(name, &parameters, &Patch::Apply(object))
            .await;
        outcome(&format!("applying DataStore {name}"), applied)
    }
}

fn parameters() -> PostParams {
    PostParams {
        field_manager: Some(MANAGER.to_owned()),
        ..PostParams::default()
    }
}

fn outcome<T>(doing: &str, written: Result<T, kube::Error>) -> Result<Written, Error> {
    match written {
        Ok(_) => Ok(Written::Done),
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(Written::Overtaken),
        Err(error) => Err(failed(doing, &error)),
    }
}

fn failed(doing: &str, error: &kube::Error) -> Error {
    Error::Management {
        doing: doing.to_owned(),
        cause: kamaji_core::error_chain::chain(error),
    }
}
