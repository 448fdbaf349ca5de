//! Owner records in a bucket of the operator's, written and deleted by their sequence numbers: of two writers that
//! saw the same state one succeeds.
//!
//! | key | owner of |
//! |---|---|
//! | [`ACCOUNT`] | the JetStream account, which serves one tenant |
//! | `schema.HEX` | the bucket of that name |

use std::fmt::Write as _;

use async_nats::jetstream::{ErrorCode, stream::RawMessage};
use async_nats::{HeaderMap, header::NATS_EXPECTED_LAST_SUBJECT_SEQUENCE};
use base64::{Engine, engine::general_purpose::STANDARD};
use kamaji_api::owner::DATABASE;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::json;

use super::answer;
use super::bucket;
use super::client::{Call, Message, Nats};
use crate::error::Error;
use crate::tenancy::Schema;

/// Key of the record of the account.
pub(super) const ACCOUNT: &str = "account";
const DESCRIPTION: &str = "Owners of what Kamaji's tenants have in this account";
const ABSENT: [ErrorCode; 2] = [ErrorCode::STREAM_NOT_FOUND, ErrorCode::NO_MESSAGE_FOUND];
const OVERTAKEN: [ErrorCode; 2] = [
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

/// Key of the record of a schema.
pub(super) fn schema_key(schema: &Schema) -> String {
    let mut key = "schema.".to_owned();
    for byte in schema.as_str().bytes() {
        let _ = write!(key, "{byte:02x}");
    }
    key
}

impl Nats {
    /// Reads the record of `key`.
    pub(super) async fn read(&self, key: &str) -> Result<Option<Stored>, Error> {
        #[derive(Deserialize)]
        struct Found {
            message: RawMessage,
        }
        let doing = format!("reading the owner record {key}");
        let verb = format!("STREAM.MSG.GET.{}", bucket::stream(DATABASE));
        let subject = json!({"last_by_subj": bucket::subject(DATABASE, key)});
        let found: Option<Found> = self
            .api(doing.as_str(), Call::with(&verb, &subject), &ABSENT)
            .await?;
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

    /// Deletes the record of `key` if `before` is still there; false if another writer came first. What is left is
    /// a mark, which is purged by its number, so that a record which replaces it meanwhile stays.
    pub(super) async fn delete(&self, key: &str, before: &Stored) -> Result<bool, Error> {
        let mut headers = HeaderMap::new();
        headers.insert("KV-Operation", "DEL");
        expect(&mut headers, Some(before));
        if !self.put(key, &headers, b"").await?.unwrap_or(false) {
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

fn expect(headers: &mut HeaderMap, before: Option<&Stored>) {
    let sequence = before.map_or(0, |stored| stored.sequence);
    headers.insert(NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, sequence.to_string());
}
