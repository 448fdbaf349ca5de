//! Entries: the JSON that kine stores as the value of a key, and the records and operations of a transfer that it holds.
//! Pure code.

use async_nats::jetstream::stream::RawMessage;
use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};

use super::{keys, s2};
use crate::transfer::kine::{VALUE_BYTES, name_of};
use crate::transfer::{Op, Record};

/// Header of a message that is not the value of its key.
pub(super) const OPERATION: &str = "KV-Operation";
/// Value of that header by which a key is deleted.
pub(super) const DELETE: &str = "DEL";
/// Most bytes of an entry: a value in Base64, and room for the key and the names of the fields.
const ENTRY_BYTES: usize = VALUE_BYTES / 3 * 4 + (1 << 20);

/// Entry of kine 0.17.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    #[serde(rename = "KV")]
    kv: Option<Kv>,
    #[serde(default)]
    prev_revision: i64,
    #[serde(default)]
    create: bool,
    #[serde(default)]
    delete: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Kv {
    key: String,
    value: Option<String>,
    #[serde(default)]
    version: i64,
    #[serde(default)]
    create_revision: i64,
    #[serde(default)]
    mod_revision: i64,
    #[serde(default)]
    lease: i64,
}

/// A message of a bucket: one version of one key.
pub(super) struct Version {
    pub(super) subject: String,
    /// Number in the stream.
    pub(super) number: u64,
    /// Time at which the server stored it, in seconds.
    pub(super) time: i64,
    /// True for the mark by which a client of NATS deletes a key.
    pub(super) is_removal: bool,
    /// Value as kine stores it.
    pub(super) payload: Vec<u8>,
}

impl TryFrom<RawMessage> for Version {
    type Error = String;

    fn try_from(message: RawMessage) -> Result<Self, String> {
        let payload = STANDARD.decode(&message.payload);
        Ok(Self {
            is_removal: is_removal(&message),
            payload: payload.map_err(|error| error.to_string())?,
            number: message.sequence,
            time: message.time.unix_timestamp(),
            subject: message.subject,
        })
    }
}

/// Operation that a message of `bucket` is, at the time `now` in seconds; `None` for a message of kine's own. The error
/// names the key and the next action.
pub(super) fn op_of(bucket: &str, message: &Version, now: i64) -> Result<Option<Op>, String> {
    let Some(key) = keys::key_of(bucket, &message.subject)
        .map_err(|flaw| format!("{flaw}; {}", removal(&message.subject)))?
    else {
        return Ok(None);
    };
    let revision = i64::try_from(message.number).map_err(|error| error.to_string())?;
    if message.is_removal {
        return Ok(Some(Op::Delete { key, revision }));
    }
    let age = now.saturating_sub(message.time);
    let read = read(&key, &message.payload).map_err(|flaw| {
        let name = String::from_utf8_lossy(&name_of(&key)).into_owned();
        format!(
            "message {revision} of {name} is no entry that can be read: {flaw}; {}",
            removal(&message.subject)
        )
    })?;
    Ok(Some(match read {
        None => Op::Delete { key, revision },
        Some((entry, kv, value)) => {
            // An entry without the revision of its creation can only be the first.
            let first = entry.create || kv.create_revision <= 0;
            Op::Put(Record {
                key,
                value,
                created: if first { revision } else { kv.create_revision },
                modified: revision,
                ttl: remaining(kv.lease, age),
            })
        }
    }))
}

/// Next action for a message that cannot be read.
fn removal(subject: &str) -> String {
    format!(
        "let the tenant delete or rewrite that key, or remove it by `nats stream purge --subject '{subject}'`"
    )
}

type Live = (Entry, Kv, Vec<u8>);

/// Entry and value of a message; `None` for the entry of a deletion.
fn read(key: &[u8], payload: &[u8]) -> Result<Option<Live>, String> {
    let json = s2::decompress(payload, ENTRY_BYTES)?;
    let mut entry: Entry = serde_json::from_slice(&json)
        .map_err(|error| format!("it is no JSON of kine ({error})"))?;
    let kv = entry.kv.take().ok_or("its JSON has no KV")?;
    if kv.key.as_bytes() != name_of(key) {
        return Err(format!("it is about the key {:?}", kv.key));
    }
    if entry.delete {
        return Ok(None);
    }
    let value = STANDARD.decode(kv.value.as_deref().unwrap_or_default());
    let value = value.map_err(|error| format!("its value is no Base64 ({error})"))?;
    if value.len() > VALUE_BYTES {
        let length = value.len();
        return Err(format!(
            "its value has {length} bytes, and a transfer reads at most {VALUE_BYTES}"
        ));
    }
    Ok(Some((entry, kv, value)))
}

/// True for the mark by which a client of NATS deletes a key.
fn is_removal(message: &RawMessage) -> bool {
    let headers = message.headers.as_deref().map(|text| STANDARD.decode(text));
    let Some(Ok(headers)) = headers else {
        return false;
    };
    let text = String::from_utf8_lossy(&headers);
    removes(text.lines())
}

fn removes<'a>(mut lines: impl Iterator<Item = &'a str>) -> bool {
    lines.any(|line| {
        let operation = line
            .strip_prefix(OPERATION)
            .and_then(|text| text.strip_prefix(':'));
        operation.is_some_and(|operation| is_deletion(operation.trim()))
    })
}

/// True for the value of the header [`OPERATION`] that deletes a key.
pub(super) fn is_deletion(operation: &str) -> bool {
    operation == DELETE || operation == "PURGE"
}

/// Seconds until a key with this lease expires. kine forgets leases when it starts anew; a key that outlived its lease for
/// that reason gets the whole again, as behind kine's other stores.
fn remaining(lease: i64, age: i64) -> Option<u32> {
    let left = Some(lease.saturating_sub(age)).filter(|left| (1..=lease).contains(left));
    (lease > 0).then(|| u32::try_from(left.unwrap_or(lease)).unwrap_or(u32::MAX))
}

/// Value under which kine stores a record. The error says why there is none.
pub(super) fn of_record(record: &Record) -> Result<Vec<u8>, String> {
    let Ok(key) = String::from_utf8(name_of(&record.key)) else {
        return Err(format!(
            "the key {:?} is not UTF-8, so that no entry of kine can hold it; delete the key or use a DataStore of another \
             driver",
            String::from_utf8_lossy(&record.key)
        ));
    };
    let created = record.created == record.modified;
    write(
        created,
        Kv {
            key,
            value: Some(STANDARD.encode(&record.value)),
            version: 0,
            create_revision: if created { 0 } else { record.created },
            mod_revision: 0,
            lease: record.ttl.map_or(0, i64::from),
        },
    )
}

/// Value of the key in which kine notes its last compaction: older revisions than `revision` count as compacted.
pub(super) fn of_compaction(revision: u64) -> Result<Vec<u8>, String> {
    write(
        true,
        Kv {
            key: keys::COMPACTION.to_owned(),
            value: Some(STANDARD.encode(format!("1|{revision}"))),
            version: 0,
            create_revision: 0,
            mod_revision: 0,
            lease: 0,
        },
    )
}

fn write(create: bool, kv: Kv) -> Result<Vec<u8>, String> {
    let entry = Entry {
        kv: Some(kv),
        prev_revision: 0,
        create,
        delete: false,
    };
    let json = serde_json::to_vec(&entry).map_err(|error| error.to_string())?;
    s2::compress(&json).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests;
