//! List of the snapshots in a folder or a bucket.

use std::path::Path;

use crate::{error::Error, file::SnapshotFile, header::Header};

/// Most files that one list reads.
pub(crate) const LISTED: usize = 1000;

/// One snapshot of a list, not verified.
pub struct Listed {
    /// Name of the file or object.
    pub name: String,
    /// Bytes of the file.
    pub bytes: u64,
    /// Header, or the reason why it cannot be read.
    pub header: Result<Header, Error>,
}

/// The snapshots of a folder or a bucket.
pub struct Listing {
    /// Snapshots by name, at most 1000.
    pub entries: Vec<Listed>,
    /// True if there are more files than are read.
    pub more: bool,
}

impl Listed {
    /// An entry of a list; `None` for a file that is no snapshot.
    pub(crate) fn of(name: String, bytes: u64, header: Result<Header, Error>) -> Option<Self> {
        if matches!(header, Err(Error::NotASnapshot)) {
            return None;
        }
        Some(Self {
            name,
            bytes,
            header,
        })
    }
}

/// The snapshots in a folder, by name, or the one in a file; at most 1000 files are read.
pub fn list(path: &Path) -> Result<Listing, Error> {
    let one = |path: &Path| {
        let file = SnapshotFile::open(path).ok()?;
        let name = path.display().to_string();
        Listed::of(name, file.length(), file.header())
    };
    if path.is_file() {
        return Ok(Listing {
            entries: one(path).into_iter().collect(),
            more: false,
        });
    }
    let entries = std::fs::read_dir(path);
    let entries = entries.map_err(Error::io(format!("listing {}", path.display())))?;
    let mut paths: Vec<_> = entries
        .take(LISTED + 1)
        .flatten()
        .map(|entry| entry.path())
        .collect();
    let more = paths.len() > LISTED;
    paths.truncate(LISTED);
    paths.sort();
    let files = paths.iter().filter(|path| path.is_file());
    Ok(Listing {
        entries: files.filter_map(|path| one(path)).collect(),
        more,
    })
}
