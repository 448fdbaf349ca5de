//! Connections of a tenant's user, and their end.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::answer::code::NO_THREAD;
use super::observed::Observed;
use super::query::Query;
use super::session::Session;
use super::sql::Statement;
use crate::error::Error;
use crate::tenancy::Tenancy;

/// Time within which connections that were ended have to be gone.
const SESSIONS_END: Duration = Duration::from_secs(10);
/// Time that statements under way get before their connections are ended.
const PATIENCE: Duration = Duration::from_secs(2);
/// Time after which a connection that has not logged in yet is ended, too.
const LOG_IN: Duration = Duration::from_secs(1);
/// Time between two readings of the connections.
const POLL: Duration = Duration::from_millis(20);
/// kine's searches begin with SELECT or WITH, its writes with one of these words.
const SESSIONS: &str = "SELECT ID, USER, DB, COMMAND, STATE, \
     INFO NOT REGEXP '^[[:space:]]*(INSERT|UPDATE|DELETE)[[:space:]]' \
     FROM information_schema.PROCESSLIST WHERE USER IN (?, 'unauthenticated user')";
const STATE: &str = "SELECT STATE FROM information_schema.PROCESSLIST WHERE ID = ?";
const NEWEST: &str = "SELECT MAX(ID) FROM information_schema.PROCESSLIST";
/// User of a connection that has not logged in yet, as the server shows it.
const NOBODY: &str = "unauthenticated user";
/// State of a connection that waits for the lock on a table's definition.
const WAITS: &str = "Waiting for table metadata lock";
/// Command of a connection that waits for its client.
const IDLES: &str = "Sleep";

/// A connection as the server lists it: number, user, database, command, state, and whether its statement only reads.
type Listed = (
    u64,
    String,
    Option<String>,
    String,
    Option<String>,
    Option<bool>,
);

/// A connection of a tenant's user, or of nobody yet.
struct Opened {
    number: u64,
    /// True while its client has not logged in.
    nobodys: bool,
    /// True while it does something other than wait for a table that is held.
    busy: bool,
    /// True while it waits to read a table that is held.
    searches: bool,
}

impl Session<'_> {
    /// Ends the connections of the tenant's user, whatever they are doing.
    pub(super) async fn end_sessions(
        &mut self,
        tenancy: &Tenancy,
        observed: &Observed,
    ) -> Result<(), Error> {
        let opened = self.opened(tenancy, observed).await?;
        for each in opened {
            if !each.nobodys {
                self.end(tenancy, each.number).await?;
            }
        }
        Ok(())
    }

    /// Ends the connections of the tenant's user that are open now, and waits until they are gone. A connection that
    /// has not logged in yet may still do so by what was valid before, so that it is waited for, too.
    pub(super) async fn end_all_sessions(
        &mut self,
        tenancy: &Tenancy,
        observed: &Observed,
    ) -> Result<(), Error> {
        let doing = format!("ending connections of user {}", tenancy.user);
        let newest: Vec<u64> = self.rows(&doing, NEWEST, ()).await?;
        // Numbers rise, so that whoever connects from now on has a higher one.
        let newest = newest.first().copied().unwrap_or(u64::MAX);
        let since = Instant::now();
        let mut ended: Vec<u64> = Vec::new();
        loop {
            let mut left = self.opened(tenancy, observed).await?;
            left.retain(|each| each.number <= newest);
            if left.is_empty() {
                return Ok(());
            }
            for each in left {
                let patience = if each.nobodys { LOG_IN } else { Duration::ZERO };
                if since.elapsed() >= patience && !ended.contains(&each.number) {
                    self.end(tenancy, each.number).await?;
                    ended.push(each.number);
                }
            }
            if since.elapsed() >= SESSIONS_END {
                return Err(Error::Unreachable {
                    site: self.site(doing),
                    cause: format!(
                        "they did not end within {} s, as a large transaction that is undone does not",
                        SESSIONS_END.as_secs()
                    ),
                });
            }
            sleep(POLL).await;
        }
    }

    /// Waits until the connection `waiting` waits for a table, as it does for one that is about to be held.
    pub(super) async fn until_held(
        &mut self,
        waiting: u64,
        tenancy: &Tenancy,
    ) -> Result<(), Error> {
        let doing = format!("holding schema {}", tenancy.schema);
        let since = Instant::now();
        loop {
            let states: Vec<Option<String>> = self.rows(&doing, STATE, (waiting,)).await?;
            if states.into_iter().flatten().any(|state| state == WAITS) {
                return Ok(());
            }
            if since.elapsed() >= PATIENCE {
                return Err(Error::Unreachable {
                    site: self.site(doing),
                    cause: format!(
                        "no wait for the table within {} s; does another program lock it?",
                        PATIENCE.as_secs()
                    ),
                });
            }
            sleep(POLL).await;
        }
    }

    /// Waits until every statement of the tenant's user has ended or waits for the table that is held, at most for
    /// [`PATIENCE`]: what takes longer is a change that was not acknowledged, and ends with its connection.
    pub(super) async fn until_quiet(
        &mut self,
        tenancy: &Tenancy,
        observed: &Observed,
    ) -> Result<(), Error> {
        let since = Instant::now();
        while since.elapsed() < PATIENCE {
            let opened = self.opened(tenancy, observed).await?;
            if !opened.iter().any(|each| each.busy && !each.nobodys) {
                break;
            }
            sleep(POLL).await;
        }
        Ok(())
    }

    /// Ends every statement of the tenant's user that waits to read a table that is held. The connections stay.
    pub(super) async fn end_searches(
        &mut self,
        tenancy: &Tenancy,
        observed: &Observed,
    ) -> Result<(), Error> {
        let doing = format!("ending searches of user {}", tenancy.user);
        for each in self.opened(tenancy, observed).await? {
            if each.searches {
                let statement = Statement::kill_statement(each.number);
                self.write_unless(&[NO_THREAD], &doing, &statement).await?;
            }
        }
        Ok(())
    }

    async fn end(&mut self, tenancy: &Tenancy, number: u64) -> Result<(), Error> {
        let doing = format!("ending connections of user {}", tenancy.user);
        let statement = Statement::kill(number);
        self.write_unless(&[NO_THREAD], &doing, &statement)
            .await
            .map(drop)
    }

    /// Connections of the tenant's user, and those of nobody yet. Where the server has users of this name for other
    /// hosts, only those that use the tenant's database: the others may be another application's.
    async fn opened(
        &mut self,
        tenancy: &Tenancy,
        observed: &Observed,
    ) -> Result<Vec<Opened>, Error> {
        let (schema, user) = (tenancy.schema.as_str(), tenancy.user.as_str());
        let doing = format!("reading connections of user {user}");
        let query = Query::new(&doing, SESSIONS);
        let listed: Option<Vec<Listed>> = self.rows_unless(&[], query, (user,)).await?;
        let opened = listed.into_iter().flatten();
        let opened = opened.filter_map(|(number, name, database, command, state, reads)| {
            let waits = state.as_deref() == Some(WAITS);
            let nobodys = name == NOBODY;
            let own = name == user
                && (observed.other_hosts.is_empty() || database.as_deref() == Some(schema));
            (own || nobodys).then(|| Opened {
                number,
                nobodys,
                busy: command != IDLES && !waits,
                searches: waits && reads == Some(true),
            })
        });
        Ok(opened.collect())
    }
}
