//! Restores a snapshot that was checked into a datastore, and compares the two.

use kamaji_datastore::{
    self as datastore,
    transfer::{BATCH_BYTES, BATCH_RECORDS, Op, Reader, Writer},
};

use crate::{
    decoder::{Decoder, Item, Next},
    encryption::EncryptionKey,
    error::Error,
    file::{Checked, SnapshotFile},
    header::Header,
    replay::Replay,
    seal::Keys,
    state::State,
};

/// Reason for which a snapshot was not restored. The target is not to be used, and the same restore may be run again.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The file cannot be read.
    #[error(transparent)]
    File(#[from] Error),
    /// The datastore refuses or cannot be reached.
    #[error(transparent)]
    Store(#[from] datastore::Error),
    /// Values of the snapshot cannot be read below the root of the target.
    #[error(
        "values are encrypted by the {key}, which is bound to keys below {from}, and the target has {to}: no API server \
         could decrypt them; restore into an etcd under the same schema (kine: into any database), or encrypt the \
         tenant's data by aescbc or secretbox before it is saved"
    )]
    Bound {
        /// Key of encryption at rest.
        key: Box<EncryptionKey>,
        /// Root of the snapshot.
        from: String,
        /// Root of the target.
        to: String,
    },
    /// The file is not what was checked.
    #[error(
        "the file was changed while it was restored; restore from a copy that nobody writes to"
    )]
    Changed,
    /// The target does not have what was written to it.
    #[error(
        "the datastore has something else than was written ({0}): something writes there beside the restore; stop it, \
         and restore again"
    )]
    Different(String),
}

/// Refuses a target below whose root no API server could read the values of the snapshot.
pub fn require_readable(checked: &Checked, to: &str) -> Result<(), RestoreError> {
    let Header { root: from, .. } = &checked.header;
    match checked.footer.encryption.bound_to_root() {
        Some(key) if from != to => Err(RestoreError::Bound {
            key: Box::new(key.clone()),
            from: from.clone(),
            to: to.to_owned(),
        }),
        _ => Ok(()),
    }
}

/// A snapshot that is restored.
pub struct Source<'a> {
    /// File that holds the snapshot.
    pub file: &'a SnapshotFile,
    /// Keys that open it.
    pub keys: &'a Keys,
    /// Most bytes after decompression.
    pub data: u64,
    /// Outcome of [`SnapshotFile::check`] with the same `keep`.
    pub checked: Checked,
    /// True for keys that are restored.
    pub keep: &'a dyn Fn(&[u8]) -> bool,
}

/// Writing and reading end of the target, at which no API server of the tenant runs.
pub struct Target {
    /// Writes the tenant's data.
    pub writer: Box<dyn Writer>,
    /// Reads what was written.
    pub reader: Box<dyn Reader>,
    /// Revision that the next write of the tenant has to exceed.
    pub floor: i64,
}

/// Replaces the tenant's data at the target by that of the snapshot; the result is the state of both.
pub async fn restore(source: Source<'_>, mut target: Target) -> Result<State, RestoreError> {
    if target.writer.count().await? > 0 {
        target.writer.clear().await?;
    }
    target.writer.begin(target.floor).await?;
    let mut decoder = source.file.read(source.keys, source.data)?;
    let mut replay = source.checked.order.replay();
    let mut batch = Batch::default();
    let footer = loop {
        let mut take = |op| {
            replay.add(&op);
            batch.push(op);
        };
        match read(&mut decoder, source.keep, &mut take)? {
            Some(footer) => break footer,
            None if batch.is_full() => batch.write(&mut *target.writer).await?,
            None => {}
        }
    };
    if footer != source.checked.footer {
        return Err(RestoreError::Changed);
    }
    batch.write(&mut *target.writer).await?;
    target.writer.finish(target.floor).await?;
    compare(replay, &mut *target.reader).await
}

/// Reads one part; the footer at the end.
fn read<R: std::io::Read>(
    decoder: &mut Decoder<R>,
    keep: &dyn Fn(&[u8]) -> bool,
    take: &mut dyn FnMut(Op),
) -> Result<Option<crate::Footer>, Error> {
    match decoder.read_next()? {
        Next::Item(Item::Op(op)) if keep(op.key()) => take(op),
        Next::Item(_) => {}
        Next::End(footer) => return Ok(Some(footer)),
    }
    Ok(None)
}

async fn compare(replay: Replay, reader: &mut dyn Reader) -> Result<State, RestoreError> {
    let expected = replay.finish();
    let found = state(reader).await?;
    match expected.difference(&found) {
        None => Ok(expected),
        Some(difference) => Err(RestoreError::Different(difference)),
    }
}

/// State of the data that a reader reads while nothing writes there.
pub async fn state(reader: &mut dyn Reader) -> Result<State, datastore::Error> {
    let (mut state, mut after) = (State::default(), None::<Vec<u8>>);
    loop {
        let page = reader.page(after.as_deref()).await?;
        for record in page.records.iter().filter(|record| record.ttl.is_none()) {
            state.add(&record.key, &record.value);
        }
        after = page.records.last().map(|record| record.key.clone());
        if !page.more || after.is_none() {
            return Ok(state);
        }
    }
}

/// Operations that are written together.
#[derive(Default)]
struct Batch {
    ops: Vec<Op>,
    bytes: usize,
}

impl Batch {
    fn push(&mut self, op: Op) {
        self.bytes += op.key().len();
        if let Op::Put(record) = &op {
            self.bytes += record.value.len();
        }
        self.ops.push(op);
    }

    fn is_full(&self) -> bool {
        self.ops.len() >= BATCH_RECORDS || self.bytes >= BATCH_BYTES
    }

    async fn write(&mut self, writer: &mut dyn Writer) -> Result<(), datastore::Error> {
        if !self.ops.is_empty() {
            writer.apply(&self.ops).await?;
        }
        self.ops.clear();
        self.bytes = 0;
        Ok(())
    }
}
