//! Saves a tenant that goes on writing: a scan of the latest state, followed by the changes of the keys that were
//! scanned. No revision of the store is held, and memory is bounded by a page and a batch of changes.

use std::{fs::File, io::BufWriter, path::PathBuf, time::Duration};

use kamaji_datastore::{
    self as datastore,
    transfer::{Followed, Op, Reader},
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
/// Pause while the store does not give the changes up to a revision that it named.
const PAUSE: Duration = Duration::from_millis(100);
/// Most pauses, one after the other.
const PAUSES: u32 = 100;

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

/// Keys that were scanned.
enum Cursor {
    At(Vec<u8>),
    End,
}

impl Cursor {
    fn covers(&self, key: &[u8]) -> bool {
        match self {
            Self::At(last) => key <= last.as_slice(),
            Self::End => true,
        }
    }
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
        let mut after: Option<Vec<u8>> = None;
        loop {
            let page = source.page(after.as_deref()).await?;
            let last = page.records.last().map(|record| record.key.clone());
            for record in page.records {
                self.encoder.op(&Op::Put(record))?;
            }
            let cursor = match last.clone() {
                Some(last) if page.more => Cursor::At(last),
                _ => Cursor::End,
            };
            if self.follow(source, &cursor, page.revision).await? == End::Compacted {
                return Ok(End::Compacted);
            }
            if matches!(cursor, Cursor::End) {
                return Ok(End::Reached);
            }
            after = last;
        }
    }

    /// Writes the changes up to `goal`, at least, of the keys that were scanned.
    async fn follow(
        &mut self,
        source: &mut dyn Reader,
        cursor: &Cursor,
        goal: i64,
    ) -> Result<End, SaveError> {
        let mut pauses = 0;
        while self.followed < goal {
            let followed = self.followed;
            let Followed::Changes(changes) = source.changes(followed).await? else {
                return Ok(End::Compacted);
            };
            if changes.revision <= followed {
                pauses += 1;
                if pauses > PAUSES {
                    return Err(SaveError::Stalled { followed, goal });
                }
                tokio::time::sleep(PAUSE).await;
                continue;
            }
            pauses = 0;
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
