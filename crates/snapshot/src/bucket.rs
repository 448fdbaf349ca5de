//! Snapshots in object stores: S3 and what speaks its protocol, Google Cloud Storage, Azure Blob Storage.

use std::{
    fs::File,
    io::{Read, Write},
    path::Path as FilePath,
};

use futures::{StreamExt, TryStreamExt, future::ready};
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt, WriteMultipart, path::Path};
use url::Url;

use crate::{
    decoder::{LONGEST_PREAMBLE, preamble},
    encoder::MAGIC,
    error::Error,
    file::SnapshotFile,
    listing::{LISTED, Listed, Listing},
};

/// Bytes of a part of an upload; object stores take 10,000 parts, so that a file may have 160 GB.
const PART: usize = 16 << 20;
/// Parts that are sent at the same time.
const PARTS_AT_ONCE: usize = 2;

/// Most objects whose names are asked for.
const NAMES: usize = 10_000;

/// A snapshot in an object store, or the beginning of the names of several.
pub struct Bucket {
    store: Box<dyn ObjectStore>,
    path: Path,
    url: String,
}

impl Bucket {
    /// Opens `s3://BUCKET/PATH`, `gs://BUCKET/PATH` or `az://CONTAINER/PATH`. Credentials and endpoints are those of
    /// `options`, named as the environment variables of the clouds' own tools (`AWS_ACCESS_KEY_ID`, `AWS_ENDPOINT`,
    /// ...). The network is first used by the first operation.
    pub fn open(
        url: &str,
        options: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, Error> {
        let refused = |reason: String| Error::Location {
            text: url.to_owned(),
            reason,
        };
        let parsed = Url::parse(url).map_err(|error| refused(error.to_string()))?;
        let (store, path) = object_store::parse_url_opts(&parsed, options)
            .map_err(|error| refused(error.to_string()))?;
        Ok(Self {
            store,
            path,
            url: url.to_owned(),
        })
    }

    fn failed(&self, doing: &'static str) -> impl Fn(object_store::Error) -> Error {
        let url = self.url.clone();
        move |source| Error::Bucket {
            url: url.clone(),
            doing,
            source: Box::new(source),
        }
    }

    /// Fails if an object of this name exists.
    pub async fn require_absent(&self) -> Result<(), Error> {
        match self.store.head(&self.path).await {
            Err(object_store::Error::NotFound { .. }) => Ok(()),
            Ok(_) => Err(Error::Location {
                text: self.url.clone(),
                reason: "an object of this name exists; choose another name, or remove it"
                    .to_owned(),
            }),
            Err(error) => Err(self.failed("looking for it")(error)),
        }
    }

    /// Uploads a file in parts; an upload that fails leaves no object.
    pub async fn upload(&self, path: &FilePath) -> Result<(), Error> {
        self.require_absent().await?;
        let mut file = File::open(path).map_err(Error::io("reading the snapshot"))?;
        let upload = self.store.put_multipart(&self.path).await;
        let upload = upload.map_err(self.failed("starting the upload"))?;
        let mut upload = WriteMultipart::new_with_chunk_size(upload, PART);
        if let Err(error) = self.send(&mut file, &mut upload).await {
            // The first error is the one to report; a bucket's own rules remove parts that stay.
            let _ = upload.abort().await;
            return Err(error);
        }
        upload
            .finish()
            .await
            .map_err(self.failed("ending the upload"))?;
        let sent = file
            .metadata()
            .map_err(Error::io("reading the snapshot"))?
            .len();
        let head = self.store.head(&self.path).await;
        let size = head
            .map_err(self.failed("looking for what was uploaded"))?
            .size;
        if size == sent {
            return Ok(());
        }
        Err(Error::Damaged(format!(
            "{size} of {sent} bytes arrived at {}",
            self.url
        )))
    }

    async fn send(&self, file: &mut File, upload: &mut WriteMultipart) -> Result<(), Error> {
        let mut buffer = vec![0; 1 << 20];
        loop {
            let read = file
                .read(&mut buffer)
                .map_err(Error::io("reading the snapshot"))?;
            if read == 0 {
                return Ok(());
            }
            let room = upload.wait_for_capacity(PARTS_AT_ONCE).await;
            room.map_err(self.failed("uploading"))?;
            upload.write(&buffer[..read]);
        }
    }

    /// Downloads the object of at most `most` bytes into a file of mode 0600 that has no name.
    pub async fn download(&self, most: u64) -> Result<SnapshotFile, Error> {
        let found = self.store.get(&self.path).await;
        let found = found.map_err(self.failed("opening it"))?;
        if found.meta.size > most {
            return Err(Error::data(most));
        }
        let writing =
            "writing a temporary file with the snapshot (set TMPDIR to where there is room)";
        let mut file = tempfile::tempfile().map_err(Error::io(writing))?;
        let mut left = found.meta.size;
        let mut parts = found.into_stream();
        while let Some(part) = parts.next().await {
            let part = part.map_err(self.failed("downloading"))?;
            left = left
                .checked_sub(part.len() as u64)
                .ok_or(Error::Truncated)?;
            file.write_all(&part).map_err(Error::io(writing))?;
        }
        if left > 0 {
            return Err(Error::Truncated);
        }
        SnapshotFile::of(file)
    }

    /// Names of the objects directly below this path; at most 10,000 objects are listed.
    pub async fn names(&self) -> Result<Vec<String>, Error> {
        let mut found = self.store.list(Some(&self.path)).take(NAMES);
        let mut names = Vec::new();
        while let Some(object) = found.next().await {
            let object = object.map_err(self.failed("listing"))?;
            let Some(mut rest) = object.location.prefix_match(&self.path) else {
                continue;
            };
            if let (Some(name), None) = (rest.next(), rest.next()) {
                names.push(name.as_ref().to_owned());
            }
        }
        Ok(names)
    }

    /// Removes the object of this name directly below this path.
    pub async fn remove(&self, name: &str) -> Result<(), Error> {
        let removed = self.store.delete(&self.path.clone().join(name)).await;
        removed.map_err(self.failed("removing an object below it"))
    }

    /// The snapshots whose names begin with this path, by name; of at most 1000 objects the first bytes are read. An
    /// object that cannot be read is an entry with its error, and one too short for a snapshot (consoles make empty ones
    /// for folders) is none.
    pub async fn list(&self) -> Result<Listing, Error> {
        let found = self.store.list(Some(&self.path)).take(NAMES);
        let found = found
            .try_filter(|object| ready(object.size > MAGIC.len() as u64))
            .take(LISTED + 1)
            .try_collect::<Vec<_>>();
        let mut found = found.await.map_err(self.failed("listing"))?;
        let more = found.len() > LISTED;
        found.truncate(LISTED);
        found.sort_by(|one, two| one.location.cmp(&two.location));
        let mut entries = Vec::new();
        for object in found {
            entries.extend(self.listed(&object).await);
        }
        Ok(Listing { entries, more })
    }

    async fn listed(&self, object: &ObjectMeta) -> Option<Listed> {
        let range = 0..object.size.min(LONGEST_PREAMBLE);
        let start = self.store.get_range(&object.location, range).await;
        let header = start
            .map_err(self.failed("reading a header"))
            .and_then(|start| preamble(&mut start.as_ref()).map(|(header, _)| header));
        Listed::of(object.location.to_string(), object.size, header)
    }
}

#[cfg(test)]
mod tests;
