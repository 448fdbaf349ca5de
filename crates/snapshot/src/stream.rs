//! Streams of a format that is not ours, such as etcd's own snapshots: compressed and encrypted, or as they are.
//!
//! A sealed stream is age around zstd, so that `age -d -i KEY FILE | zstd -d` gives what went in. A plain one has no
//! frame at all. Neither proves that it is whole: the format that is carried has to.

use std::io::{self, BufRead, BufReader, Read, Write};

use crate::{
    error::Error,
    file::SnapshotFile,
    limits,
    seal::{Keys, Opened, Proof, Seal, Sealed},
};

/// First bytes of a file of age.
const AGE: &[u8] = b"age-encryption.org/";
/// Level of zstd: its default.
const LEVEL: i32 = 3;
const WRITING: &str = "writing the snapshot";

/// Ending of the name of a sealed stream.
pub const SEALED_ENDING: &str = ".zst.age";

/// Writer of a stream; one that was dropped before [`StreamWriter::finish`] cannot be read back.
pub struct StreamWriter<W: Write>(Form<W>);

enum Form<W: Write> {
    Plain(W),
    Sealed(zstd::Encoder<'static, Sealed<W>>),
}

impl<W: Write> StreamWriter<W> {
    /// Starts a stream; only one that is encrypted is compressed, too.
    pub fn create(out: W, seal: &Seal) -> Result<Self, Error> {
        if !seal.encrypts() {
            return Ok(Self(Form::Plain(out)));
        }
        let body = zstd::Encoder::new(seal.wrap(out)?, LEVEL);
        Ok(Self(Form::Sealed(body.map_err(Error::io(WRITING))?)))
    }

    /// Writes the ends of compression and encryption.
    pub fn finish(self) -> Result<W, Error> {
        let finish = |form| match form {
            Form::Plain(out) => Ok(out),
            Form::Sealed(body) => body.finish()?.finish(),
        };
        let mut out = finish(self.0).map_err(Error::io(WRITING))?;
        out.flush().map_err(Error::io(WRITING))?;
        Ok(out)
    }
}

impl<W: Write> Write for StreamWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.0 {
            Form::Plain(out) => out.write(bytes),
            Form::Sealed(body) => body.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.0 {
            Form::Plain(out) => out.flush(),
            Form::Sealed(body) => body.flush(),
        }
    }
}

type Sealing<'a> = zstd::Decoder<'static, BufReader<Opened<BufReader<&'a std::fs::File>>>>;

/// Reader of a stream, which ends with an error past a number of bytes.
pub struct StreamReader<'a> {
    from: Source<'a>,
    proof: Proof,
    left: u64,
}

enum Source<'a> {
    Plain(BufReader<&'a std::fs::File>),
    Sealed(Box<Sealing<'a>>),
}

impl SnapshotFile {
    /// Reads the file as a stream of at most `most` bytes; `keys` open it if it is encrypted, and refuse it if it is not.
    pub fn stream(&self, keys: &Keys, most: u64) -> Result<StreamReader<'_>, Error> {
        let mut file = self.start()?;
        let first = file.fill_buf().map_err(Error::io("reading the snapshot"))?;
        let (from, proof) = if first.starts_with(AGE) {
            let opened = keys.open(file)?;
            let proof = opened.proof();
            let mut body = zstd::Decoder::new(opened).map_err(Error::body)?;
            body.window_log_max(limits::WINDOW_LOG)
                .map_err(Error::body)?;
            (Source::Sealed(Box::new(body)), proof)
        } else {
            keys.require_plain()?;
            (Source::Plain(file), Proof::None)
        };
        Ok(StreamReader {
            from,
            proof,
            left: most,
        })
    }
}

impl StreamReader<'_> {
    /// Proof of the writer, by what opened the stream.
    pub fn proof(&self) -> Proof {
        self.proof
    }

    /// Reads everything into `out`; returns how many bytes there were. `writing` names what is written.
    pub fn copy(&mut self, out: &mut dyn Write, writing: &str) -> Result<u64, Error> {
        let mut buffer = vec![0; 256 << 10];
        let mut total = 0;
        loop {
            let read = match &mut self.from {
                Source::Plain(from) => from.read(&mut buffer),
                Source::Sealed(from) => from.read(&mut buffer),
            };
            let read = read.map_err(Error::body)?;
            if read == 0 {
                return Ok(total);
            }
            total += read as u64;
            if total > self.left {
                return Err(Error::data(self.left));
            }
            out.write_all(&buffer[..read]).map_err(Error::io(writing))?;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    fn sealed(folder: &Path, content: &[u8]) -> (std::path::PathBuf, Keys) {
        let identity = age::x25519::Identity::generate();
        let recipient = identity.to_public().to_string();
        let seal = Seal::recipients([recipient.as_str()]).unwrap();
        let mut stream = StreamWriter::create(Vec::new(), &seal).unwrap();
        stream.write_all(content).unwrap();
        let path = folder.join("sealed");
        fs::write(&path, stream.finish().unwrap()).unwrap();
        let mut keys = Keys::default();
        keys.add_identity(identity);
        (path, keys)
    }

    fn read(path: &Path, keys: &Keys, most: u64) -> Result<Vec<u8>, Error> {
        let file = SnapshotFile::open(path).unwrap();
        let mut out = Vec::new();
        file.stream(keys, most)?.copy(&mut out, "writing")?;
        Ok(out)
    }

    #[test]
    fn a_sealed_stream_is_read_back_and_a_cut_altered_or_foreign_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let content: Vec<u8> = (0..50_000_u32).flat_map(u32::to_le_bytes).collect();
        let (path, keys) = sealed(folder.path(), &content);
        assert_eq!(read(&path, &keys, u64::MAX).unwrap(), content);
        let bytes = fs::read(&path).unwrap();
        assert!(bytes.len() < content.len());
        for length in [bytes.len() - 1, bytes.len() / 2, 100] {
            fs::write(&path, &bytes[..length]).unwrap();
            let error = read(&path, &keys, u64::MAX).unwrap_err();
            let refused = matches!(error, Error::Truncated | Error::Damaged(_));
            assert!(refused, "{length}: {error}");
        }
        let mut altered = bytes.clone();
        altered[bytes.len() / 2] ^= 1;
        fs::write(&path, altered).unwrap();
        read(&path, &keys, u64::MAX).unwrap_err();
        fs::write(&path, bytes).unwrap();
        let error = read(&path, &Keys::default(), u64::MAX).unwrap_err();
        assert!(matches!(error, Error::Locked(_)), "{error}");
    }

    #[test]
    fn a_stream_that_grows_beyond_the_bound_ends_with_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let (path, keys) = sealed(folder.path(), &vec![0; 5 << 20]);
        assert!(fs::metadata(&path).unwrap().len() < 10_000);
        let error = read(&path, &keys, 1 << 20).unwrap_err();
        assert!(matches!(error, Error::TooLarge { .. }), "{error}");
    }

    #[test]
    fn a_plain_stream_is_the_content_itself() {
        let out = StreamWriter::create(Vec::new(), &Seal::Plain).unwrap();
        assert!(out.finish().unwrap().is_empty());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("plain");
        fs::write(&path, "content").unwrap();
        assert_eq!(read(&path, &Keys::default(), 7).unwrap(), b"content");
        read(&path, &Keys::default(), 6).unwrap_err();
    }

    #[test]
    fn a_plain_stream_is_refused_by_whoever_has_a_key() {
        let folder = tempfile::tempdir().unwrap();
        let (_, identity) = sealed(folder.path(), b"content");
        let mut passphrase = Keys::default();
        passphrase.add_passphrase("open".to_owned());
        let path = folder.path().join("plain");
        fs::write(&path, "content").unwrap();
        for keys in [identity, passphrase] {
            let error = read(&path, &keys, 7).unwrap_err();
            assert!(matches!(error, Error::Unencrypted), "{error}");
        }
    }
}
