//! Reader of snapshots: header, objects, operations and footer in one pass.

use std::io::{self, BufReader, Read, Take};

use kamaji_datastore::transfer::Op;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::{
    encoder::{FORMAT, MAGIC, hex},
    encryption::EncryptionKeys,
    error::Error,
    frame::{self, Kind},
    header::{Footer, Header},
    limits,
    seal::{Keys, Opened, Proof},
};

/// Bytes of the trailer.
pub(crate) const TRAILER: u64 = 32;

/// Most bytes of magic, format and header.
pub(crate) const LONGEST_PREAMBLE: u64 = (MAGIC.len() + 8 + limits::HEADER) as u64;

/// Part of a snapshot's body.
#[derive(Debug, Clone, PartialEq)]
pub enum Item {
    /// A Kubernetes object as JSON.
    Object(Value),
    /// An operation on the tenant's data.
    Op(Op),
}

/// Reads a snapshot in one pass and with bounded memory. What it returned is to be trusted once [`Decoder::read_next`]
/// has returned the footer, and not before.
pub struct Decoder<R: Read> {
    header: Header,
    proof: Proof,
    from: Limited<zstd::Decoder<'static, BufReader<Body<R>>>>,
    digest: Sha256,
    payload: Vec<u8>,
    seen: Footer,
    /// Highest revision of an operation.
    highest: i64,
    object_bytes: usize,
}

/// Outcome of [`Decoder::read_next`]: a part, or the end.
#[derive(Debug, Clone, PartialEq)]
pub enum Next {
    /// The next object or operation.
    Item(Item),
    /// The end: everything that was read agrees with the footer.
    End(Footer),
}

impl<R: Read> Decoder<R> {
    /// Reads the preamble of a file of `length` bytes, and opens the body with `keys`. At most `data` bytes are
    /// decompressed. A file without encryption is refused if there is a key.
    pub fn open(mut from: R, length: u64, keys: &Keys, data: u64) -> Result<Self, Error> {
        let (header, preamble) = preamble(&mut from)?;
        let body = length
            .checked_sub(preamble.len() as u64 + TRAILER)
            .ok_or(Error::Truncated)?;
        let body = from.take(body);
        let body = if header.encrypted {
            Body::Age(Box::new(keys.open(body)?))
        } else {
            keys.require_plain()?;
            Body::Plain(body)
        };
        let proof = body.proof();
        let mut body = zstd::Decoder::new(body).map_err(Error::body)?;
        body.window_log_max(limits::WINDOW_LOG)
            .map_err(Error::body)?;
        Ok(Self {
            header,
            proof,
            from: Limited {
                from: body,
                left: data,
                most: data,
            },
            digest: Sha256::new_with_prefix(preamble),
            payload: Vec::new(),
            seen: Footer {
                revision: 0,
                objects: 0,
                ops: 0,
                bytes: 0,
                encryption: EncryptionKeys::default(),
                digest: String::new(),
            },
            highest: 0,
            object_bytes: 0,
        })
    }

    /// Header of the snapshot.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Proof of the writer, by what opened the file.
    pub fn proof(&self) -> Proof {
        self.proof
    }

    /// Reads the next part, or checks the footer and the end of the file. Not to be called after the end.
    pub fn read_next(&mut self) -> Result<Next, Error> {
        let kind = match frame::read(&mut self.from, &mut self.payload) {
            Err(_) if self.from.is_exhausted() => return Err(Error::data(self.from.most)),
            other => other?,
        };
        if kind == Kind::Footer {
            return self.end().map(Next::End);
        }
        self.hash(kind);
        if kind == Kind::Object {
            return self.object().map(|object| Next::Item(Item::Object(object)));
        }
        let op = frame::parse_op(kind, &self.payload)?;
        self.seen.ops += 1;
        self.seen.bytes += op.key().len() as u64;
        self.highest = self.highest.max(op.revision());
        if let Op::Put(record) = &op {
            self.seen.bytes += record.value.len() as u64;
            self.seen.encryption.add(&record.key, &record.value);
        }
        Ok(Next::Item(Item::Op(op)))
    }

    /// Hashes the frame in `payload` as it was written.
    fn hash(&mut self, kind: Kind) {
        let mut digest = io::BufWriter::new(&mut self.digest);
        // A hash takes everything.
        let _ = frame::write(&mut digest, kind, &[&self.payload]);
    }

    fn object(&mut self) -> Result<Value, Error> {
        self.seen.objects += 1;
        self.object_bytes += self.payload.len();
        if self.seen.ops > 0 {
            return Err(Error::Damaged("an object follows an operation".to_owned()));
        }
        if self.seen.objects > limits::OBJECTS as u64 {
            return Err(Error::hostile(
                "the number of Kubernetes objects",
                limits::OBJECTS,
            ));
        }
        if self.object_bytes > limits::ALL_OBJECTS {
            return Err(Error::hostile(
                "the Kubernetes objects",
                limits::ALL_OBJECTS,
            ));
        }
        // serde_json bounds the depth.
        serde_json::from_slice(&self.payload)
            .map_err(|error| Error::Damaged(format!("an object is no JSON: {error}")))
    }

    fn end(&mut self) -> Result<Footer, Error> {
        let footer: Footer = serde_json::from_slice(&self.payload)
            .map_err(|error| Error::Damaged(format!("the footer cannot be read: {error}")))?;
        let seen = Footer {
            revision: footer.revision,
            digest: hex(&self.digest.finalize_reset()),
            ..self.seen.clone()
        };
        if seen != footer {
            return Err(Error::Damaged(
                "its content is not what its footer says".to_owned(),
            ));
        }
        if !(self.highest..=limits::REVISION).contains(&footer.revision) {
            return Err(Error::Damaged(format!(
                "its footer has the revision {}, and an operation {}",
                footer.revision, self.highest
            )));
        }
        let mut more = [0];
        match self.from.read(&mut more) {
            Ok(0) => Ok(footer),
            Ok(_) => Err(Error::Damaged("something follows its footer".to_owned())),
            Err(error) => Err(Error::body(error)),
        }
    }
}

/// Reads and checks magic, format and header; the result has the bytes, too.
pub(crate) fn preamble(from: &mut dyn Read) -> Result<(Header, Vec<u8>), Error> {
    let mut bytes = vec![0; MAGIC.len() + 8];
    let read = from.read_exact(&mut bytes);
    let foreign = |error: io::Error| match error.kind() {
        io::ErrorKind::UnexpectedEof => Error::NotASnapshot,
        _ => Error::io("reading the snapshot")(error),
    };
    read.map_err(foreign)?;
    let numbers = bytes.strip_prefix(MAGIC).ok_or(Error::NotASnapshot)?;
    let number = |at: usize| {
        let bytes = numbers
            .get(at..at + 4)
            .and_then(|four| four.try_into().ok());
        bytes.map_or(0, u32::from_le_bytes)
    };
    let (format, length) = (number(0), number(4) as usize);
    if format != FORMAT {
        return Err(Error::Newer(format));
    }
    if length > limits::HEADER {
        return Err(Error::hostile("its header", limits::HEADER));
    }
    let at = bytes.len();
    bytes.resize(at + length, 0);
    from.read_exact(&mut bytes[at..]).map_err(Error::body)?;
    let header = serde_json::from_slice(&bytes[at..])
        .map_err(|error| Error::Damaged(format!("its header cannot be read: {error}")))?;
    Ok((header, bytes))
}

/// Body of a snapshot, decrypted if it was encrypted.
enum Body<R: Read> {
    Plain(Take<R>),
    Age(Box<Opened<Take<R>>>),
}

impl<R: Read> Body<R> {
    fn proof(&self) -> Proof {
        match self {
            Self::Plain(_) => Proof::None,
            Self::Age(body) => body.proof(),
        }
    }
}

impl<R: Read> Read for Body<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(body) => body.read(into),
            Self::Age(body) => body.read(into),
        }
    }
}

/// Reader of at most so many bytes.
struct Limited<R> {
    from: R,
    left: u64,
    most: u64,
}

impl<R> Limited<R> {
    fn is_exhausted(&self) -> bool {
        self.left == 0
    }
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left)
            .unwrap_or(usize::MAX)
            .min(into.len());
        if most == 0 && !into.is_empty() {
            return Err(io::Error::other("it has more data than was asked for"));
        }
        let read = self.from.read(&mut into[..most])?;
        self.left -= read as u64;
        Ok(read)
    }
}
