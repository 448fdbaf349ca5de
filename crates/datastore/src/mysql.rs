//! Driver for MySQL and MariaDB.
//!
//! A tenant has a database named like the schema and an account `user@'%'` with its own password, which holds
//! [`sql::PRIVILEGES`] on that database and nothing else. The owner of schema and user is recorded in a table of the
//! operator ([`claims`]). Sessions go to the first endpoint that takes writes ([`servers`]).

mod answer;
mod claims;
mod dial;
mod facts;
mod failed;
mod fence;
mod idle;
mod log_in;
mod notes;
mod observed;
mod owners;
mod passwords;
mod plan;
mod privileges;
mod query;
mod servers;
mod session;
mod sessions;
mod sql;
mod tenant;
mod transfer;
mod version;

use async_trait::async_trait;

use crate::change::Change;
use crate::connection::Connection;
use crate::driver::{AccessControl, DataStore};
use crate::error::Error;
use crate::fence::{FenceId, require_read_only};
use crate::tenancy::Tenancy;
use crate::transfer::{Reader, Writer};

use answer::code::{NO_DATABASE, NO_TABLE};
use passwords::Passwords;
use query::Query;
use servers::Servers;

/// Most rows that are counted; of a larger table the server's own estimate is reported.
const COUNTED: u64 = 100_000;
const ESTIMATE: &str = "SELECT TABLE_ROWS FROM information_schema.TABLES \
     WHERE TABLE_SCHEMA = ? AND TABLE_NAME = 'kine'";
const SIZE: &str = "SELECT CAST(SUM(DATA_LENGTH + INDEX_LENGTH) AS UNSIGNED) \
     FROM information_schema.TABLES WHERE TABLE_SCHEMA = ?";

/// The endpoints of one MySQL or MariaDB, reached as its administrator.
struct MySql {
    servers: Servers,
    passwords: Passwords,
}

/// Checks the connection data; nothing is dialled yet.
pub(crate) fn open(connection: &Connection) -> Result<impl DataStore + use<>, Error> {
    Ok(MySql {
        servers: Servers::prepare(connection)?,
        passwords: Passwords::default(),
    })
}

#[async_trait]
impl DataStore for MySql {
    async fn check(&self) -> Result<AccessControl, Error> {
        let mut session = self.servers.session("connecting").await?;
        session.require_administrator().await?;
        session.finish();
        Ok(AccessControl::On)
    }

    async fn ensure(&self, tenancy: &Tenancy) -> Result<Change, Error> {
        let doing = format!("claiming schema {}", tenancy.schema);
        let mut session = self.servers.session(&doing).await?;
        let change = session.ensure(tenancy, &self.passwords).await?;
        session.finish();
        Ok(change)
    }

    async fn remove(&self, tenancy: &Tenancy) -> Result<Change, Error> {
        let doing = format!("removing schema {}", tenancy.schema);
        let mut session = self.servers.session(&doing).await?;
        let change = session.remove(tenancy).await?;
        session.finish();
        self.passwords.forget(&tenancy.user);
        Ok(change)
    }

    /// Rows of the tenant's table; of more than [`COUNTED`] the server's estimate.
    async fn usage(&self, tenancy: &Tenancy) -> Result<u64, Error> {
        let doing = format!("counting rows of schema {}", tenancy.schema);
        let mut session = self.servers.session(&doing).await?;
        let schema = (tenancy.schema.as_str(),);
        let estimate: Vec<Option<u64>> = session.rows(&doing, ESTIMATE, schema).await?;
        let estimate = estimate.into_iter().flatten().next().unwrap_or_default();
        if estimate > COUNTED {
            session.finish();
            return Ok(estimate);
        }
        let query = sql::count_rows(&tenancy.schema);
        let counted: Option<Vec<u64>> = session
            .rows_unless(&[NO_DATABASE, NO_TABLE], Query::new(&doing, &query), ())
            .await?;
        session.finish();
        let counted = counted.and_then(|rows| rows.into_iter().next());
        Ok(counted.unwrap_or_default())
    }

    async fn bytes(&self, tenancy: &Tenancy) -> Result<u64, Error> {
        let doing = format!("reading the size of schema {}", tenancy.schema);
        let mut session = self.servers.session(&doing).await?;
        let schema = (tenancy.schema.as_str(),);
        let size: Vec<Option<u64>> = session.rows(&doing, SIZE, schema).await?;
        session.finish();
        Ok(size.into_iter().flatten().next().unwrap_or_default())
    }

    async fn version(&self) -> Result<String, Error> {
        let session = self.servers.session("reading the version").await?;
        let version = session.facts.version.product_and_number();
        session.finish();
        Ok(version)
    }

    /// Takes the right to write and the password, ends the connections that were open, and waits for their
    /// transactions. kine 0.17.5 acknowledges a creation that was refused if it does not find the key afterwards, and
    /// nothing here can refuse that one search, so that kine cannot log in at all: reads are refused, too. Until its
    /// last connection has ended, the table is held, and the search waits.
    async fn fence(&self, tenancy: &Tenancy, fence: &FenceId) -> Result<i64, Error> {
        require_read_only(tenancy, |doing| self.servers.site(doing))?;
        let doing = format!("taking the right to write schema {}", tenancy.schema);
        let mut session = self.servers.session(&doing).await?;
        session.fence((tenancy, fence), &self.passwords).await?;
        let last = transfer::last_revision(&mut session, tenancy).await?;
        session.finish();
        Ok(last)
    }

    async fn lift(&self, tenancy: &Tenancy, fence: &FenceId) -> Result<Change, Error> {
        let doing = format!("giving back the right to write schema {}", tenancy.schema);
        let mut session = self.servers.session(&doing).await?;
        let change = session.lift((tenancy, fence), &self.passwords).await?;
        session.finish();
        Ok(change)
    }

    async fn reader(&self, tenancy: &Tenancy) -> Result<Box<dyn Reader>, Error> {
        let doing = format!("reading schema {}", tenancy.schema);
        let mut session = self.servers.session(&doing).await?;
        let reader = transfer::reader(&mut session, tenancy).await?;
        session.finish();
        Ok(Box::new(reader))
    }

    async fn writer(&self, tenancy: &Tenancy) -> Result<Box<dyn Writer>, Error> {
        let doing = format!("writing schema {}", tenancy.schema);
        let mut session = self.servers.session(&doing).await?;
        let writer = transfer::writer(&mut session, tenancy).await?;
        session.finish();
        Ok(Box::new(writer))
    }

    fn slow_hint(&self) -> &'static str {
        "is it overloaded, or does a long transaction hold up the deletion of a database?"
    }
}
