//! Session of a tenant for a transfer: opened when it is used, and again after it was lost.

use std::sync::Arc;

use crate::error::Error;
use crate::postgres::answer::Failure;
use crate::postgres::notes::{place_of, unrecorded};
use crate::postgres::observed::Observed;
use crate::postgres::pool::Pool;
use crate::postgres::session::Session;
use crate::tenancy::Tenancy;
use crate::transfer::place;

/// Access to a tenant's database as the tenant. It holds at most one connection, which ends with the value and is none
/// of the few that all other operations share; whoever starts transfers bounds their number.
pub(crate) struct Link {
    pool: Arc<Pool>,
    tenancy: Tenancy,
    /// Place that the link needs; `None` for a link that only reads.
    place: Option<String>,
    session: Option<Session>,
}

impl Link {
    /// Connects as the tenant, to a database that is recorded as the tenant's.
    pub(crate) async fn open(pool: &Arc<Pool>, tenancy: &Tenancy) -> Result<Self, Error> {
        Self::with(pool, tenancy, None).await
    }

    /// Link of a writer, as long as its place is not taken by a later one.
    pub(crate) async fn placed(
        pool: &Arc<Pool>,
        tenancy: &Tenancy,
        place: String,
    ) -> Result<Self, Error> {
        Self::with(pool, tenancy, Some(place)).await
    }

    async fn with(
        pool: &Arc<Pool>,
        tenancy: &Tenancy,
        place: Option<String>,
    ) -> Result<Self, Error> {
        let mut link = Self {
            pool: Arc::clone(pool),
            tenancy: tenancy.clone(),
            place,
            session: None,
        };
        link.session().await?;
        Ok(link)
    }

    /// The open session. The owner records and the place are checked after a new one was opened: a database that is made
    /// anew under the same name ends the sessions in the old one, and so does a later writer.
    pub(super) async fn session(&mut self) -> Result<&Session, Error> {
        match self.session.take() {
            Some(session) if session.is_reusable() => Ok(self.session.insert(session)),
            _ => {
                let session = self.connect().await?;
                self.check().await?;
                Ok(self.session.insert(session))
            }
        }
    }

    async fn connect(&self) -> Result<Session, Error> {
        let servers = &self.pool.servers;
        let error = |failure| self.error("logging in to", failure);
        let login = servers.tenant(&self.tenancy)?;
        let mut session = servers.session(&login).await.map_err(error)?;
        session.allow_long_calls().await.map_err(error)?;
        Ok(session)
    }

    /// Ends the session and with it the transaction that is open in it.
    pub(super) fn close(&mut self) {
        self.session = None;
    }

    /// The open session, after owner records and place were checked.
    pub(super) async fn checked(&mut self) -> Result<&Session, Error> {
        // A session that was opened after the check could write by a place that was taken meanwhile.
        self.session().await?;
        self.check().await?;
        self.session().await
    }

    /// Fails unless both names of the tenancy are recorded as the tenant's, and the place is that of this link.
    async fn check(&self) -> Result<(), Error> {
        let error = |failure| self.error("reading the owner record of", failure);
        let lease = self.pool.lease().await.map_err(error)?;
        let observed = Observed::read(&lease, &self.tenancy).await;
        let unclaimed = self
            .pool
            .servers
            .decide(&observed.map_err(error)?, &self.tenancy)?;
        let schema = self.tenancy.schema.as_str();
        let site = || self.pool.servers.site(format!("opening schema {schema}"));
        if unclaimed {
            return Err(unrecorded(site(), schema));
        }
        let Some(own) = &self.place else {
            return Ok(());
        };
        let noted = place_of(&lease, &self.tenancy).await;
        place::require(own, noted.map_err(error)?.as_deref(), site)
    }

    /// Error of an operation on the tenant's database, `doing` it.
    pub(super) fn error(&self, doing: &str, failure: Failure) -> Error {
        let doing = format!("{doing} database {}", self.tenancy.schema);
        self.pool.servers.error(doing, failure)
    }

    /// Error about a key or value that this driver cannot transfer.
    pub(super) fn unsupported(&self, doing: &str, cause: String) -> Error {
        let doing = format!("{doing} database {}", self.tenancy.schema);
        Error::Unsupported {
            site: self.pool.servers.site(doing),
            cause,
        }
    }
}
