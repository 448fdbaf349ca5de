//! Note of a fence: a key of the operator, written before the right to write is taken and deleted before it comes back.
//!
//! etcd has no condition for a change of permissions. So whoever is about to give the right to write reads the note after
//! it has seen the role, which the fence changes later than the note, and once more after it was given.
//!
//! The fence of a part is noted among the frozen parts of the schema, see [`super::frozen`], which say what a role is to
//! permit. They are read and checked in the same way.

use etcd_client::{Compare, CompareOp, Txn, TxnOp, TxnOpResponse};

use super::client::Etcd;
use super::frozen::{Frozen, Refused, Unreadable};
use super::observed::{Access, Observed};
use super::owners::{fence_key, frozen_key, is_owned};
use super::plan::Write;
use crate::change::{Change, Step};
use crate::error::Error;
use crate::fence::FenceId;
use crate::part::Part;
use crate::tenancy::Tenancy;

/// Most attempts at a change, each after somebody else changed the frozen parts meanwhile.
const ATTEMPTS: usize = 4;

impl Etcd {
    /// Claims the tenancy and makes its role and user as they have to be.
    pub(super) async fn repair(&self, tenancy: &Tenancy) -> Result<Change, Error> {
        let mut steps = Vec::new();
        for _ in 0..ATTEMPTS {
            let (observed, claimed) = self.claim(tenancy).await?;
            steps.extend(claimed);
            let writes = observed.repairs(tenancy);
            let writes = writes.map_err(|Unreadable| self.unreadable(tenancy))?;
            if self.mend(tenancy, (&observed, writes), &mut steps).await? {
                return Ok(Change { steps });
            }
        }
        Err(self.overtaken("repairing".to_owned(), tenancy))
    }

    /// Carries out `writes`; one that gives the right to write only as long as no fence is noted, and no other parts are
    /// frozen than those that were observed. False if others are by now, so that another repair has to follow.
    async fn mend(
        &self,
        tenancy: &Tenancy,
        (observed, writes): (&Observed, Vec<Write>),
        steps: &mut Vec<Step>,
    ) -> Result<bool, Error> {
        let frozen = observed.records.frozen.as_deref();
        let gives = |write: &Write| {
            matches!(
                write,
                Write::GrantOwnRange(Access::Full) | Write::GrantPart(_)
            )
        };
        let permits = writes.iter().any(gives);
        if permits && self.require_fence(tenancy, None).await?.as_deref() != frozen {
            return Ok(false);
        }
        for write in writes {
            steps.push(self.write(write, tenancy).await?);
        }
        if !permits {
            return Ok(true);
        }
        match self.require_fence(tenancy, None).await {
            Ok(now) => Ok(now.as_deref() == frozen),
            Err(fenced) => {
                let read_only = tenancy.with_access(crate::Access::ReadOnly);
                let observed = self.observe(tenancy).await?;
                let writes = observed.repairs(&read_only);
                for write in writes.map_err(|Unreadable| self.unreadable(tenancy))? {
                    self.write(write, tenancy).await?;
                }
                Err(fenced)
            }
        }
    }

    /// Freezes `part` by `fence`. An error if another fence has frozen some of it.
    pub(super) async fn freeze(
        &self,
        tenancy: &Tenancy,
        part: &Part,
        fence: &FenceId,
    ) -> Result<(), Error> {
        let doing = format!("freezing {part} of schema {}", tenancy.schema);
        self.change_frozen(tenancy, &doing, |frozen| frozen.with(part, fence.as_str()))
            .await
    }

    /// Thaws `part`; with a fence, only where that one has frozen it, and an error where another one has.
    pub(super) async fn thaw_part(
        &self,
        tenancy: &Tenancy,
        part: &Part,
        fence: Option<&FenceId>,
    ) -> Result<(), Error> {
        let doing = format!("thawing {part} of schema {}", tenancy.schema);
        let fence = fence.map(FenceId::as_str);
        self.change_frozen(tenancy, &doing, |frozen| frozen.without(part, fence))
            .await
    }

    /// Changes the note of the frozen parts, if nobody else has changed it meanwhile and the schema is the tenant's.
    async fn change_frozen(
        &self,
        tenancy: &Tenancy,
        doing: &str,
        change: impl Fn(&Frozen) -> Result<Frozen, Refused>,
    ) -> Result<(), Error> {
        let site = || self.members.site(doing);
        let note = frozen_key(tenancy.schema.as_str());
        for _ in 0..ATTEMPTS {
            let noted = self.records(tenancy).await?.frozen;
            let frozen = Frozen::parse(noted.as_deref());
            let frozen = frozen.map_err(|Unreadable| self.unreadable(tenancy))?;
            let next = change(&frozen).map_err(|refused| match refused {
                Refused::Other(by) => Error::Fenced { site: site(), by },
                Refused::Full => Error::Refused {
                    site: site(),
                    reason: "too many resources of this tenant are frozen there already; move some of them back"
                        .to_owned(),
                },
            })?;
            if next == frozen {
                return Ok(());
            }
            let unchanged = match &noted {
                Some(noted) => Compare::value(note.as_str(), CompareOp::Equal, noted.clone()),
                None => Compare::create_revision(note.as_str(), CompareOp::Equal, 0),
            };
            let write = match next.note() {
                Some(text) => TxnOp::put(note.as_str(), text, None),
                None => TxnOp::delete(note.as_str(), None),
            };
            if self.write_note(tenancy, doing, (unchanged, write)).await? {
                return Ok(());
            }
        }
        Err(self.overtaken(doing.to_owned(), tenancy))
    }

    fn unreadable(&self, tenancy: &Tenancy) -> Error {
        let note = frozen_key(tenancy.schema.as_str());
        Error::Protocol {
            site: self.members.site("reading the frozen parts"),
            cause: format!(
                "the key {note} is not as the operator writes it: restore it from a backup of this etcd; without it \
                 the tenant could write what has moved to another datastore"
            ),
        }
    }

    /// Notes the fence of a schema that is the tenant's. An error if another one is noted.
    pub(super) async fn note_fence(&self, tenancy: &Tenancy, fence: &FenceId) -> Result<(), Error> {
        let note = fence_key(tenancy.schema.as_str());
        let absent = Compare::create_revision(note.as_str(), CompareOp::Equal, 0);
        let put = TxnOp::put(note.as_str(), fence.as_str(), None);
        self.change_fence(tenancy, (absent, put)).await?;
        self.require_fence(tenancy, Some(fence)).await.map(drop)
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
        self.require_fence(tenancy, None).await.map(drop)
    }

    /// Changes the note if its condition holds and the schema is the tenant's.
    async fn change_fence(
        &self,
        tenancy: &Tenancy,
        (condition, change): (Compare, TxnOp),
    ) -> Result<(), Error> {
        let doing = format!("noting the fence of schema {}", tenancy.schema);
        self.write_note(tenancy, &doing, (condition, change))
            .await
            .map(drop)
    }

    /// Carries out `change` if its condition holds and the schema is the tenant's; false if one of them does not.
    async fn write_note(
        &self,
        tenancy: &Tenancy,
        doing: &str,
        (condition, change): (Compare, TxnOp),
    ) -> Result<bool, Error> {
        let conditions = [is_owned(tenancy), condition];
        let transaction = Txn::new().when(conditions).and_then([change]);
        Ok(self.transact(doing, &transaction).await?.succeeded())
    }

    /// The note of the frozen parts. Fails if a fence other than `fence` is noted, or any without one; or if the schema
    /// is not the tenant's.
    async fn require_fence(
        &self,
        tenancy: &Tenancy,
        fence: Option<&FenceId>,
    ) -> Result<Option<Vec<u8>>, Error> {
        let schema = tenancy.schema.as_str();
        let reads = [fence_key(schema), frozen_key(schema)].map(|note| TxnOp::get(note, None));
        let transaction = Txn::new().when([is_owned(tenancy)]).and_then(reads);
        let doing = format!("reading the fence of schema {schema}");
        let answer = self
            .transact_or_overtaken(&doing, &transaction, tenancy)
            .await?;
        let mut notes = answer.op_responses().into_iter().map(|response| {
            let TxnOpResponse::Get(found) = response else {
                return None;
            };
            found.kvs().first().map(|kv| kv.value().to_vec())
        });
        let (noted, frozen) = (notes.next().flatten(), notes.next().flatten());
        FenceId::require(fence, noted.as_deref(), || self.members.site(doing))?;
        Ok(frozen)
    }
}
