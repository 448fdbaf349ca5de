//! Claims of a tenancy's names: owner records written and deleted by transactions that compare first.
//!
//! No tenant's range covers the records: a schema has no `/`, and the one that would cover them is reserved.

use etcd_client::{Compare, CompareOp, Txn, TxnOp, TxnResponse};

use super::client::Etcd;
use super::observed::{Observed, Range};
use super::owners::{fence_key, frozen_key, is_owned, key, transfer_keys};
use crate::change::Step;
use crate::error::Error;
use crate::ownership::{Standing, Standings};
use crate::tenancy::Tenancy;

/// Most attempts of a claim, each after another writer came first.
const ATTEMPTS: usize = 3;

impl Etcd {
    /// Observes a tenancy and claims its names; returns the observation and the writes.
    pub(super) async fn claim(&self, tenancy: &Tenancy) -> Result<(Observed, Vec<Step>), Error> {
        let observed = self.observe(tenancy).await?;
        self.claim_observed(tenancy, observed).await
    }

    /// Claims a tenancy's names after an observation, as [`Self::claim`] does.
    pub(super) async fn claim_observed(
        &self,
        tenancy: &Tenancy,
        mut observed: Observed,
    ) -> Result<(Observed, Vec<Step>), Error> {
        for _ in 0..ATTEMPTS {
            let (schema, user) = (observed.schema(tenancy), observed.login(tenancy));
            let standings = Standings::of(tenancy, schema, user, |doing| self.members.site(doing))?;
            if standings.are_own() {
                return Ok((observed, Vec::new()));
            }
            if self.record(tenancy, &observed, standings).await? {
                return Ok((observed, vec![Step::OwnerRecorded]));
            }
            observed = self.observe(tenancy).await?;
        }
        Err(self.overtaken("claiming".to_owned(), tenancy))
    }

    /// Writes both records, if nothing has changed since they were read; false if something has.
    async fn record(
        &self,
        tenancy: &Tenancy,
        observed: &Observed,
        Standings { schema, user }: Standings,
    ) -> Result<bool, Error> {
        let keys = keys(tenancy);
        let stored = [&observed.records.schema, &observed.records.user];
        let mut unchanged: Vec<Compare> = keys
            .iter()
            .zip(stored)
            .map(|(key, stored)| match stored {
                Some(record) => Compare::value(key.as_str(), CompareOp::Equal, record.clone()),
                None => Compare::create_revision(key.as_str(), CompareOp::Equal, 0),
            })
            .collect();
        if schema == Standing::Free {
            let own = Range::of(&tenancy.schema);
            let empty = Compare::create_revision(own.start, CompareOp::Equal, 0);
            unchanged.push(empty.with_range(own.end));
        }
        let record = tenancy.owner.record();
        let puts: Vec<TxnOp> = keys
            .iter()
            .zip([schema, user])
            .filter(|(_, standing)| *standing != Standing::Own)
            .map(|(key, _)| TxnOp::put(key.as_str(), record.clone(), None))
            .collect();
        let transaction = Txn::new().when(unchanged).and_then(puts);
        let doing = format!("recording the owner of schema {}", tenancy.schema);
        Ok(self.transact(&doing, &transaction).await?.succeeded())
    }

    /// Carries out a transaction whose conditions hold unless somebody else has taken the names of the tenancy.
    pub(super) async fn transact_or_overtaken(
        &self,
        doing: &str,
        transaction: &Txn,
        tenancy: &Tenancy,
    ) -> Result<TxnResponse, Error> {
        let answer = self.transact(doing, transaction).await?;
        if answer.succeeded() {
            Ok(answer)
        } else {
            Err(self.overtaken(doing.to_owned(), tenancy))
        }
    }

    /// Ends a transfer to the tenant's schema: nothing that is still on its way is written, as the claim of its writer is
    /// gone.
    pub(super) async fn end_transfer(&self, tenancy: &Tenancy) -> Result<(), Error> {
        let schema = tenancy.schema.as_str();
        let deletes = transfer_keys(schema).map(|key| TxnOp::delete(key, None));
        let transaction = Txn::new().when([is_owned(tenancy)]).and_then(deletes);
        let doing = format!("ending a transfer to schema {schema}");
        self.transact_or_overtaken(&doing, &transaction, tenancy)
            .await
            .map(drop)
    }

    /// Deletes both records, if they are the tenant's, and what a transfer has left beside them.
    pub(super) async fn forget(&self, tenancy: &Tenancy) -> Result<Step, Error> {
        let record = tenancy.owner.record();
        let keys = keys(tenancy);
        let still_owned = keys
            .each_ref()
            .map(|key| Compare::value(key.as_str(), CompareOp::Equal, record.clone()));
        let schema = tenancy.schema.as_str();
        let transfer = transfer_keys(schema);
        let notes = [fence_key(schema), frozen_key(schema)];
        let deletes: Vec<TxnOp> = keys
            .iter()
            .chain(&transfer)
            .chain(&notes)
            .map(|key| TxnOp::delete(key.as_str(), None))
            .collect();
        let transaction = Txn::new().when(still_owned).and_then(deletes);
        let doing = format!("deleting the owner record of schema {}", tenancy.schema);
        self.transact_or_overtaken(&doing, &transaction, tenancy)
            .await?;
        Ok(Step::OwnerRemoved)
    }
}

fn keys(tenancy: &Tenancy) -> [String; 2] {
    [
        key("schema", tenancy.schema.as_str()),
        key("user", tenancy.user.as_str()),
    ]
}
