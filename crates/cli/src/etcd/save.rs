//! `kamaji etcd save`: writes a snapshot of the whole store to a file or an object store.

use std::path::Path;

use anyhow::{Context, bail};
use k8s_openapi::jiff::Timestamp;
use kamaji_etcd::{layout::Store, save::Source};
use kamaji_snapshot::{NewFile, StreamWriter};

use super::{
    flags::Credentials,
    retention::{Folder, Names},
};
use crate::snapshot::{keys::SealFlags, location::Location};

/// Arguments of `kamaji etcd save`.
#[derive(clap::Args)]
pub struct Arguments {
    /// File, or object in an object store (s3://BUCKET/NAME); neither may exist. One that ends with a slash is a
    /// folder, in which the snapshot is named by store and time
    location: String,
    #[command(flatten)]
    seal: SealFlags,
    /// Snapshots of this store that a folder keeps, the new one included; 0 keeps all
    #[arg(long, default_value_t = 0)]
    keep: usize,
    /// URL of the member to ask, for example https://localhost:2379 behind `kubectl port-forward`; any pod by default
    #[arg(long)]
    endpoint: Option<String>,
    #[command(flatten)]
    credentials: Credentials,
}

/// Saves the store, and removes the snapshots of a folder that are too many then.
pub async fn run(store: &Store, arguments: &Arguments) -> anyhow::Result<()> {
    let seal = arguments.seal.seal()?;
    let source = Source {
        store,
        credentials: &arguments.credentials.credentials,
        endpoint: arguments.endpoint.as_deref(),
    };
    let names = Names {
        store: store.name.clone(),
        fingerprint: source.fingerprint().await?,
    };
    let is_folder = arguments.location.ends_with('/');
    if arguments.keep > 0 && !is_folder {
        bail!("--keep needs a folder: end LOCATION with a slash");
    }
    let name = names.at(Timestamp::now(), seal.encrypts());
    let location = if is_folder {
        format!("{}{name}", arguments.location)
    } else {
        arguments.location.clone()
    };
    let place = Location::parse(&location)?;
    let file = NewFile::within(&place.require_free().await?)?;
    let saved = write(&source, &file, &seal)
        .await
        .with_context(|| format!("saving {}", store.name))?;
    let length = file_length(file.path())?;
    place.put(file).await?;
    println!(
        "{} is saved to {location}: revision {} or later, {} bytes, {length} as written",
        store.name, saved.revision, saved.bytes
    );
    if arguments.keep > 0 {
        let folder = Folder::open(&arguments.location)?;
        let expired = names.expired(&folder.names().await?, &name, arguments.keep);
        remove(&folder, &arguments.location, expired).await?;
    }
    Ok(())
}

/// Removes files of a folder. One that cannot be removed keeps none of the others; its error ends the command.
async fn remove(folder: &Folder, location: &str, names: Vec<String>) -> anyhow::Result<()> {
    let mut outcome = Ok(());
    for name in names {
        match folder.remove(&name).await {
            Ok(()) => println!("{location}{name} is removed"),
            Err(error) => outcome = outcome.and(Err(error)),
        }
    }
    outcome.context("the new snapshot is saved, and an older one stays")
}

/// Streams the snapshot into the file.
async fn write(
    source: &Source<'_>,
    file: &NewFile,
    seal: &kamaji_snapshot::Seal,
) -> anyhow::Result<kamaji_etcd::save::Saved> {
    let mut out = StreamWriter::create(file.writer()?, seal)?;
    let saved = Box::pin(source.save(&mut out)).await?;
    out.finish()?;
    Ok(saved)
}

fn file_length(path: &Path) -> anyhow::Result<u64> {
    let metadata = std::fs::metadata(path);
    Ok(metadata
        .with_context(|| format!("reading {}", path.display()))?
        .len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_that_cannot_be_removed_keeps_none_of_the_others() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        std::fs::create_dir(path.join("one")).unwrap();
        std::fs::write(path.join("two"), "").unwrap();
        let location = format!("{}/", path.display());
        let names = vec!["one".to_owned(), "two".to_owned()];
        let files = Folder::open(&location).unwrap();
        let refused = remove(&files, &location, names).await.unwrap_err();
        assert!(format!("{refused:#}").contains("one"), "{refused:#}");
        assert!(!path.join("two").exists());
    }

    #[tokio::test]
    async fn a_folder_of_the_name_of_a_snapshot_is_no_snapshot() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("one")).unwrap();
        std::fs::write(folder.path().join("two"), "").unwrap();
        let files = Folder::open(&format!("{}/", folder.path().display())).unwrap();
        assert_eq!(files.names().await.unwrap(), ["two"]);
    }
}
