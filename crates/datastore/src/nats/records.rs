//! Owner records in a bucket of the operator's, written and deleted by their sequence numbers: of two writers that
//! saw the same state one succeeds.
//!
//! | key | owner of |
//! |---|---|
//! | [`ACCOUNT`] | the JetStream account, which serves one tenant |
//! | `schema.HEX` | the bucket of that name |
//!
//! Notes about a bucket stand beside its record: [`FENCE`], [`WRITER`].

use std::fmt::Write as _;

use async_nats::jetstream::{
    ErrorCode,
    stream::{Info, RawMessage},
};
use async_nats::{
    HeaderMap,
    header::{NATS_EXPECTED_LAST_SEQUENCE, NATS_EXPECTED_LAST_SUBJECT_SEQUENCE},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use kamaji_api::owner::DATABASE;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};

use super::answer;
use super::bucket;
use super::client::{Call, Message, Nats};
use crate::error::Error;
use crate::tenancy::Schema;

/// Key of the record of the account.
pub(super) const ACCOUNT: &str = "account";
/// Kind of the record of a bucket.
pub(super) const SCHEMA: &str = "schema";
/// Kind of the note of a fence at a bucket.
pub(super) const FENCE: &str = "fence";
/// Kind of the note of a writer's place at a bucket.
pub(super) const WRITER: &str = "writer";
/// Most marks of deleted records that are passed in search of a record; behind more of them one is taken to be there.
const MARKS: usize = 64;
const DESCRIPTION: &str = "Owners of what Kamaji's tenants have in this account";
const ABSENT: [ErrorCode; 2] = [ErrorCode::STREAM_NOT_FOUND, ErrorCode::NO_MESSAGE_FOUND];
/// Codes of a message that names another predecessor than the last one.
pub(super) const OVERTAKEN: [ErrorCode; 2] = [
    ErrorCode::STREAM_WRONG_LAST_SEQUENCE,
    ErrorCode::STREAM_WRONG_LAST_SEQUENCE_CONSTANT,
];

/// A message of the bucket: a record, or the mark of a deleted one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stored {
    /// Number by which a later write names what it replaces.
    pub(super) sequence: u64,
    record: Vec<u8>,
}

impl Stored {
    /// The record, unless it was deleted.
    pub(super) fn record(&self) -> Option<&[u8]> {
        Some(self.record.as_slice()).filter(|record| !record.is_empty())
    }
}

/// Key of the record or note of a schema that is of this kind.
pub(super) fn key_of(kind: &str, schema: &Schema) -> String {
    let mut key = format!("{kind}.");
    for byte in schema.as_str().bytes() {
        let _ = write!(key, "{byte:02x}");
    }
    key
}

impl Nats {
    /// Reads the record of `key`.
    pub(super) async fn read(&self, key: &str) -> Result<Option<Stored>, Error> {
        let subject = json!({"last_by_subj": bucket::subject(DATABASE, key)});
        self.stored(&format!("reading the owner record {key}"), &subject)
            .await
    }

    /// The message of the records that `which` asks for.
    async fn stored(&self, doing: &str, which: &Value) -> Result<Option<Stored>, Error> {
        #[derive(Deserialize)]
        struct Found {
            message: RawMessage,
        }
        let verb = format!("STREAM.MSG.GET.{}", bucket::stream(DATABASE));
        let found: Option<Found> = self.api(doing, Call::with(&verb, which), &ABSENT).await?;
        let Some(Found { message }) = found else {
            return Ok(None);
        };
        let record = STANDARD
            .decode(&message.payload)
            .map_err(|error| Error::Protocol {
                site: self.site(doing),
                cause: error.to_string(),
            })?;
        Ok(Some(Stored {
            sequence: message.sequence,
            record,
        }))
    }

    /// Number of the last message of the records, 0 if there is none: a change that names it is refused once any record
    /// has changed.
    pub(super) async fn last_record(&self) -> Result<u64, Error> {
        let verb = format!("STREAM.INFO.{}", bucket::stream(DATABASE));
        let doing = "reading the bucket of owner records";
        let found: Option<Info> = self.api(doing, Call::new(&verb), &ABSENT).await?;
        Ok(found.map_or(0, |info| info.state.last_sequence))
    }

    /// True if any record of this kind is there, which was not deleted.
    pub(super) async fn is_any_recorded(&self, kind: &str) -> Result<bool, Error> {
        let subject = bucket::subject(DATABASE, &format!("{kind}.>"));
        let mut from = 1;
        for _ in 0..MARKS {
            let next = json!({"seq": from, "next_by_subj": subject});
            let Some(stored) = self.stored("listing the owner records", &next).await? else {
                return Ok(false);
            };
            if stored.record().is_some() {
                return Ok(true);
            }
            from = stored.sequence + 1;
        }
        Ok(true)
    }

    /// Writes the record of `key` if `before` is still there, or if nothing is; false if another writer came first.
    pub(super) async fn write(
        &self,
        key: &str,
        record: &[u8],
        before: Option<&Stored>,
    ) -> Result<bool, Error> {
        let mut headers = HeaderMap::new();
        expect(&mut headers, before);
        if let Some(done) = self.put(key, &headers, record).await? {
            return Ok(done);
        }
        let config = bucket::key_values(DATABASE, DESCRIPTION, 1);
        let verb = format!("STREAM.CREATE.{}", config.name);
        let exists = [ErrorCode::STREAM_NAME_EXIST];
        self.api::<IgnoredAny>(
            "creating the bucket of owner records",
            Call::with(&verb, &config),
            &exists,
        )
        .await?;
        match self.put(key, &headers, record).await? {
            Some(done) => Ok(done),
            None => Err(Error::Protocol {
                site: self.site(format!("writing the owner record {key}")),
                cause: format!("the stream {} takes no message", bucket::stream(DATABASE)),
            }),
        }
    }

    /// Writes the record of `key` if no record at all was written or deleted since [`last_record`](Self::last_record) was
    /// `last`; false otherwise.
    pub(super) async fn write_after(
        &self,
        last: u64,
        key: &str,
        record: &[u8],
    ) -> Result<bool, Error> {
        let done = self.put(key, &behind(last), record).await?;
        Ok(done.unwrap_or(false))
    }

    /// Deletes the record of `key` under the same condition.
    pub(super) async fn delete_after(&self, last: u64, key: &str) -> Result<bool, Error> {
        let mut headers = behind(last);
        headers.insert("KV-Operation", "DEL");
        self.delete_by(key, &headers).await
    }

    /// Deletes the record of `key` if `before` is still there; false if another writer came first. What is left is
    /// a mark, which is purged by its number, so that a record which replaces it meanwhile stays.
    pub(super) async fn delete(&self, key: &str, before: &Stored) -> Result<bool, Error> {
        let mut headers = HeaderMap::new();
        headers.insert("KV-Operation", "DEL");
        expect(&mut headers, Some(before));
        self.delete_by(key, &headers).await
    }

    async fn delete_by(&self, key: &str, headers: &HeaderMap) -> Result<bool, Error> {
        if !self.put(key, headers, b"").await?.unwrap_or(false) {
            return Ok(false);
        }
        let Some(mark) = self.read(key).await? else {
            return Ok(true);
        };
        self.purge_mark(key, &mark).await?;
        Ok(true)
    }

    /// Purges `mark` by its number, if it is the mark of a deleted record.
    pub(super) async fn purge_mark(&self, key: &str, mark: &Stored) -> Result<(), Error> {
        if mark.record().is_some() {
            return Ok(());
        }
        let doing = format!("purging the deleted owner record {key}");
        let verb = format!("STREAM.PURGE.{}", bucket::stream(DATABASE));
        let body = json!({
            "filter": bucket::subject(DATABASE, key),
            "seq": mark.sequence + 1,
        });
        self.api::<IgnoredAny>(doing, Call::with(&verb, &body), &ABSENT)
            .await
            .map(drop)
    }

    /// Publishes a message to the bucket; `None` if the bucket does not exist.
    async fn put(
        &self,
        key: &str,
        headers: &HeaderMap,
        payload: &[u8],
    ) -> Result<Option<bool>, Error> {
        let site = self.site(format!("writing the owner record {key}"));
        let message = Message {
            subject: bucket::subject(DATABASE, key),
            headers,
            payload,
        };
        let Some(answer) = self.publish(&site, message).await? else {
            return Ok(None);
        };
        let stored = answer::parse::<IgnoredAny>(site, &answer, &OVERTAKEN)?;
        Ok(Some(stored.is_some()))
    }
}

fn behind(last: u64) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(NATS_EXPECTED_LAST_SEQUENCE, last.to_string());
    headers
}

fn expect(headers: &mut HeaderMap, before: Option<&Stored>) {
    let sequence = before.map_or(0, |stored| stored.sequence);
    headers.insert(NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, sequence.to_string());
}
