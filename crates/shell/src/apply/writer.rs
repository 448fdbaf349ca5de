//! [`Writer`]: leadership, request counters and the storm guard in front of a client.

use kamaji_core::adoption::MANAGER;
use kube::{Api, Client, Resource, api::ApiResource, core::DynamicResourceScope};

use super::error::WriteError;
use crate::{clock, lease::Leadership, received::Received, storm::Guard, telemetry::Counters};

/// Writes to one API server while this replica leads. Clones share the storm guard and the counters.
#[derive(Clone)]
pub struct Writer {
    client: Client,
    leadership: Leadership,
    pub(super) counters: Counters,
    pub(super) guard: Guard,
    /// Field manager of every apply.
    pub(super) manager: &'static str,
}

impl Writer {
    /// A writer to the API server behind `client` that writes while `leadership` holds, as field manager
    /// [`MANAGER`].
    pub fn new(client: Client, leadership: Leadership, counters: Counters) -> Self {
        Self {
            client,
            leadership,
            counters,
            guard: Guard::default(),
            manager: MANAGER,
        }
    }

    /// Changes the field manager to `manager`.
    #[must_use]
    pub fn managing_as(self, manager: &'static str) -> Self {
        Self { manager, ..self }
    }

    /// A writer to another API server, that of a tenant. Its storm guard is its own, since every tenant cluster
    /// has objects of the same names.
    #[must_use]
    pub fn towards(&self, client: Client) -> Self {
        Self {
            client,
            guard: Guard::default(),
            ..self.clone()
        }
    }

    /// Waits until this replica leads.
    pub async fn leading(&self) {
        self.leadership.acquired().await;
    }

    /// True while this replica leads.
    pub fn is_leading(&self) -> bool {
        self.leadership.is_leading()
    }

    /// Requests about objects of `resource` in `namespace`; `None` for cluster-scoped kinds.
    pub(super) fn api<K>(&self, resource: &ApiResource, namespace: Option<&str>) -> Api<K>
    where
        K: Resource<DynamicType = ApiResource, Scope = DynamicResourceScope>,
    {
        match namespace {
            Some(namespace) => Api::namespaced_with(self.client.clone(), namespace, resource),
            None => Api::all_with(self.client.clone(), resource),
        }
    }

    /// Requests about objects of the kind of `object` in its namespace.
    pub(super) fn api_of<K: Resource<DynamicType = ()>>(&self, object: &K) -> Api<Received> {
        let namespace = object.meta().namespace.as_deref();
        self.api(&ApiResource::erase::<K>(&()), namespace)
    }

    /// Checks leadership and the storm guard before a write: `limit` writes of `key` within a minute are a
    /// storm. `object` names the object in the error.
    pub(super) fn admit(&self, object: &str, key: &str, limit: usize) -> Result<(), WriteError> {
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

    /// The answer to `request`, which is dropped when the leadership ends: the client may be about to repeat it.
    pub(super) async fn fenced<T>(
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

    /// As [`Writer::fenced`], with errors of the API server turned into [`WriteError`].
    pub(super) async fn sent<T>(
        &self,
        object: &str,
        request: impl Future<Output = Result<T, kube::Error>>,
    ) -> Result<T, WriteError> {
        let result = self.fenced(object, request).await?;
        result.map_err(|error| WriteError::of(object.to_owned(), &error))
    }
}
