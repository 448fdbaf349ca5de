//! Claims of a JetStream account and of a bucket in it: the account's record is written first and deleted last, so
//! that whoever writes the second has the first.

use super::client::Nats;
use super::observed::Observed;
use super::records::{ACCOUNT, FENCE, SCHEMA, WRITER, key_of};
use crate::change::Step;
use crate::error::Error;
use crate::ownership::Standing;
use crate::tenancy::Tenancy;

/// Most attempts of a claim, each after another writer came first.
const ATTEMPTS: usize = 3;

impl Nats {
    /// Observes a tenancy and claims it; returns the observation and the writes.
    pub(super) async fn claim(&self, tenancy: &Tenancy) -> Result<(Observed, Vec<Step>), Error> {
        let observed = self.observe(tenancy).await?;
        self.claim_observed(tenancy, observed).await
    }

    /// Claims a tenancy after an observation, as [`Self::claim`] does.
    pub(super) async fn claim_observed(
        &self,
        tenancy: &Tenancy,
        mut observed: Observed,
    ) -> Result<(Observed, Vec<Step>), Error> {
        let record = tenancy.owner.record();
        let mut steps = Vec::new();
        for _ in 0..=ATTEMPTS {
            let standings = self.standings(tenancy, &observed)?;
            let schema = key_of(SCHEMA, &tenancy.schema);
            let (key, before) = match standings {
                [Standing::Own, Standing::Own] => return Ok((observed, steps)),
                [Standing::Own, _] => (schema.as_str(), &observed.schema),
                [_, _] => (ACCOUNT, &observed.account),
            };
            if self.write(key, &record, before.as_ref()).await? {
                steps = vec![Step::OwnerRecorded];
            }
            observed = self.observe(tenancy).await?;
        }
        Err(self.overtaken("claiming", tenancy))
    }

    /// Ownership of account and schema; both are decided before either is claimed.
    pub(super) fn standings(
        &self,
        tenancy: &Tenancy,
        observed: &Observed,
    ) -> Result<[Standing; 2], Error> {
        let account = observed.account(tenancy).map_err(|denial| {
            let site = self.site("claiming the JetStream account, which serves one tenant");
            denial.into_error(site, "account of user", self.user())
        })?;
        let name = tenancy.schema.as_str();
        let schema = observed.schema(tenancy).map_err(|denial| {
            let site = self.site(format!("claiming schema {name}"));
            denial.into_error(site, "schema", name)
        })?;
        Ok([account, schema])
    }

    /// Deletes the notes and the record of a schema as they are, purges the marks that a crash left of them, and deletes the record of the account unless the owner has
    /// another schema in it, as a probe beside a tenant is.
    pub(super) async fn forget(
        &self,
        tenancy: &Tenancy,
        observed: &Observed,
    ) -> Result<Option<Step>, Error> {
        let place = key_of(WRITER, &tenancy.schema);
        let noted = self.read(&place).await?;
        let (fence, schema) = (
            key_of(FENCE, &tenancy.schema),
            key_of(SCHEMA, &tenancy.schema),
        );
        let mut forgotten = false;
        // The notes first: a note without a record would be in the way of the next tenant.
        for (key, stored) in [
            (&place, &noted),
            (&fence, &observed.fence),
            (&schema, &observed.schema),
        ] {
            let Some(stored) = stored else {
                continue;
            };
            if stored.record().is_none() {
                self.purge_mark(key, stored).await?;
                continue;
            }
            if !self.delete(key, stored).await? {
                return Err(self.overtaken("deleting the owner record", tenancy));
            }
            forgotten = true;
        }
        forgotten |= self.forget_account(tenancy, observed).await?;
        Ok(forgotten.then_some(Step::OwnerRemoved))
    }

    /// Deletes the record of the account, if there is one and no schema in it is recorded.
    async fn forget_account(&self, tenancy: &Tenancy, observed: &Observed) -> Result<bool, Error> {
        let Some(account) = &observed.account else {
            return Ok(false);
        };
        if account.record().is_none() {
            self.purge_mark(ACCOUNT, account).await?;
            return Ok(false);
        }
        // Read before the search: what is claimed meanwhile keeps the record.
        let last = self.last_record().await?;
        if self.is_any_recorded(SCHEMA).await? {
            return Ok(false);
        }
        let unchanged = self.read(ACCOUNT).await? == observed.account;
        if !unchanged || !self.delete_after(last, ACCOUNT).await? {
            return Err(self.overtaken("deleting the owner record", tenancy));
        }
        Ok(true)
    }

    /// Error of an operation whose records another writer changed meanwhile.
    pub(super) fn overtaken(&self, doing: &str, tenancy: &Tenancy) -> Error {
        Error::Protocol {
            site: self.site(format!("{doing} of schema {}", tenancy.schema)),
            cause: "another writer changed the owner records meanwhile".to_owned(),
        }
    }
}
