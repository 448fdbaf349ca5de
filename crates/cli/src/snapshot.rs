//! `kamaji snapshot`: saves, verifies, lists and restores snapshots of single tenants. Guarantees and limits are in
//! `docs/snapshots.md`.

mod cluster;
pub mod keys;
mod list;
pub mod location;
mod objects;
mod release;
mod restore;
mod save;
mod sleep;
mod tenant;
mod verify;

use crate::process::block_on;

/// Subcommands of `kamaji snapshot`.
#[derive(clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Save a tenant, which goes on writing, to a file or an object store.
    Save(Box<save::Arguments>),
    /// Check a snapshot, and print what is in it.
    Verify(verify::Arguments),
    /// List the snapshots in a folder or below a name in an object store.
    List(list::Arguments),
    /// Restore a snapshot as the tenant that it is of, or as a clone with keys of its own.
    Restore(Box<restore::Arguments>),
    /// Let a clone go: start its scheduler, controller manager and admission webhooks.
    Release(release::Arguments),
}

/// Runs one subcommand of `kamaji snapshot` to its end.
pub fn run(arguments: Arguments) -> anyhow::Result<()> {
    block_on(async {
        match arguments.command {
            Command::Save(arguments) => Box::pin(save::run(&arguments)).await,
            Command::Verify(arguments) => verify::run(&arguments).await,
            Command::List(arguments) => list::run(&arguments).await,
            Command::Restore(arguments) => Box::pin(restore::run(&arguments)).await,
            Command::Release(arguments) => release::run(&arguments).await,
        }
    })
}
