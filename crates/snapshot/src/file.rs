//! Snapshots as files of this machine.

use std::{
    fs::File,
    io::{BufReader, BufWriter, Read, Seek},
    path::Path,
};

use serde_json::Value;
use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;

use crate::{
    decoder::{Decoder, Item, Next, TRAILER, preamble},
    error::Error,
    header::{Footer, Header},
    replay::Order,
    seal::{Keys, Proof},
};

/// Buffer of reads and writes.
const BUFFER: usize = 256 << 10;

/// File of mode 0600 that is written under a name of its own, and renamed when it is whole. Dropped before that,
/// nothing is left.
pub struct NewFile(NamedTempFile);

impl NewFile {
    /// Starts a file beside `path`, which it will be renamed to; no file of that name may exist.
    pub fn beside(path: &Path) -> Result<Self, Error> {
        if path.exists() {
            return Err(Error::Location {
                text: path.display().to_string(),
                reason: "a file of this name exists; choose another name, or remove it".to_owned(),
            });
        }
        Self::within(folder(path))
    }

    /// Starts a file in a folder.
    pub fn within(folder: &Path) -> Result<Self, Error> {
        let mut builder = tempfile::Builder::new();
        let builder = builder.prefix(".kamaji-snapshot-").suffix(".part");
        let file = builder.tempfile_in(folder);
        let doing = || format!("creating a file in {}", folder.display());
        file.map(Self).map_err(|source| Error::io(doing())(source))
    }

    /// Writer of the file.
    pub fn writer(&self) -> Result<BufWriter<File>, Error> {
        let file = self.0.reopen().map_err(Error::io("writing the snapshot"))?;
        Ok(BufWriter::with_capacity(BUFFER, file))
    }

    /// Name of the file while it is written.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Renames the file to `path` in the same folder, once its content is on the disk. No file is replaced.
    pub fn commit(self, path: &Path) -> Result<(), Error> {
        let doing = format!("writing {}", path.display());
        let synced = self.0.as_file().sync_all();
        synced.map_err(Error::io(doing.clone()))?;
        let named = self.0.persist_noclobber(path);
        named.map_err(|error| Error::io(doing.clone())(error.error))?;
        let synced = File::open(folder(path)).and_then(|folder| folder.sync_all());
        synced.map_err(Error::io(doing))
    }
}

/// Folder that a file is in.
fn folder(path: &Path) -> &Path {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or(Path::new("."))
}

/// Snapshot in a file that is open; whoever replaces the file's name changes nothing.
pub struct SnapshotFile {
    file: File,
    length: u64,
}

/// Outcome of a check of a whole file.
pub struct Checked {
    /// Header of the snapshot.
    pub header: Header,
    /// Proof of the writer, by what opened the file.
    pub proof: Proof,
    /// Footer of the snapshot.
    pub footer: Footer,
    /// Kubernetes objects of the snapshot.
    pub objects: Vec<Value>,
    /// First pass over the operations that `keep` accepted.
    pub order: Order,
}

impl SnapshotFile {
    /// Opens the file at `path`; nothing of it is read yet.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let file = File::open(path).map_err(Error::io(format!("opening {}", path.display())))?;
        Self::of(file)
    }

    /// Takes a file that is open.
    pub fn of(file: File) -> Result<Self, Error> {
        let metadata = file.metadata().map_err(Error::io("reading the snapshot"))?;
        if !metadata.is_file() {
            return Err(Error::NotASnapshot);
        }
        Ok(Self {
            file,
            length: metadata.len(),
        })
    }

    /// Bytes of the file.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Begins to read at the first byte.
    pub(crate) fn start(&self) -> Result<BufReader<&File>, Error> {
        let mut file = &self.file;
        file.rewind().map_err(Error::io("reading the snapshot"))?;
        Ok(BufReader::with_capacity(BUFFER, file))
    }

    /// Reads the header alone; nothing of it is verified yet.
    pub fn header(&self) -> Result<Header, Error> {
        preamble(&mut self.start()?).map(|(header, _)| header)
    }

    /// Reads from the beginning with `keys`, at most `data` bytes after decompression.
    pub fn read(&self, keys: &Keys, data: u64) -> Result<Decoder<BufReader<&File>>, Error> {
        Decoder::open(self.start()?, self.length, keys, data)
    }

    /// Reads and checks the whole file: hash, encryption, every frame, counts. A file without encryption is refused if
    /// there is a key. Operations whose key `keep` refuses are left out of [`Checked::order`].
    pub fn check(
        &self,
        keys: &Keys,
        data: u64,
        keep: &dyn Fn(&[u8]) -> bool,
    ) -> Result<Checked, Error> {
        self.check_trailer()?;
        let mut decoder = self.read(keys, data)?;
        let (mut objects, mut order) = (Vec::new(), Order::default());
        loop {
            match decoder.read_next()? {
                Next::Item(Item::Object(object)) => objects.push(object),
                Next::Item(Item::Op(op)) if keep(op.key()) => order.add(&op)?,
                Next::Item(Item::Op(_)) => {}
                Next::End(footer) => {
                    return Ok(Checked {
                        header: decoder.header().clone(),
                        proof: decoder.proof(),
                        footer,
                        objects,
                        order,
                    });
                }
            }
        }
    }

    /// Compares the trailer with everything before it.
    fn check_trailer(&self) -> Result<(), Error> {
        let mut from = self.start()?;
        // What is no snapshot, or one of a newer format, is said to be so.
        preamble(&mut from)?;
        let body = self.length.checked_sub(TRAILER).ok_or(Error::Truncated)?;
        let mut from = self.start()?.take(body);
        let mut hash = Sha256::new();
        let hashed =
            std::io::copy(&mut from, &mut hash).map_err(Error::io("reading the snapshot"))?;
        let mut trailer = Vec::new();
        let rest = from
            .into_inner()
            .take(TRAILER + 1)
            .read_to_end(&mut trailer);
        rest.map_err(Error::io("reading the snapshot"))?;
        if hashed != body || trailer.len() as u64 != TRAILER {
            return Err(Error::Truncated);
        }
        if trailer != hash.finalize()[..] {
            return Err(Error::Damaged(
                "its hash is not that of its content (or bytes are missing)".to_owned(),
            ));
        }
        Ok(())
    }
}
