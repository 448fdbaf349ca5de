//! Form of etcd's own snapshots: the file of a database, followed by its SHA-256.

use std::io::{self, Write};

use sha2::{Digest, Sha256};

use crate::error::Error;

/// Bytes of the hash at the end.
const HASH: usize = 32;
/// Pages of a database have a multiple of that many bytes: etcd tells by it whether there is a hash.
const UNIT: u64 = 512;
/// Place and value of the magic number of a database.
const MAGIC: (usize, [u8; 4]) = (16, 0xED0C_DAED_u32.to_le_bytes());

/// Writer that passes a snapshot of etcd on, and knows at the end whether it is whole.
pub struct Checked<W> {
    out: W,
    hash: Sha256,
    /// First bytes, up to the end of the magic number.
    head: Vec<u8>,
    /// Last bytes, which may be the hash.
    tail: Vec<u8>,
    bytes: u64,
}

impl<W: Write> Checked<W> {
    /// Begins a snapshot that is passed on to `out`.
    pub fn new(out: W) -> Self {
        Self {
            out,
            hash: Sha256::new(),
            head: Vec::new(),
            tail: Vec::new(),
            bytes: 0,
        }
    }

    /// Checks what has passed; returns the writer and the number of bytes.
    pub fn finish(self) -> Result<(W, u64), Error> {
        let refuse = |cause: &str| Err(Error::Snapshot(cause.to_owned()));
        let (start, magic) = MAGIC;
        if self.head.get(start..) != Some(&magic) {
            return refuse("it is no snapshot of etcd: check the name");
        }
        if self.bytes % UNIT != HASH as u64 {
            return refuse(
                "it has no hash at its end: it was cut off, or copied from a member's folder; take one by `kamaji etcd \
                 save` or `etcdctl snapshot save`",
            );
        }
        if self.tail != self.hash.finalize()[..] {
            return refuse("its hash is not that of its content: it was altered or damaged");
        }
        Ok((self.out, self.bytes))
    }

    /// Takes bytes into account that have passed.
    fn account(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        let missing = (MAGIC.0 + MAGIC.1.len()).saturating_sub(self.head.len());
        self.head
            .extend_from_slice(&bytes[..missing.min(bytes.len())]);
        // Only what is followed by as many bytes as a hash has is content.
        let content = (self.tail.len() + bytes.len()).saturating_sub(HASH);
        let of_tail = content.min(self.tail.len());
        self.hash.update(&self.tail[..of_tail]);
        self.tail.drain(..of_tail);
        let (content, rest) = bytes.split_at(content - of_tail);
        self.hash.update(content);
        self.tail.extend_from_slice(rest);
    }
}

impl<W: Write> Write for Checked<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.account(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(pages: usize) -> Vec<u8> {
        let mut bytes: Vec<u8> = (0..=250).cycle().take(pages * 512).collect();
        bytes[16..20].copy_from_slice(&MAGIC.1);
        let hash = Sha256::digest(&bytes);
        bytes.extend_from_slice(&hash);
        bytes
    }

    /// Passes the bytes in pieces of one size.
    fn passed(bytes: &[u8], piece: usize) -> Result<(Vec<u8>, u64), Error> {
        let mut checked = Checked::new(Vec::new());
        for piece in bytes.chunks(piece) {
            checked.write_all(piece).unwrap();
        }
        checked.finish()
    }

    #[test]
    fn a_whole_snapshot_passes_in_pieces_of_any_size() {
        let whole = image(9);
        for piece in [1, 7, 31, 32, 33, 512, 4096, whole.len()] {
            let (out, bytes) = passed(&whole, piece).unwrap();
            assert_eq!((out.len(), bytes), (whole.len(), whole.len() as u64));
            assert_eq!(out, whole, "{piece}");
        }
    }

    #[test]
    fn a_snapshot_that_was_cut_altered_or_never_was_one_is_refused_with_the_reason() {
        let whole = image(9);
        let mut altered = whole.clone();
        altered[700] ^= 1;
        let mut other_hash = whole.clone();
        *other_hash.last_mut().unwrap() ^= 1;
        let cases: [(&[u8], &str); 8] = [
            (&[], "no snapshot of etcd"),
            (b"something else", "no snapshot of etcd"),
            (&[0; 1024], "no snapshot of etcd"),
            (&whole[..whole.len() - 1], "cut off"),
            (&whole[..whole.len() - 32], "no hash at its end"),
            (&whole[..5 * 512 + 32], "altered or damaged"),
            (&altered, "altered or damaged"),
            (&other_hash, "altered or damaged"),
        ];
        for (bytes, words) in cases {
            let said = passed(bytes, 100).unwrap_err().to_string();
            assert!(said.contains(words), "{words}: {said}");
        }
    }
}
