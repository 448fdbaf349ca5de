//! Failures of operations at DataStores.

use kamaji_datastore as datastore;

/// Failure of an operation at a DataStore; its text names the DataStore.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// The driver reports an error, or there is no driver.
    #[error("the DataStore {store}: {source}")]
    Driver {
        /// Name of the DataStore.
        store: String,
        /// Error of the driver.
        #[source]
        source: Box<datastore::Error>,
    },
    /// An operation did not finish within its time limit.
    #[error("the DataStore {store} did not finish an operation in time: {hint}")]
    TimeOut {
        /// Name of the DataStore.
        store: String,
        /// Question of the driver to an administrator.
        hint: &'static str,
    },
    /// The DataStore or the binding cannot be used as it is written.
    #[error("the DataStore {store}: {problem}")]
    Unusable {
        /// Name of the DataStore.
        store: String,
        /// Flaw of the DataStore or the binding.
        problem: String,
    },
}

impl DatabaseError {
    /// The driver's error, if the failure is one.
    pub fn driver(&self) -> Option<&datastore::Error> {
        match self {
            Self::Driver { source, .. } => Some(source),
            _ => None,
        }
    }

    /// True if the names are another's, so that nothing was changed.
    pub fn is_refusal(&self) -> bool {
        self.driver().is_some_and(datastore::Error::is_refusal)
    }
}
