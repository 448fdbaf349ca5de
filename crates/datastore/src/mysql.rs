//! Driver for MySQL and MariaDB.
//!
//! A tenant has a database named like the schema and an account `user@'%'` with its own password, which holds
//! [`sql::PRIVILEGES`] on that database and nothing else. The owner of schema and user is recorded in a table of the
//! operator ([`claims`]). Sessions go to the first endpoint that takes writes ([`servers`]).

mod answer;
mod claims;
mod dial;
mod facts;
mod idle;
mod observed;
mod owners;
mod passwords;
mod plan;
mod privileges;
mod servers;
mod session;
mod sql;
mod tenant;
mod version;

use async_trait::async_trait;

use crate::change::Change;
use crate::connection::Connection;
use crate::driver::{AccessControl, DataStore};
use crate::error::Error;
use crate::tenancy::Tenancy;
use crate::transfer::{Reader, Writer};

use answer::code::{NO_DATABASE, NO_TABLE};
use passwords::Passwords;
use servers::Servers;

/// Most rows that are counted; of a larger table the server's own estimate is reported.
const COUNTED: u64 = 100_000;
const ESTIMATE: &str = "SELECT TABLE_ROWS FROM information_schema.TABLES \
     WHERE TABLE_SCHEMA = ? AND TABLE_NAME = 'kine'";

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
            .rows_unless(&[NO_DATABASE, NO_TABLE], (&doing, &query), ())
            .await?;
        session.finish();
        let counted = counted.and_then(|rows| rows.into_iter().next());
        Ok(counted.unwrap_or_default())
    }

    async fn fence(&self, _: &Tenancy) -> Result<Option<i64>, Error> {
        Err(Error::no_transfer(
            self.servers.site("taking the right to write"),
        ))
    }

    async fn reader(&self, _: &Tenancy) -> Result<Box<dyn Reader>, Error> {
        Err(Error::no_transfer(
            self.servers.site("reading a tenant's data"),
        ))
    }

    async fn writer(&self, _: &Tenancy) -> Result<Box<dyn Writer>, Error> {
        Err(Error::no_transfer(
            self.servers.site("writing a tenant's data"),
        ))
    }

    fn slow_hint(&self) -> &'static str {
        "is it overloaded, or does a long transaction hold up the deletion of a database?"
    }
}
