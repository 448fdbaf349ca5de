//! Deletion of a tenant's keys, whatever their number and the sizes of their names.

use etcd_client::{Compare, DeleteOptions, GetOptions, Txn, TxnOp, TxnOpResponse};

use super::client::Etcd;
use super::observed::Range;
use super::owners::is_owned;
use super::paging::PageKeys;
use crate::error::Error;
use crate::tenancy::Tenancy;

/// Keys deleted at once: one delete of a big tenant would hold up its neighbours.
const BATCH: usize = 1000;
/// Most bytes of a key that a delete names. A longer one would not fit a request that has conditions besides, since a
/// tenant may write keys that are as large as a request; and there are few of them in a store.
const NAMED: usize = 64 << 10;

impl Etcd {
    /// Deletes the keys that a tenancy is about, a batch at a time, each only as long as the schema's record is the
    /// tenant's and `conditions` hold; returns their number.
    pub(super) async fn delete_keys(
        &self,
        tenancy: &Tenancy,
        conditions: &[Compare],
    ) -> Result<u64, Error> {
        let conditions = [&[is_owned(tenancy)], conditions].concat();
        let mut deleted = 0;
        for range in Range::all_of(tenancy) {
            deleted += self.delete_range(tenancy, &range, &conditions).await?;
        }
        Ok(deleted)
    }

    async fn delete_range(
        &self,
        tenancy: &Tenancy,
        own: &Range,
        conditions: &[Compare],
    ) -> Result<u64, Error> {
        let (mut deleted, mut keys) = (0, PageKeys::at_most(BATCH));
        while let Some(last) = self.end_of_batch(own, &mut keys).await? {
            let end = end_behind(&last);
            let options = &DeleteOptions::new().with_range(end);
            let doing = format!("deleting keys of {own}");
            let batch = self
                .members
                .call(doing.as_str(), |mut client| async move {
                    let delete = TxnOp::delete(own.start.clone(), Some(options.clone()));
                    client
                        .txn(Txn::new().when(conditions).and_then([delete]))
                        .await
                })
                .await?;
            if !batch.succeeded() {
                return Err(self.overtaken(doing, tenancy));
            }
            for response in batch.op_responses() {
                if let TxnOpResponse::Delete(batch) = response {
                    deleted += batch.deleted().unsigned_abs();
                }
            }
        }
        Ok(deleted)
    }

    async fn end_of_batch(
        &self,
        own: &Range,
        keys: &mut PageKeys,
    ) -> Result<Option<Vec<u8>>, Error> {
        let doing = format!("listing keys of {own}");
        let options = GetOptions::new().with_keys_only();
        let (batch, _) = self.page((&doing, own), &options, keys).await?;
        Ok(batch.kvs().last().map(|last| last.key().to_vec()))
    }
}

/// End of the smallest range that has every key up to `last` and can be named: behind `last`, or, where that is long,
/// behind every key with the same first [`NAMED`] bytes. Every range of a tenant that has `last` ends there or later.
fn end_behind(last: &[u8]) -> Vec<u8> {
    if last.len() <= NAMED {
        return [last, b"\0"].concat();
    }
    let mut end = last[..NAMED].to_vec();
    while end.pop_if(|byte| *byte == u8::MAX).is_some() {}
    if let Some(byte) = end.last_mut() {
        *byte += 1;
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_that_has_a_short_key_ends_right_behind_it() {
        assert_eq!(end_behind(b"/cp-a/x"), b"/cp-a/x\0");
    }

    #[test]
    fn a_range_that_has_a_long_key_ends_behind_its_first_bytes_and_never_behind_the_tenants_own() {
        let long = |fill: u8| [b"/cp-a/".to_vec(), vec![fill; NAMED]].concat();
        let end = end_behind(&long(b'x'));
        assert_eq!((end.len(), end.last()), (NAMED, Some(&b'y')));
        assert!(end > long(b'x'));
        assert_eq!(end_behind(&long(u8::MAX)), b"/cp-a0");
    }
}
