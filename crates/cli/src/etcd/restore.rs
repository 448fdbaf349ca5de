//! `kamaji etcd verify`, `restore` and `adopt`: a snapshot of the whole store is checked, opened, and taken over once
//! `etcdutl snapshot restore` has made a member's data of it.

use std::{
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use anyhow::Context;
use kamaji_etcd::{
    image::Checked,
    layout::Store,
    restore::{DataDir, adopt as take_over},
};
use kamaji_snapshot::NewFile;

use super::flags::DATA_DIR;
use crate::snapshot::{keys::KeyFlags, location::Location};

/// Arguments of `kamaji etcd verify`.
#[derive(clap::Args)]
pub struct VerifyArguments {
    /// File, or object in an object store (s3://BUCKET/NAME)
    location: String,
    #[command(flatten)]
    keys: KeyFlags,
}

/// Arguments of `kamaji etcd restore`.
#[derive(clap::Args)]
pub struct RestoreArguments {
    /// File, or object in an object store (s3://BUCKET/NAME)
    location: String,
    /// File that the snapshot is written to, without encryption, in etcd's own form; none of that name may exist
    #[arg(long)]
    to: PathBuf,
    /// Folder of the first member's data, which has to have none
    #[arg(long, default_value = DATA_DIR)]
    data_dir: PathBuf,
    #[command(flatten)]
    keys: KeyFlags,
}

/// Arguments of `kamaji etcd adopt`.
#[derive(clap::Args)]
pub struct AdoptArguments {
    /// Folder of the first member's data, below which `etcdutl snapshot restore` has made the folder `restoring`
    #[arg(long, default_value = DATA_DIR)]
    data_dir: PathBuf,
    /// Name of this restore; data of members that are not of it do not start any more
    #[arg(long)]
    restore: String,
}

/// Reads a whole snapshot and checks it.
pub async fn verify(arguments: &VerifyArguments) -> anyhow::Result<()> {
    let bytes = copy(&arguments.location, &arguments.keys, io::sink()).await?;
    println!(
        "{} is whole: {bytes} bytes without encryption",
        arguments.location
    );
    Ok(())
}

/// Opens a snapshot for `etcdutl snapshot restore`. Nothing is written where there are data, and a snapshot that is not
/// whole leaves no file.
pub async fn restore(arguments: &RestoreArguments) -> anyhow::Result<()> {
    DataDir(&arguments.data_dir).require_empty()?;
    let file = NewFile::beside(&arguments.to)?;
    let bytes = copy(&arguments.location, &arguments.keys, file.writer()?).await?;
    file.commit(&arguments.to)?;
    println!(
        "{} is whole: {bytes} bytes are in {}",
        arguments.location,
        arguments.to.display()
    );
    Ok(())
}

/// Records the restore and gives the data their place.
pub async fn adopt(store: &Store, arguments: &AdoptArguments) -> anyhow::Result<()> {
    let data: &Path = &arguments.data_dir;
    take_over(store, &DataDir(data), &arguments.restore).await?;
    println!(
        "{} has its restored data: scale the StatefulSet {} up",
        store.pod(0),
        store.name
    );
    Ok(())
}

/// Copies a snapshot and checks it; returns its bytes.
async fn copy(location: &str, keys: &KeyFlags, out: impl Write) -> anyhow::Result<u64> {
    let opened = keys.keys()?;
    let name = || location.to_owned();
    let file = Location::parse(location)?.open(keys.max_data).await?;
    let mut out = Checked::new(BufWriter::new(out));
    let mut stream = file.stream(&opened, keys.max_data).with_context(name)?;
    stream
        .copy(&mut out, "writing the snapshot")
        .with_context(name)?;
    let (mut out, bytes) = out.finish().with_context(name)?;
    out.flush().context("writing the snapshot")?;
    Ok(bytes)
}
