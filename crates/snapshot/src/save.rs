//! Saves a tenant that goes on writing: a scan of the latest state, followed by the changes of the keys that were
//! scanned. No revision of the store is held, and memory is bounded by a page and a batch of changes.

use std::{fs::File, io::BufWriter, path::PathBuf};

use kamaji_datastore::{
    self as datastore,
    transfer::{CopyError, Cursor, Followed, Op, Reader, changes_until},
};
use serde_json::Value;

use crate::{
    encoder::Encoder,
    error::Error,
    file::NewFile,
    header::{Footer, Header},
    limits,
    seal::Seal,
};

/// Most scans that start again because the store compacted changes.
const RESTARTS: u32 = 5;

/// Content of a snapshot beside the tenant's data, and the folder that it is written in.
#[derive(Clone)]
pub struct Plan {
    /// Origin of the data.
    pub header: Header,
    /// Kubernetes objects of the tenant.
    pub objects: Vec<Value>,
    /// Encryption of the file.
    pub seal: Seal,
    /// Folder of the file while it is written.
    pub folder: PathBuf,
}

/// Reason for which a snapshot was not saved; nothing is left of it.
#[derive(Debug, thiserror::Error)]
pub enum SaveError {
    /// The file cannot be written.
    #[error(transparent)]
    File(#[from] Error),
    /// The tenant's data cannot be read.
    #[error(transparent)]
    Store(#[from] datastore::Error),
    /// The store compacted changes again and again before they were read.
    #[error(
        "the datastore compacted changes before they were read, {RESTARTS} times: lengthen the interval of its \
         compaction, or save while the tenant writes less"
    )]
    Compacted,
    /// The store does not say which changes there are up to a revision that it named.
    #[error(
        "the datastore has named revision {goal} and gives changes up to {followed} only: look for a long transaction \
         of the tenant there, then save again"
    )]
    Stalled {
        /// Revision up to which changes were read.
        followed: i64,
        /// Revision that the store named.
        goal: i64,
    },
    /// The store gives pages that cannot be right.
    #[error(transparent)]
    Scan(CopyError),
}

impl From<CopyError> for SaveError {
    fn from(error: CopyError) -> Self {
        match error {
            CopyError::Store(error) => Self::Store(error),
            CopyError::Stalled { followed, goal } => Self::Stalled { followed, goal },
            error => Self::Scan(error),
        }
    }
}

/// Saves what `source` reads; the file is whole, and has no name of its own yet.
pub async fn save(source: &mut dyn Reader, plan: &Plan) -> Result<(NewFile, Footer), SaveError> {
    for _ in 0..=RESTARTS {
        let mut scan = Scan::start(plan, source.revision().await?)?;
        if scan.run(source).await? == End::Reached {
            let (_, footer) = scan.encoder.finish(scan.followed)?;
            return Ok((scan.file, footer));
        }
    }
    Err(SaveError::Compacted)
}

/// Outcome of a scan.
#[derive(PartialEq, Eq)]
enum End {
    /// The file has every key as it was at one revision.
    Reached,
    /// Changes were compacted, so that the scan has to start again.
    Compacted,
}

/// One scan of all keys into one file.
struct Scan {
    file: NewFile,
    encoder: Encoder<BufWriter<File>>,
    /// Revision up to which the file has every change of the keys that were scanned.
    followed: i64,
    /// Changes that were written; whoever reads the file remembers their keys.
    changes: usize,
}

impl Scan {
    fn start(plan: &Plan, followed: i64) -> Result<Self, Error> {
        let file = NewFile::within(&plan.folder)?;
        let mut encoder = Encoder::create(file.writer()?, &plan.header, &plan.seal)?;
        plan.objects
            .iter()
            .try_for_each(|object| encoder.object(object))?;
        Ok(Self {
            file,
            encoder,
            followed,
            changes: 0,
        })
    }

    async fn run(&mut self, source: &mut dyn Reader) -> Result<End, SaveError> {
        let mut cursor = Cursor::Start;
        while cursor != Cursor::End {
            let page = source.page(cursor.after()).await?;
            cursor = cursor.behind(&page, "source")?;
            for record in page.records {
                self.encoder.op(&Op::Put(record))?;
            }
            if self.follow(source, &cursor, page.revision).await? == End::Compacted {
                return Ok(End::Compacted);
            }
        }
        Ok(End::Reached)
    }

    /// Writes the changes up to `goal`, at least, of the keys that were scanned.
    async fn follow(
        &mut self,
        source: &mut dyn Reader,
        cursor: &Cursor,
        goal: i64,
    ) -> Result<End, SaveError> {
        while self.followed < goal {
            let further = changes_until(source, self.followed, goal).await?;
            let Followed::Changes(changes) = further else {
                return Ok(End::Compacted);
            };
            for op in changes.ops.iter().filter(|op| cursor.covers(op.key())) {
                self.encoder.op(op)?;
                self.changes += 1;
            }
            if self.changes > limits::CHANGED {
                return Err(Error::changed().into());
            }
            self.followed = changes.revision;
        }
        Ok(End::Reached)
    }
}
