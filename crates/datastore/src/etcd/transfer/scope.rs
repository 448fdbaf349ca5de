//! Keys of one tenant, read only as long as its owner record is the tenant's.

use etcd_client::{Compare, ResponseHeader, Txn, TxnOp, TxnResponse};

use super::super::client::Etcd;
use super::super::observed::Range;
use super::super::owners;
use super::super::paging::{ANSWER, unless_too_large};
use crate::error::Error;
use crate::ownership::Standings;
use crate::tenancy::Tenancy;

/// Keys of a tenant in an etcd, with the tenancy that has to own them.
pub(super) struct Scope {
    pub(super) etcd: Etcd,
    pub(super) tenancy: Tenancy,
    /// The keys of the whole schema.
    pub(super) own: Range,
    /// The keys that the tenancy is about, in their order, at least one range.
    pub(super) ranges: Vec<Range>,
}

impl Scope {
    /// The keys of a tenancy that has been ensured.
    pub(super) async fn open(etcd: &Etcd, tenancy: &Tenancy) -> Result<Self, Error> {
        let observed = etcd.observe(tenancy).await?;
        let (schema, user) = (observed.schema(tenancy), observed.login(tenancy));
        let standings = Standings::of(tenancy, schema, user, |doing| etcd.members.site(doing))?;
        if !standings.are_own() {
            return Err(Error::Foreign {
                site: etcd.members.site("opening a tenant's data"),
                what: "schema",
                name: tenancy.schema.to_string(),
                reason:
                    "no record says that it is; the tenant has to be set up in this datastore first"
                        .to_owned(),
            });
        }
        Ok(Self {
            etcd: etcd.share(),
            tenancy: tenancy.clone(),
            own: Range::of(&tenancy.schema),
            ranges: Range::all_of(tenancy),
        })
    }

    /// The ranges from the key `start` on, the first of them cut there.
    pub(super) fn ranges_from(&self, start: &[u8]) -> Vec<Range> {
        let behind = self.ranges.iter().filter(|range| *range.end > *start);
        let cut = behind.map(|range| Range {
            start: range.start.as_slice().max(start).to_vec(),
            end: range.end.clone(),
        });
        cut.collect()
    }

    /// The smallest range that has all the keys, and more where they are several ranges.
    pub(super) fn hull(&self) -> Range {
        let (first, last) = (self.ranges.first(), self.ranges.last());
        Range {
            start: first.unwrap_or(&self.own).start.clone(),
            end: last.unwrap_or(&self.own).end.clone(),
        }
    }

    /// True for a key that the tenancy is about.
    pub(super) fn covers(&self, key: &[u8]) -> bool {
        let mut ranges = self.ranges.iter();
        ranges.any(|range| *range.start <= *key && *key < *range.end)
    }

    /// Condition that the owner record is the tenant's.
    pub(super) fn still_owned(&self) -> Compare {
        owners::is_owned(&self.tenancy)
    }

    /// The full key of a key below the root.
    pub(super) fn full(&self, key: &[u8]) -> Vec<u8> {
        [self.own.start.as_slice(), key].concat()
    }

    /// The key below the root of a full key.
    pub(super) fn below_root(&self, key: &[u8]) -> Vec<u8> {
        key[self.own.start.len()..].to_vec()
    }

    /// Carries out reads at one revision; `None` if the answer is larger than [`ANSWER`].
    pub(super) async fn read(
        &self,
        doing: &str,
        reads: Vec<TxnOp>,
    ) -> Result<Option<TxnResponse>, Error> {
        let transaction = &Txn::new().when([self.still_owned()]).and_then(reads);
        let answer = self
            .etcd
            .members
            .call(doing, |client| async move {
                let mut client = client.kv_client().max_decoding_message_size(ANSWER);
                unless_too_large(client.txn(transaction.clone()).await)
            })
            .await?;
        match answer {
            Some(answer) if !answer.succeeded() => {
                Err(self.etcd.overtaken(doing.to_owned(), &self.tenancy))
            }
            answer => Ok(answer),
        }
    }

    /// Latest revision of the store, as long as the owner record is the tenant's.
    pub(super) async fn revision(&self) -> Result<i64, Error> {
        let doing = "reading the revision";
        // A transaction without a read would be answered by a member that may be behind.
        let record = owners::key("schema", self.tenancy.schema.as_str());
        let answer = self.read(doing, vec![TxnOp::get(record, None)]).await?;
        let header = answer.as_ref().and_then(TxnResponse::header);
        header
            .map(ResponseHeader::revision)
            .ok_or_else(|| self.unexpected(doing, "the answer has no revision"))
    }

    /// Error of an answer that this driver does not know.
    pub(super) fn unexpected(&self, doing: &str, cause: impl Into<String>) -> Error {
        Error::Protocol {
            site: self.etcd.members.site(doing),
            cause: cause.into(),
        }
    }
}
