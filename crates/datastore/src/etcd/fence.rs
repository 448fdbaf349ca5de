//! Note of a fence: a key of the operator, written before the right to write is taken and deleted before it comes back.
//!
//! etcd has no condition for a change of permissions. So whoever is about to give the right to write reads the note after
//! it has seen the role, which the fence changes later than the note, and once more after it was given.

use etcd_client::{Compare, CompareOp, Txn, TxnOp, TxnOpResponse};

use super::client::Etcd;
use super::observed::Access;
use super::owners::{fence_key, key};
use super::plan::Write;
use crate::change::Step;
use crate::error::Error;
use crate::fence::FenceId;
use crate::tenancy::Tenancy;

impl Etcd {
    /// Carries out `writes`; one that gives the right to write only as long as no fence is noted.
    pub(super) async fn mend(
        &self,
        tenancy: &Tenancy,
        writes: Vec<Write>,
    ) -> Result<Vec<Step>, Error> {
        let permits = writes.contains(&Write::GrantOwnRange(Access::Full));
        if permits {
            self.require_fence(tenancy, None).await?;
        }
        let mut steps = Vec::new();
        for write in writes {
            steps.push(self.write(write, tenancy).await?);
        }
        if permits && let Err(fenced) = self.require_fence(tenancy, None).await {
            self.write(Write::GrantOwnRange(Access::Read), tenancy)
                .await?;
            return Err(fenced);
        }
        Ok(steps)
    }

    /// Notes the fence of a schema that is the tenant's. An error if another one is noted.
    pub(super) async fn note_fence(&self, tenancy: &Tenancy, fence: &FenceId) -> Result<(), Error> {
        let note = fence_key(tenancy.schema.as_str());
        let absent = Compare::create_revision(note.as_str(), CompareOp::Equal, 0);
        let put = TxnOp::put(note.as_str(), fence.as_str(), None);
        self.change_fence(tenancy, (absent, put)).await?;
        self.require_fence(tenancy, Some(fence)).await
    }

    /// Deletes the note of a fence. An error if another one is noted.
    pub(super) async fn forget_fence(
        &self,
        tenancy: &Tenancy,
        fence: &FenceId,
    ) -> Result<(), Error> {
        let note = fence_key(tenancy.schema.as_str());
        let own = Compare::value(note.as_str(), CompareOp::Equal, fence.as_str());
        let delete = TxnOp::delete(note.as_str(), None);
        self.change_fence(tenancy, (own, delete)).await?;
        self.require_fence(tenancy, None).await
    }

    /// Changes the note if its condition holds and the schema is the tenant's.
    async fn change_fence(
        &self,
        tenancy: &Tenancy,
        (condition, change): (Compare, TxnOp),
    ) -> Result<(), Error> {
        let record = key("schema", tenancy.schema.as_str());
        let owned = Compare::value(record, CompareOp::Equal, tenancy.owner.record());
        let transaction = &Txn::new().when([owned, condition]).and_then([change]);
        let doing = format!("noting the fence of schema {}", tenancy.schema);
        self.members
            .call(doing, |mut client| async move {
                client.txn(transaction.clone()).await
            })
            .await
            .map(drop)
    }

    /// Fails if a fence other than `fence` is noted, or any without one; or if the schema is not the tenant's.
    async fn require_fence(&self, tenancy: &Tenancy, fence: Option<&FenceId>) -> Result<(), Error> {
        let schema = tenancy.schema.as_str();
        let owned = Compare::value(
            key("schema", schema),
            CompareOp::Equal,
            tenancy.owner.record(),
        );
        let read = TxnOp::get(fence_key(schema), None);
        let transaction = &Txn::new().when([owned]).and_then([read]);
        let doing = format!("reading the fence of schema {schema}");
        let answer = self
            .members
            .call(doing.as_str(), |mut client| async move {
                client.txn(transaction.clone()).await
            })
            .await?;
        if !answer.succeeded() {
            return Err(self.overtaken(doing, tenancy));
        }
        let noted = answer.op_responses().pop().and_then(|response| {
            let TxnOpResponse::Get(found) = response else {
                return None;
            };
            found.kvs().first().map(|kv| kv.value().to_vec())
        });
        FenceId::require(fence, noted.as_deref(), || self.members.site(doing))
    }
}
