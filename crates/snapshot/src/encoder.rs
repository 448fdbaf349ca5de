//! Writer of snapshots: header, objects, operations and footer in one pass.

use std::io::{self, Write};

use kamaji_datastore::transfer::Op;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::{
    encryption::EncryptionKeys,
    error::Error,
    frame::{self, Kind},
    header::{Footer, Header},
    limits,
    seal::{Seal, Sealed},
};

/// First bytes of every snapshot.
pub(crate) const MAGIC: &[u8; 16] = b"kamaji-snapshot\n";
/// Version of the format that this build writes, and the latest that it reads.
pub(crate) const FORMAT: u32 = 1;
/// Level of zstd: its default.
const LEVEL: i32 = 3;
const WRITING: &str = "writing the snapshot";

/// Writes a snapshot in one pass: objects, then operations, then [`Encoder::finish`]. What was not finished is
/// refused by every reader.
pub struct Encoder<W: Write> {
    out: zstd::Encoder<'static, Sealed<Hashed<W>>>,
    /// Hash of preamble and frames.
    digest: Sha256,
    footer: Footer,
    object_bytes: usize,
}

impl<W: Write> Encoder<W> {
    /// Writes the preamble. The header's `encrypted` is set by `seal`.
    pub fn create(out: W, header: &Header, seal: &Seal) -> Result<Self, Error> {
        let mut out = Hashed::new(out);
        let preamble = preamble(&Header {
            encrypted: seal.encrypts(),
            ..header.clone()
        })?;
        out.write_all(&preamble).map_err(Error::io(WRITING))?;
        let body = zstd::Encoder::new(seal.wrap(out)?, LEVEL);
        Ok(Self {
            out: body.map_err(Error::io(WRITING))?,
            digest: Sha256::new_with_prefix(preamble),
            footer: Footer {
                revision: 0,
                objects: 0,
                ops: 0,
                bytes: 0,
                encryption: EncryptionKeys::default(),
                digest: String::new(),
            },
            object_bytes: 0,
        })
    }

    /// Writes a Kubernetes object. Objects precede all operations.
    pub fn object(&mut self, object: &Value) -> Result<(), Error> {
        let json = serde_json::to_vec(object).unwrap_or_default();
        self.object_bytes += json.len();
        self.footer.objects += 1;
        let many = self.footer.objects > limits::OBJECTS as u64;
        if many || json.len() > limits::OBJECT || self.object_bytes > limits::ALL_OBJECTS {
            let what = format!("the Kubernetes objects, {} bytes,", self.object_bytes);
            return Err(Error::hostile(what, limits::ALL_OBJECTS));
        }
        let mut out = Both(&mut self.digest, &mut self.out);
        frame::write(&mut out, Kind::Object, &[&json]).map_err(Error::io(WRITING))
    }

    /// Writes an operation, which follows all objects.
    pub fn op(&mut self, op: &Op) -> Result<(), Error> {
        frame::write_op(&mut Both(&mut self.digest, &mut self.out), op)?;
        self.footer.ops += 1;
        self.footer.bytes += op.key().len() as u64;
        if let Op::Put(record) = op {
            self.footer.bytes += record.value.len() as u64;
            self.footer.encryption.add(&record.key, &record.value);
        }
        Ok(())
    }

    /// Number of operations that were written so far.
    pub fn ops(&self) -> u64 {
        self.footer.ops
    }

    /// Writes footer and trailer of a snapshot that is consistent at `revision`.
    pub fn finish(mut self, revision: i64) -> Result<(W, Footer), Error> {
        self.footer.revision = revision;
        self.footer.digest = hex(&self.digest.finalize());
        let json = serde_json::to_vec(&self.footer).unwrap_or_default();
        frame::write(&mut self.out, Kind::Footer, &[&json]).map_err(Error::io(WRITING))?;
        let sealed = self.out.finish().map_err(Error::io(WRITING))?;
        let hashed = sealed.finish().map_err(Error::io(WRITING))?;
        let out = hashed.finish().map_err(Error::io(WRITING))?;
        Ok((out, self.footer))
    }
}

fn preamble(header: &Header) -> Result<Vec<u8>, Error> {
    let json = serde_json::to_vec(header).unwrap_or_default();
    if json.len() > limits::HEADER {
        return Err(Error::hostile("the header", limits::HEADER));
    }
    let length = u32::try_from(json.len()).unwrap_or(u32::MAX);
    Ok([
        MAGIC.as_slice(),
        &FORMAT.to_le_bytes(),
        &length.to_le_bytes(),
        &json,
    ]
    .concat())
}

/// Bytes in hexadecimal, two digits each.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // A text takes everything.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Writer that hashes what passes, and ends with the hash.
struct Hashed<W> {
    out: W,
    hash: Sha256,
}

impl<W: Write> Hashed<W> {
    fn new(out: W) -> Self {
        Self {
            out,
            hash: Sha256::new(),
        }
    }

    fn finish(mut self) -> io::Result<W> {
        self.out.write_all(&self.hash.finalize())?;
        self.out.flush()?;
        Ok(self.out)
    }
}

impl<W: Write> Write for Hashed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.hash.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Writer to a hash and to the body.
struct Both<'a>(&'a mut Sha256, &'a mut dyn Write);

impl Write for Both<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.1.write(bytes)?;
        self.0.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.1.flush()
    }
}
