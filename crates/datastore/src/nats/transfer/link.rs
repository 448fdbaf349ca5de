//! Access of a transfer to one bucket: the owner records before anything else, and the bucket that was found then.

use async_nats::jetstream::stream::Info;

use super::super::client::{Call, Nats};
use super::super::{bucket, observed::Observed};
use super::place;
use crate::error::{Error, Site};
use crate::ownership::{Denial, Standing};
use crate::tenancy::Tenancy;

/// Bytes of answers that are under way at the same time.
const UNDER_WAY: u64 = 32 << 20;
/// Bytes of messages that a consumer delivers at a request.
const DELIVERED: u64 = 8 << 20;
/// Bytes around a message that count with it: its subject, and that of its acknowledgement.
const AROUND: u64 = 64 << 10;
/// Most requests that are under way at the same time.
const REQUESTS: u64 = 64;

/// A tenant's bucket, reached by a connection that ends with the value.
pub(in super::super) struct Link {
    pub(super) nats: Nats,
    pub(super) tenancy: Tenancy,
    /// Time at which the bucket was created, which tells it from a later one of the same name.
    created: i128,
    /// Place that the link needs; `None` for a link that only reads.
    place: Option<String>,
    /// Most requests for messages that are under way at the same time.
    pub(super) width: usize,
    /// Most bytes that a consumer delivers at a request: those under way, and at least one message.
    pub(super) delivered: usize,
}

impl Link {
    /// Reaches a bucket that is recorded as the tenant's, to read it.
    pub(in super::super) async fn open(nats: &Nats, tenancy: &Tenancy) -> Result<Self, Error> {
        let nats = nats.apart();
        let (_, info) = own(&nats, tenancy).await?;
        let largest = nats.largest_message().await?.max(1);
        // The answer has the message in Base64.
        let width = (UNDER_WAY / largest.saturating_mul(3).div_ceil(2)).clamp(1, REQUESTS);
        let delivered = DELIVERED.max(largest.saturating_add(AROUND));
        Ok(Self {
            tenancy: tenancy.clone(),
            created: info.created.unix_timestamp_nanos(),
            place: None,
            width: usize::try_from(width).unwrap_or(1),
            delivered: usize::try_from(delivered).unwrap_or(usize::MAX),
            nats,
        })
    }

    /// Reaches the same to write it, after the place of the writer was taken.
    pub(in super::super) async fn placed(nats: &Nats, tenancy: &Tenancy) -> Result<Self, Error> {
        let mut link = Self::open(nats, tenancy).await?;
        link.place = Some(place::take(&link.nats, tenancy).await?);
        Ok(link)
    }

    /// Name of the bucket.
    pub(super) fn bucket(&self) -> &str {
        self.tenancy.schema.as_str()
    }

    /// Name of the stream behind it.
    pub(super) fn stream(&self) -> String {
        bucket::stream(self.bucket())
    }

    /// The site of an operation on the bucket, `doing` it.
    pub(super) fn site(&self, doing: &str) -> Site {
        self.nats.site(format!("{doing} bucket {}", self.bucket()))
    }

    /// Error about a key or value that this driver cannot transfer.
    pub(super) fn unsupported(&self, doing: &str, cause: String) -> Error {
        let site = self.site(doing);
        Error::Unsupported { site, cause }
    }

    /// Number of the last message of the bucket, which has to be the one that was opened.
    pub(super) async fn last(&self) -> Result<u64, Error> {
        let found = self.nats.read_bucket(&self.tenancy.schema).await?;
        self.same(found).map(|info| info.state.last_sequence)
    }

    /// Number of the last message, as it was before owner records and place were checked: a message that is to follow it
    /// is refused if anybody has written since.
    pub(super) async fn checked(&self) -> Result<u64, Error> {
        let (_, info) = own(&self.nats, &self.tenancy).await?;
        let info = self.same(Some(info))?;
        if let Some(place) = &self.place {
            place::require(&self.nats, &self.tenancy, place).await?;
        }
        Ok(info.state.last_sequence)
    }

    fn same(&self, found: Option<Info>) -> Result<Info, Error> {
        let same = |info: &Info| info.created.unix_timestamp_nanos() == self.created;
        found.filter(same).ok_or_else(|| Error::Protocol {
            site: self.site("opening"),
            cause:
                "the bucket was deleted, or another was created in its place, during the transfer"
                    .to_owned(),
        })
    }

    /// Deletes all messages before `sequence`. Beyond the last one, the next message has that number.
    pub(super) async fn purge_before(&self, sequence: u64) -> Result<(), Error> {
        let verb = format!("STREAM.PURGE.{}", self.stream());
        let body = serde_json::json!({ "seq": sequence });
        let doing = format!("deleting the keys of bucket {}", self.bucket());
        self.nats
            .api::<serde::de::IgnoredAny>(doing, Call::with(&verb, &body), &[])
            .await
            .map(drop)
    }
}

/// The state of a tenancy whose records and bucket are the tenant's.
async fn own(nats: &Nats, tenancy: &Tenancy) -> Result<(Observed, Info), Error> {
    let mut observed = nats.observe(tenancy).await?;
    let standings = nats.standings(tenancy, &observed)?;
    let bucket = observed.bucket.take();
    match bucket {
        Some(info) if standings == [Standing::Own, Standing::Own] => Ok((observed, info)),
        _ => {
            let name = tenancy.schema.as_str();
            let reason = "no owner record says so, or it has no bucket; both are made when the tenant is ensured";
            let site = nats.site(format!("opening schema {name}"));
            Err(Denial::Foreign(reason.to_owned()).into_error(site, "schema", name))
        }
    }
}
