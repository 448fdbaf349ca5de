//! `kamaji completion` and `kamaji man`: scripts and pages made from the definition of the command line.

use std::path::PathBuf;

use anyhow::Context;
use clap_complete::Shell;

use crate::terminal::print;

/// Arguments of `kamaji completion`.
#[derive(clap::Args)]
pub struct CompletionArguments {
    /// Shell that the script is for
    shell: Shell,
}

/// Arguments of `kamaji man`.
#[derive(clap::Args)]
pub struct ManArguments {
    /// Folder that the pages are written to
    folder: PathBuf,
}

/// Prints the script that completes `kamaji` in a shell.
pub fn completion(
    arguments: &CompletionArguments,
    mut command: clap::Command,
) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut command, "kamaji", &mut script);
    print(&String::from_utf8(script).context("the script is not text")?)
}

/// Writes one manual page for each command into a folder that exists or is made.
pub fn man(arguments: &ManArguments, command: clap::Command) -> anyhow::Result<()> {
    let folder = &arguments.folder;
    let written =
        std::fs::create_dir_all(folder).and_then(|()| clap_mangen::generate_to(command, folder));
    written.with_context(|| format!("writing manual pages to {}", folder.display()))
}
