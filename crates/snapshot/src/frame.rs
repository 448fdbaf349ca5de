//! Frames of the body: one byte of kind, four of length in little endian, then the payload.

use std::io::{self, Read, Write};

use kamaji_datastore::transfer::{Op, Record};

use crate::{error::Error, limits};

/// Bytes before the key in the payload of a put: length of the key, two revisions, time to live.
const PUT_HEAD: usize = 4 + 8 + 8 + 4;

/// Kind of a frame, by its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// JSON of a Kubernetes object.
    Object,
    /// A key with its value.
    Put,
    /// Deletion of a key.
    Delete,
    /// JSON of the footer, the last frame.
    Footer,
}

impl Kind {
    fn byte(self) -> u8 {
        match self {
            Self::Object => b'O',
            Self::Put => b'P',
            Self::Delete => b'D',
            Self::Footer => b'F',
        }
    }

    fn parse(byte: u8) -> Result<Self, Error> {
        match byte {
            b'O' => Ok(Self::Object),
            b'P' => Ok(Self::Put),
            b'D' => Ok(Self::Delete),
            b'F' => Ok(Self::Footer),
            other => Err(Error::Damaged(format!(
                "it has a frame of the kind {other}"
            ))),
        }
    }

    /// Most bytes of the payload.
    fn most(self) -> usize {
        match self {
            Self::Object => limits::OBJECT,
            Self::Put => PUT_HEAD + limits::KEY + limits::VALUE,
            Self::Delete => 8 + limits::KEY,
            Self::Footer => limits::FOOTER,
        }
    }
}

/// Writes a frame from the parts of its payload.
pub(crate) fn write(out: &mut dyn Write, kind: Kind, parts: &[&[u8]]) -> io::Result<()> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let length = u32::try_from(length).map_err(io::Error::other)?;
    out.write_all(&[kind.byte()])?;
    out.write_all(&length.to_le_bytes())?;
    parts.iter().try_for_each(|part| out.write_all(part))
}

/// Reads a frame into `payload`. Memory grows with what is there, not with the length that the file claims.
pub(crate) fn read(from: &mut dyn Read, payload: &mut Vec<u8>) -> Result<Kind, Error> {
    let mut head = [0; 5];
    from.read_exact(&mut head).map_err(Error::body)?;
    let [kind, length @ ..] = head;
    let kind = Kind::parse(kind)?;
    let length = u32::from_le_bytes(length) as usize;
    if length > kind.most() {
        return Err(Error::hostile(
            format!("a frame of {length} bytes"),
            kind.most(),
        ));
    }
    payload.clear();
    let mut rest = from.take(length as u64);
    rest.read_to_end(payload).map_err(Error::body)?;
    if payload.len() < length {
        return Err(Error::Truncated);
    }
    Ok(kind)
}

/// Writes the frame of an operation.
pub(crate) fn write_op(out: &mut dyn Write, op: &Op) -> Result<(), Error> {
    check(op)?;
    let written = match op {
        Op::Put(record) => write(
            out,
            Kind::Put,
            &[&put_head(record), &record.key, &record.value],
        ),
        Op::Delete { key, revision } => write(out, Kind::Delete, &[&revision.to_le_bytes(), key]),
    };
    written.map_err(Error::io("writing the snapshot"))
}

fn put_head(record: &Record) -> [u8; PUT_HEAD] {
    let mut head = [0; PUT_HEAD];
    // `check` has bounded the length of the key.
    let key = u32::try_from(record.key.len()).unwrap_or(u32::MAX);
    head[..4].copy_from_slice(&key.to_le_bytes());
    head[4..12].copy_from_slice(&record.created.to_le_bytes());
    head[12..20].copy_from_slice(&record.modified.to_le_bytes());
    head[20..].copy_from_slice(&record.ttl.unwrap_or(0).to_le_bytes());
    head
}

/// Reads the operation of a frame of kind [`Kind::Put`] or [`Kind::Delete`].
pub(crate) fn parse_op(kind: Kind, payload: &[u8]) -> Result<Op, Error> {
    let op = match kind {
        Kind::Put => put(payload),
        Kind::Delete => delete(payload),
        Kind::Object | Kind::Footer => None,
    };
    let op = op.ok_or_else(|| Error::Damaged("a frame is shorter than its parts".to_owned()))?;
    check(&op)?;
    Ok(op)
}

fn put(payload: &[u8]) -> Option<Op> {
    let (key_length, rest) = payload.split_first_chunk::<4>()?;
    let (created, rest) = rest.split_first_chunk::<8>()?;
    let (modified, rest) = rest.split_first_chunk::<8>()?;
    let (ttl, rest) = rest.split_first_chunk::<4>()?;
    let (key, value) = rest.split_at_checked(u32::from_le_bytes(*key_length) as usize)?;
    let ttl = u32::from_le_bytes(*ttl);
    Some(Op::Put(Record {
        key: key.to_vec(),
        value: value.to_vec(),
        created: i64::from_le_bytes(*created),
        modified: i64::from_le_bytes(*modified),
        ttl: (ttl > 0).then_some(ttl),
    }))
}

fn delete(payload: &[u8]) -> Option<Op> {
    let (revision, key) = payload.split_first_chunk::<8>()?;
    Some(Op::Delete {
        key: key.to_vec(),
        revision: i64::from_le_bytes(*revision),
    })
}

/// Checks an operation against the bounds, when it is written and when it is read.
fn check(op: &Op) -> Result<(), Error> {
    let (key, name) = (op.key(), String::from_utf8_lossy(op.key()));
    if key.len() > limits::KEY {
        return Err(Error::hostile(
            format!("a key of {} bytes", key.len()),
            limits::KEY,
        ));
    }
    if key.is_empty() || key.starts_with(b"/") {
        return Err(Error::Damaged(format!(
            "the key {name:?} is not below the root"
        )));
    }
    let revisions = 1..=limits::REVISION;
    if !revisions.contains(&op.revision()) {
        return Err(Error::Damaged(format!(
            "the key {name:?} has the revision {}",
            op.revision()
        )));
    }
    let Op::Put(record) = op else { return Ok(()) };
    if record.value.len() > limits::VALUE {
        let what = format!("the value of {name:?} with {} bytes", record.value.len());
        return Err(Error::hostile(what, limits::VALUE));
    }
    // kine has 0 in rows that were created by their own revision.
    if (0..=record.modified).contains(&record.created) {
        return Ok(());
    }
    Err(Error::Damaged(format!(
        "the key {name:?} was created at revision {} and changed at {}",
        record.created, record.modified
    )))
}
