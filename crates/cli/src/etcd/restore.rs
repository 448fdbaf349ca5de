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
use kamaji_snapshot::{Keys, NewFile, Proof};

use super::flags::DATA_DIR;
use crate::snapshot::{
    keys::{KeyFlags, warn_if_unproven},
    location::Location,
};

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
    let VerifyArguments { location, keys } = arguments;
    let (bytes, proof) = copy(location, (&keys.keys()?, keys.max_data), io::sink()).await?;
    println!("{location} is whole: {bytes} bytes once opened; it is {proof}");
    Ok(())
}

/// Opens a snapshot for `etcdutl snapshot restore`. Nothing is written where there are data, and a snapshot that is not
/// whole leaves no file.
pub async fn restore(arguments: &RestoreArguments) -> anyhow::Result<()> {
    DataDir(&arguments.data_dir).require_empty()?;
    let keys = arguments.keys.keys_to_restore()?;
    let file = NewFile::beside(&arguments.to)?;
    let keys = (&keys, arguments.keys.max_data);
    let (bytes, proof) = copy(&arguments.location, keys, file.writer()?).await?;
    file.commit(&arguments.to)?;
    println!(
        "{} is whole: {bytes} bytes are in {}; it is {proof}",
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

/// Copies a snapshot of at most `most` bytes and checks it; returns its bytes, and what opening it proves.
async fn copy(
    location: &str,
    (keys, most): (&Keys, u64),
    out: impl Write,
) -> anyhow::Result<(u64, Proof)> {
    let name = || location.to_owned();
    let file = Location::parse(location)?.open(most).await?;
    let mut out = Checked::new(BufWriter::new(out));
    let mut stream = file.stream(keys, most).with_context(name)?;
    warn_if_unproven(location, stream.proof());
    stream
        .copy(&mut out, "writing the snapshot")
        .with_context(name)?;
    let (mut out, bytes) = out.finish().with_context(name)?;
    out.flush().context("writing the snapshot")?;
    Ok((bytes, stream.proof()))
}
