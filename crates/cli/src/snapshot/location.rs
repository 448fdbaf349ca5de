//! Names of snapshots: files of this machine, and objects in S3, Google Cloud Storage or Azure.

use std::path::{Path, PathBuf};

use anyhow::Context;
use kamaji_snapshot::{Bucket, NewFile, SnapshotFile};

/// Place of a snapshot, by the text that names it.
pub enum Location {
    /// A file, or a folder of files.
    File(PathBuf),
    /// An object, or the beginning of the names of objects.
    Bucket(Box<Bucket>),
}

impl Location {
    /// Reads `s3://…`, `gs://…`, `az://…`, `file:///…`, or the path of a file. Credentials come from the variables
    /// that the clouds' own tools read.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let path = text.strip_prefix("file://").unwrap_or(text);
        if path.contains("://") {
            let bucket = Bucket::open(text, std::env::vars())?;
            return Ok(Self::Bucket(Box::new(bucket)));
        }
        Ok(Self::File(PathBuf::from(path)))
    }

    /// Folder in which a snapshot for this place is written; fails if the place is taken.
    pub async fn require_free(&self) -> anyhow::Result<PathBuf> {
        match self {
            Self::File(path) => {
                NewFile::beside(path)?;
                let folder = path
                    .parent()
                    .filter(|folder| !folder.as_os_str().is_empty());
                Ok(folder.unwrap_or(Path::new(".")).to_owned())
            }
            Self::Bucket(bucket) => {
                bucket.require_absent().await?;
                Ok(std::env::temp_dir())
            }
        }
    }

    /// Gives a whole file its place.
    pub async fn put(&self, file: NewFile) -> anyhow::Result<()> {
        match self {
            Self::File(path) => Ok(file.commit(path)?),
            Self::Bucket(bucket) => Ok(bucket.upload(file.path()).await?),
        }
    }

    /// Opens the snapshot; one of an object store is downloaded first, at most `most` bytes.
    pub async fn open(&self, most: u64) -> anyhow::Result<SnapshotFile> {
        match self {
            Self::File(path) => {
                SnapshotFile::open(path).with_context(|| path.display().to_string())
            }
            Self::Bucket(bucket) => Ok(bucket.download(most).await?),
        }
    }
}
