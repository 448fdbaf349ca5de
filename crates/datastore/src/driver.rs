//! The trait that every driver implements.

use async_trait::async_trait;

use crate::change::Change;
use crate::error::Error;
use crate::fence::FenceId;
use crate::tenancy::Tenancy;
use crate::transfer::{Reader, Writer};

/// Operations of a driver at one datastore, each for one tenant.
///
/// Every method is safe to repeat and safe to drop half-way: the next call continues from the
/// state that it observes. Each request to the datastore is bounded; the caller bounds the whole operation.
#[async_trait]
pub trait DataStore: Send + Sync {
    /// Checks that the datastore answers, that the operator is its administrator and that it
    /// enforces access control. A datastore without access control is an error, unless the
    /// [`Connection`](crate::Connection) accepts it.
    async fn check(&self) -> Result<AccessControl, Error>;

    /// Claims schema and user for the tenant by their owner records, and makes user, data and
    /// grants exactly as desired; reads first and writes only what is missing or wrong. An empty
    /// [`Change`] means that nothing was written. A name of another's is an error
    /// ([`Error::is_refusal`]), and nothing is written then.
    async fn ensure(&self, tenancy: &Tenancy) -> Result<Change, Error>;

    /// Ends the tenant's access and deletes its data, user, grants and owner records, and nothing
    /// else. A name of another's is an error, and nothing is deleted then. Of a tenancy with a part, the data of that part
    /// alone is deleted.
    async fn remove(&self, tenancy: &Tenancy) -> Result<Change, Error>;

    /// Number of the tenant's keys or rows. A connection with a tenant's own credentials may call
    /// it for that tenant and for no other, which proves isolation.
    async fn usage(&self, tenancy: &Tenancy) -> Result<u64, Error>;

    /// Bytes of the tenant's data as the datastore itself accounts for them: in a SQL database the size of the
    /// tenant's tables with their indexes, in NATS the size of its bucket. etcd has no such figure, so that keys and
    /// values are read page by page, at a bounded rate: that may take minutes.
    async fn bytes(&self, tenancy: &Tenancy) -> Result<u64, Error>;

    /// Product and version of the server that answers, for example `PostgreSQL 15.14`, by one request over an open
    /// connection where there is one: the time that it takes is the latency of the datastore.
    async fn version(&self) -> Result<String, Error>;

    /// Notes the fence, takes the tenant's right to write, for open connections, too, and waits for writes that are
    /// under way. The result is the revision of the last write: none comes after it. The tenancy demands
    /// [`Access::ReadOnly`](crate::Access), which [`ensure`](Self::ensure) maintains from then on; while the fence is
    /// noted, an `ensure` that demands [`Access::ReadWrite`](crate::Access) fails with [`Error::Fenced`], and so does the
    /// fence of another attempt. [`Error::Unsuitable`] where nothing enforces rights. Reads go on, except at a driver
    /// that has to refuse the log-in.
    ///
    /// A tenancy with a part, in etcd, demands [`Access::ReadWrite`](crate::Access): the tenant loses the right to write
    /// that part alone, and [`ensure`](Self::ensure) maintains that as long as the part is noted as frozen, which ends by
    /// [`lift`](Self::lift) or [`thaw`](Self::thaw).
    async fn fence(&self, tenancy: &Tenancy, fence: &FenceId) -> Result<i64, Error>;

    /// Gives the right to write back, as [`ensure`](Self::ensure) does, after the note of this fence was deleted; also
    /// where none is noted. [`Error::Fenced`] if the fence is that of another attempt.
    async fn lift(&self, tenancy: &Tenancy, fence: &FenceId) -> Result<Change, Error>;

    /// Lets the tenant write the part of its data that the tenancy is about, whatever fence took the right: that part is
    /// about to be in force here again. Without a part, as [`ensure`](Self::ensure).
    async fn thaw(&self, tenancy: &Tenancy) -> Result<Change, Error> {
        self.ensure(tenancy).await
    }

    /// Reads the tenant's data, or the part that the tenancy is about, after its owner record was checked. The tenant has
    /// been ensured.
    async fn reader(&self, tenancy: &Tenancy) -> Result<Box<dyn Reader>, Error>;

    /// Writes the tenant's data, after its owner record was checked. The tenant has been ensured with
    /// [`Access::ReadWrite`](crate::Access), and none of its API servers uses this datastore.
    async fn writer(&self, tenancy: &Tenancy) -> Result<Box<dyn Writer>, Error>;

    /// Question to an administrator whose datastore did not finish an operation in time.
    fn slow_hint(&self) -> &'static str {
        "is it overloaded?"
    }
}

/// Access control of a datastore, as its driver found it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccessControl {
    /// Each user reaches what it was granted, and nothing else.
    On,
    /// Whoever may connect may do everything.
    Off {
        /// Consequence, after "access control is off, so that".
        exposure: &'static str,
        /// Instruction of the driver on how to enable access control, in the imperative.
        remedy: &'static str,
    },
}
