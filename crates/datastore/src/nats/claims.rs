//! Claims of a JetStream account and of a bucket in it: the account's record is written first and deleted last, so
//! that whoever writes the second has the first.

use super::client::Nats;
use super::observed::Observed;
use super::records::{ACCOUNT, Stored, schema_key};
use super::transfer::place_key;
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
            let schema = schema_key(&tenancy.schema);
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

    /// Deletes the place of a writer, and both records as they were observed.
    pub(super) async fn forget(
        &self,
        tenancy: &Tenancy,
        observed: &Observed,
    ) -> Result<Step, Error> {
        let place = place_key(&tenancy.schema);
        let noted = self.read(&place).await?;
        let schema = schema_key(&tenancy.schema);
        let records: [(&str, &Option<Stored>); 3] = [
            (&place, &noted),
            (&schema, &observed.schema),
            (ACCOUNT, &observed.account),
        ];
        for (key, stored) in records {
            if let Some(stored) = stored
                && !self.delete(key, stored).await?
            {
                return Err(self.overtaken("deleting the owner record", tenancy));
            }
        }
        Ok(Step::OwnerRemoved)
    }

    /// Purges the marks of deleted records that a crash left.
    pub(super) async fn sweep(&self, tenancy: &Tenancy, observed: &Observed) -> Result<(), Error> {
        let (place, schema) = (place_key(&tenancy.schema), schema_key(&tenancy.schema));
        let noted = self.read(&place).await?;
        for (key, stored) in [
            (place.as_str(), &noted),
            (schema.as_str(), &observed.schema),
            (ACCOUNT, &observed.account),
        ] {
            if let Some(mark) = stored {
                self.purge_mark(key, mark).await?;
            }
        }
        Ok(())
    }

    /// Error of an operation whose records another writer changed meanwhile.
    pub(super) fn overtaken(&self, doing: &str, tenancy: &Tenancy) -> Error {
        Error::Protocol {
            site: self.site(format!("{doing} of schema {}", tenancy.schema)),
            cause: "another writer changed the owner records meanwhile".to_owned(),
        }
    }
}
