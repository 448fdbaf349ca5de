//! Transfer of a tenant's rows between its database and the records of a copy.
//!
//! Rows are read and written by the tenant's own user, so that nothing in a tenant's table can use the rights of the
//! administrator, who only waits for transactions and holds the owner record while rows change. Names are compared by
//! their bytes, whatever collation the table has.

mod barrier;
mod gather;
mod hold;
mod link;
mod listing;
mod reader;
mod table;
mod writer;

use mysql_async::OptsBuilder;

use super::log_in;
use super::session::Session;
use super::sql::SQL_MODE;
use crate::error::Error;
use crate::tenancy::{Access, Tenancy};

pub(super) use hold::Hold;
use link::Link;
use reader::TableReader;
use writer::TableWriter;

/// Setting of the administrator's connection: a wait for transactions holds up the tenant for no longer.
const SHORT_WAIT: &str = "SET SESSION lock_wait_timeout = 1, SESSION innodb_lock_wait_timeout = 4";

/// Opens the reader of a tenant at the endpoint of the session.
pub(super) async fn reader(
    session: &mut Session<'_>,
    tenancy: &Tenancy,
) -> Result<TableReader, Error> {
    session.require_own(tenancy).await?;
    let (administrator, tenant) = (administrator(session), tenant(session, tenancy)?);
    Ok(TableReader::new(&tenancy.schema, administrator, tenant))
}

/// Opens the writer of a tenant at the endpoint of the session, and creates kine's table if there is none. Every earlier
/// writer of the tenant is refused from here on.
pub(super) async fn writer(
    session: &mut Session<'_>,
    tenancy: &Tenancy,
) -> Result<TableWriter, Error> {
    let place = session.take_place(tenancy).await?;
    let (administrator, tenant) = (administrator(session), tenant(session, tenancy)?);
    let mut writer = TableWriter::new(tenancy.clone(), place, (administrator, tenant));
    writer.prepare().await?;
    Ok(writer)
}

/// The last revision of a tenant that can no longer write, once the transactions under way have ended.
pub(super) async fn last_revision(
    session: &mut Session<'_>,
    tenancy: &Tenancy,
) -> Result<i64, Error> {
    let mut reader = reader(session, tenancy).await?;
    reader.last_revision().await
}

fn administrator(session: &Session<'_>) -> Link {
    let (endpoint, options) = session.origin();
    let options = OptsBuilder::from_opts(options).init(vec![SQL_MODE, SHORT_WAIT]);
    Link::new(endpoint, options, session.site(""))
}

fn tenant(session: &Session<'_>, tenancy: &Tenancy) -> Result<Link, Error> {
    let own = session.password(tenancy)?;
    let (endpoint, options) = session.origin();
    // The tenant may be fenced, or no longer, while the link is used.
    let logins = [Access::ReadWrite, Access::ReadOnly].map(|access| {
        OptsBuilder::from_opts(options.clone())
            .user(Some(tenancy.user.as_str()))
            .pass(Some(log_in::password(own, access).expose()))
    });
    let [own, fenced] = logins;
    Ok(Link::new(endpoint, own, session.site("")).or(fenced))
}
