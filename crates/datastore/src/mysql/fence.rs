//! Fence of a tenant, and every other change of its rights: rights, log-in and connections end, or come back, while nothing
//! can use the tenant's table.

use tokio::time::sleep;

use super::answer::code::{NO_DATABASE, NO_TABLE};
use super::log_in;
use super::observed::Observed;
use super::passwords::Passwords;
use super::plan::Write;
use super::query::Query;
use super::session::Session;
use super::sql::{Pattern, Table};
use super::tenant::{Ended, Target};
use super::transfer::Hold;
use crate::change::{Change, Step};
use crate::error::Error;
use crate::fence::{FenceId, REFUSED};
use crate::tenancy::{Access, Tenancy};

impl Session<'_> {
    /// Notes the fence, takes the tenant's rights and its log-in, and ends every connection that was open.
    pub(super) async fn fence(
        &mut self,
        (tenancy, fence): (&Tenancy, &FenceId),
        passwords: &Passwords,
    ) -> Result<(), Error> {
        self.lock(tenancy).await?;
        self.note_fence(tenancy, fence).await?;
        self.with_target(tenancy, passwords, Ended::All).await?;
        self.unlock(tenancy).await
    }

    /// Deletes the note of the fence, and gives the tenant its rights and its log-in back.
    pub(super) async fn lift(
        &mut self,
        (tenancy, fence): (&Tenancy, &FenceId),
        passwords: &Passwords,
    ) -> Result<Change, Error> {
        let tenancy = &tenancy.with_access(Access::ReadWrite);
        self.lock(tenancy).await?;
        self.require_own(tenancy).await?;
        self.forget_fence(tenancy, fence).await?;
        let change = self
            .with_target(tenancy, passwords, Ended::Outdated)
            .await?;
        self.unlock(tenancy).await?;
        Ok(change)
    }

    async fn with_target(
        &mut self,
        tenancy: &Tenancy,
        passwords: &Passwords,
        ended: Ended,
    ) -> Result<Change, Error> {
        let password = &log_in::password(self.password(tenancy)?, tenancy.access);
        let own = &Pattern::of(&tenancy.schema, self.facts.literal_patterns);
        let target = Target {
            tenancy,
            password,
            own,
        };
        self.mend(target, passwords, ended).await
    }

    /// Carries out `writes` that change rights or the log-in of a user who exists, and ends the connections, under a
    /// hold: what began before it has got its answer, and what begins later gets none. Whoever may write afterwards
    /// comes back under the same hold, which ends with every search that waits for it: one may be that of a creation
    /// that was refused, which kine would acknowledge if it found nothing. Without a table no kine has written
    /// yet; a fence makes one all the same.
    ///
    /// Whoever loses the right to write loses the log-in and every connection before it: a process that dies in between
    /// leaves nobody who may read and is refused to write, whose refused creations kine would acknowledge.
    pub(super) async fn change_access(
        &mut self,
        target: Target<'_>,
        observed: &Observed,
        writes: &[Write],
    ) -> Result<Vec<Step>, Error> {
        let tenancy = target.tenancy;
        if tenancy.access == Access::ReadWrite && !self.has_table(tenancy).await? {
            let mut steps = Vec::new();
            for write in writes {
                steps.extend(self.apply(write, target).await?);
            }
            self.end_sessions(tenancy, observed).await?;
            return Ok(steps);
        }
        let hold = Hold::prepare(self, &tenancy.schema).await?;
        let waiting = hold.number();
        let work = async {
            self.until_held(waiting, tenancy).await?;
            self.until_quiet(tenancy, observed).await?;
            let mut steps = Vec::new();
            let mut connected = tenancy.access == Access::ReadOnly;
            for write in writes {
                if connected && !write.of_account() {
                    self.end_all_sessions(tenancy, observed).await?;
                    connected = false;
                }
                steps.extend(self.apply(write, target).await?);
            }
            // Again: until the right went, a tenant that makes its fence's password itself could log in.
            self.end_all_sessions(tenancy, observed).await?;
            if tenancy.access == Access::ReadWrite {
                sleep(REFUSED).await;
                self.end_searches(tenancy, observed).await?;
            }
            Ok(steps)
        };
        hold.during(work).await
    }

    async fn has_table(&mut self, tenancy: &Tenancy) -> Result<bool, Error> {
        let doing = format!("reading schema {}", tenancy.schema);
        let query = format!("SELECT 1 FROM {} LIMIT 1", Table::of(&tenancy.schema));
        let none = [NO_DATABASE, NO_TABLE];
        let query = Query::new(&doing, &query);
        let rows: Option<Vec<u8>> = self.rows_unless(&none, query, ()).await?;
        Ok(rows.is_some())
    }
}
