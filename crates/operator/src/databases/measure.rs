//! Measurements at DataStores: the server's version, and the size of a tenant's data.

use kamaji_core::data_store::ResolvedDataStore;
use kamaji_datastore::Tenancy;
use kamaji_shell::ObjectKey;

use super::{DatabaseError, DatastoreClients, SIZE_TIME_LIMIT};

impl DatastoreClients {
    /// Product and version of the server, by one request.
    pub async fn version(&self, store: &ResolvedDataStore) -> Result<String, DatabaseError> {
        let open = self.open(store).await?;
        open.within(&store.name, open.store.version()).await
    }

    /// Keys of a tenant, or rows of its table.
    pub async fn keys(
        &self,
        store: &ResolvedDataStore,
        tenancy: &Tenancy,
    ) -> Result<u64, DatabaseError> {
        let open = self.open(store).await?;
        open.within(&store.name, open.store.usage(tenancy)).await
    }

    /// Bytes of a tenant's data. This may take minutes, so that it takes no other operation's turn.
    pub async fn bytes(
        &self,
        store: &ResolvedDataStore,
        tenancy: &Tenancy,
    ) -> Result<u64, DatabaseError> {
        let open = self.open(store).await?;
        let reading = open.store.bytes(tenancy);
        open.limited(&store.name, SIZE_TIME_LIMIT, reading).await
    }

    /// The tenancy of `key` in the DataStore `store`, once this process has ensured it.
    pub fn tenancy(&self, key: &ObjectKey, store: &str) -> Option<Tenancy> {
        let ensured = self.locked();
        let (.., tenancy) = ensured.get(&(key.clone(), store.to_owned()))?;
        Some(tenancy.clone())
    }
}
