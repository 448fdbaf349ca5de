//! How is a tenant kept in etcd?

use async_trait::async_trait;

use crate::{Change, Connection, DataStore, Error, Site, Tenancy};

/// An etcd cluster, reached as its administrator.
pub(crate) struct Etcd {
    connection: Connection,
}

impl Etcd {
    #[expect(clippy::unused_async, reason = "the driver is being written")]
    pub(crate) async fn open(connection: &Connection) -> Result<Self, Error> {
        Ok(Self {
            connection: connection.clone(),
        })
    }

    fn unfinished(&self) -> Error {
        let cause = "the driver is being written".to_owned();
        Error::Protocol {
            site: Site::new(&self.connection, "nothing"),
            cause,
        }
    }
}

#[async_trait]
impl DataStore for Etcd {
    async fn check(&self) -> Result<(), Error> {
        Err(self.unfinished())
    }
    async fn ensure(&self, _: &Tenancy) -> Result<Change, Error> {
        Err(self.unfinished())
    }
    async fn remove(&self, _: &Tenancy) -> Result<Change, Error> {
        Err(self.unfinished())
    }
    async fn usage(&self, _: &Tenancy) -> Result<u64, Error> {
        Err(self.unfinished())
    }
}
