//! Owner records in etcd, read together with the keys they are about and written by transactions that
//! compare first.
//!
//! No tenant's range covers them: a schema has no `/`, and the one that would cover them is reserved.

use etcd_client::{Compare, CompareOp, GetOptions, Txn, TxnOp, TxnOpResponse};
use kamaji_api::owner::{KEYS, Owner};

use super::Etcd;
use super::plan::{Observed, Range};
use crate::change::Step;
use crate::error::Error;
use crate::tenancy::Tenancy;

/// Most attempts of a claim, each after another writer came first.
const ATTEMPTS: usize = 3;

/// The key of the record of a `schema` or `user`.
pub(super) fn key(what: &str, name: &str) -> String {
    format!("/{KEYS}/owners/{what}/{name}")
}

/// Owner records of a tenancy's names, as etcd holds them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Records {
    /// Record of the schema, undecoded.
    pub(super) schema: Option<Vec<u8>>,
    /// Record of the user, undecoded.
    pub(super) user: Option<Vec<u8>>,
    /// True if the schema's range has keys.
    pub(super) keys: bool,
}

/// Ownership of a name, as seen by the tenant that claims it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// Recorded as the tenant's.
    Own,
    /// Nobody's, without record, role, user or keys.
    Free,
    /// Without a record, but set up for the tenant by an older build.
    Unrecorded,
    /// Recorded as that of the owner whom the tenant succeeds.
    Inherited,
}

/// Ownership of both names of a tenancy.
#[derive(Debug, Clone, Copy)]
struct Standings {
    schema: Standing,
    user: Standing,
}

/// Reason for which a tenant may not have a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Denial {
    /// The record names another tenant.
    Owned(Box<Owner>),
    /// The name is in use without a record, or with a record that cannot be read.
    Foreign(String),
}

/// Decides ownership from the record alone; `None` without a record.
fn recorded(record: Option<&[u8]>, tenancy: &Tenancy) -> Result<Option<Standing>, Denial> {
    let Some(record) = record else {
        return Ok(None);
    };
    let owner = Owner::parse(record)
        .map_err(|error| Denial::Foreign(format!("its owner record cannot be used: {error}")))?;
    if owner.is_same_tenant(&tenancy.owner) {
        Ok(Some(Standing::Own))
    } else if tenancy
        .succeeds
        .as_ref()
        .is_some_and(|old| old.is_same_tenant(&owner))
    {
        Ok(Some(Standing::Inherited))
    } else {
        Err(Denial::Owned(Box::new(owner)))
    }
}

impl Observed {
    /// True if etcd has nothing at all of a tenancy.
    pub(super) fn is_empty(&self) -> bool {
        self.role.is_none() && self.user.is_none() && self.records == Records::default()
    }

    /// Decides the ownership of the schema.
    pub(super) fn schema(&self, tenancy: &Tenancy) -> Result<Standing, Denial> {
        if let Some(standing) = recorded(self.records.schema.as_deref(), tenancy)? {
            return Ok(standing);
        }
        let name = tenancy.schema.as_str();
        if self.role.is_none() && !self.records.keys {
            return Ok(Standing::Free);
        }
        let own = Range::of(&tenancy.schema);
        let permissions = self.role.as_deref().unwrap_or_default();
        if let Some((_, range)) = permissions.iter().find(|(_, range)| *range != own) {
            return Err(Denial::Foreign(format!(
                "its role {name} grants {range}, which is not {own}, so that it may be another \
                 application's; choose another dataStoreSchema, or revoke that range if the role \
                 is the tenant's"
            )));
        }
        if self.role.is_none() && self.user.is_none() {
            return Err(Denial::Foreign(format!(
                "there are keys in {own} and no record or role says whose they are; choose \
                 another dataStoreSchema, or remove the keys if nobody needs them"
            )));
        }
        if tenancy.recorded || name == tenancy.owner.tenant {
            return Ok(Standing::Unrecorded);
        }
        Err(Denial::Foreign(format!(
            "its role or its keys are there already and no record says whose they are; choose \
             another dataStoreSchema, or remove the role {name} and the keys in {own} if nobody \
             needs them"
        )))
    }

    /// Decides the ownership of the user.
    pub(super) fn login(&self, tenancy: &Tenancy) -> Result<Standing, Denial> {
        if let Some(standing) = recorded(self.records.user.as_deref(), tenancy)? {
            return Ok(standing);
        }
        let Some(roles) = &self.user else {
            return Ok(Standing::Free);
        };
        let name = tenancy.user.as_str();
        let schema = tenancy.schema.as_str();
        if let Some(role) = roles.iter().find(|role| *role != schema) {
            return Err(Denial::Foreign(format!(
                "it has the role {role}, so that it may be another application's; choose another \
                 dataStoreUsername, or revoke that role if the user is the tenant's"
            )));
        }
        if tenancy.recorded || name == tenancy.owner.tenant {
            return Ok(Standing::Unrecorded);
        }
        Err(Denial::Foreign(format!(
            "it is there already and no record says whose it is; choose another \
             dataStoreUsername, or remove the user {name} if nobody needs it"
        )))
    }
}

impl Etcd {
    /// Reads the records of a tenancy's names, and whether the schema has keys.
    pub(super) async fn records(&self, tenancy: &Tenancy) -> Result<Records, Error> {
        let own = &Range::of(&tenancy.schema);
        let answer = self
            .members
            .call(
                format!("reading the owner of schema {}", tenancy.schema),
                |mut client| async move {
                    let one = GetOptions::new().with_range(own.end.clone());
                    let one = one.with_keys_only().with_limit(1);
                    let reads = [
                        TxnOp::get(key("schema", tenancy.schema.as_str()), None),
                        TxnOp::get(key("user", tenancy.user.as_str()), None),
                        TxnOp::get(own.start.clone(), Some(one)),
                    ];
                    client.txn(Txn::new().and_then(reads)).await
                },
            )
            .await?;
        let mut found = answer.op_responses().into_iter().map(|response| {
            let TxnOpResponse::Get(got) = response else {
                return None;
            };
            got.kvs().first().map(|kv| kv.value().to_vec())
        });
        Ok(Records {
            schema: found.next().flatten(),
            user: found.next().flatten(),
            keys: found.next().flatten().is_some(),
        })
    }

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
            let deny = |what, name: &str| {
                let name = name.to_owned();
                move |denial| self.denied(what, name, denial)
            };
            let schema = observed
                .schema(tenancy)
                .map_err(deny("schema", tenancy.schema.as_str()))?;
            let user = observed
                .login(tenancy)
                .map_err(deny("user", tenancy.user.as_str()))?;
            if schema == Standing::Own && user == Standing::Own {
                return Ok((observed, Vec::new()));
            }
            let standings = Standings { schema, user };
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
        let transaction = &Txn::new().when(unchanged).and_then(puts);
        let doing = format!("recording the owner of schema {}", tenancy.schema);
        let answer = self
            .members
            .call(doing, |mut client| async move {
                client.txn(transaction.clone()).await
            })
            .await?;
        Ok(answer.succeeded())
    }

    /// Deletes both records, if they are the tenant's.
    pub(super) async fn forget(&self, tenancy: &Tenancy) -> Result<Step, Error> {
        let record = tenancy.owner.record();
        let keys = keys(tenancy);
        let still_owned = keys
            .each_ref()
            .map(|key| Compare::value(key.as_str(), CompareOp::Equal, record.clone()));
        let deletes = keys.each_ref().map(|key| TxnOp::delete(key.as_str(), None));
        let transaction = &Txn::new().when(still_owned).and_then(deletes);
        let doing = format!("deleting the owner record of schema {}", tenancy.schema);
        let answer = self
            .members
            .call(doing.as_str(), |mut client| async move {
                client.txn(transaction.clone()).await
            })
            .await?;
        if answer.succeeded() {
            Ok(Step::OwnerRemoved)
        } else {
            Err(self.overtaken(doing, tenancy))
        }
    }

    /// Error of an operation whose records another writer changed meanwhile.
    pub(super) fn overtaken(&self, doing: String, tenancy: &Tenancy) -> Error {
        Error::Protocol {
            site: self.members.site(doing),
            cause: format!(
                "the owner record of schema {} or user {} was changed meanwhile by somebody else; \
                 it is tried again by itself",
                tenancy.schema, tenancy.user
            ),
        }
    }

    fn denied(&self, what: &'static str, name: String, denial: Denial) -> Error {
        let site = self.members.site(format!("claiming {what} {name}"));
        match denial {
            Denial::Owned(owner) => Error::Owned {
                site,
                what,
                name,
                owner,
            },
            Denial::Foreign(reason) => Error::Foreign {
                site,
                what,
                name,
                reason,
            },
        }
    }
}

fn keys(tenancy: &Tenancy) -> [String; 2] {
    [
        key("schema", tenancy.schema.as_str()),
        key("user", tenancy.user.as_str()),
    ]
}

#[cfg(test)]
#[path = "owners_tests.rs"]
mod tests;
