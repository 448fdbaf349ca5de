//! `kamaji support-bundle`: objects, events and operator logs for a bug report, without the values of Secrets.

mod archive;
mod collect;
mod redact;

use std::{path::PathBuf, process::ExitCode};

use anyhow::bail;

use crate::{
    access::{Access, AccessFlags},
    failure::exit,
    process::block_on,
    terminal::print,
};

use archive::Archive;

/// Arguments of `kamaji support-bundle`.
#[derive(clap::Args)]
pub struct Arguments {
    /// File that ends with .tar.gz, or folder; neither may exist
    path: PathBuf,
    /// Collect from all namespaces
    #[arg(long, short = 'A')]
    all_namespaces: bool,
    #[command(flatten)]
    access: AccessFlags,
}

/// Collects and writes the bundle.
pub fn run(arguments: &Arguments) -> ExitCode {
    exit(block_on(write(arguments)))
}

async fn write(arguments: &Arguments) -> anyhow::Result<()> {
    let path = &arguments.path;
    if path.symlink_metadata().is_ok() {
        bail!(
            "{} exists: choose another name, or remove it",
            path.display()
        );
    }
    let access = Access::open(&arguments.access).await?;
    let namespace = (!arguments.all_namespaces).then(|| access.namespace());
    let collected = Box::pin(collect::all(&access, namespace)).await?;
    let mut archive = Archive::create(path)?;
    let mut bytes = 0;
    for (name, text) in &collected.files {
        bytes += text.len();
        archive.add(name, text)?;
    }
    archive.finish()?;
    print(&format!(
        "{} has {} files of {bytes} bytes; values of {} Secrets were left out. Read it before you pass it on: names and addresses are in it\n",
        path.display(),
        collected.files.len(),
        collected.secrets
    ))
}
