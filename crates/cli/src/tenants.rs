//! Commands for tenants: `kamaji get`, `wait`, `kubeconfig` and the others of `docs/cli.md`.

mod admin;
mod create;
mod expiry;
mod get;
mod join;
mod kubeconfig;
mod kubeconfig_file;
mod manifest;
mod merge;
mod migrate;
mod pause;
mod preflight;
mod progress;
mod rotate;
mod row;
mod sleep;
mod token;
mod upgrade;
mod version;
mod wait;

use std::process::ExitCode;

use crate::{failure::exit, process::block_on};

/// Subcommands of `kamaji` that read or change tenants.
#[derive(clap::Subcommand)]
pub enum Command {
    /// Print tenants: version, state, endpoint, datastore, age, nearest end of a certificate and size.
    Get(Box<get::Arguments>),
    /// Wait until a tenant is ready, gone or at a version, and print what it waits for.
    Wait(Box<wait::Arguments>),
    /// Print a tenant's kubeconfig, or merge it into the user's file.
    Kubeconfig(Box<kubeconfig::Arguments>),
    /// Make a bootstrap token and print how a worker joins with it.
    Join(Box<join::Arguments>),
    /// Create a tenant from flags.
    Create(Box<create::Arguments>),
    /// Ask for another version of Kubernetes.
    Upgrade(Box<upgrade::Arguments>),
    /// Move the data of a tenant to another DataStore while it runs.
    Migrate(Box<migrate::Arguments>),
    /// Issue certificates and kubeconfigs of a tenant again.
    Rotate(Box<rotate::Arguments>),
    /// Stop the control plane of a tenant; its data stays.
    Sleep(Box<sleep::SleepArguments>),
    /// Start the control plane of a tenant that sleeps.
    Wake(Box<sleep::WakeArguments>),
    /// Have the operator leave a tenant alone.
    Pause(Box<pause::Arguments>),
    /// Have the operator look after a paused tenant again.
    Resume(Box<pause::Arguments>),
}

/// Runs one subcommand to its end, and prints its error.
pub fn run(command: Command) -> ExitCode {
    exit(block_on(async {
        match command {
            Command::Get(arguments) => get::run(&arguments).await,
            Command::Wait(arguments) => Box::pin(wait::run(&arguments)).await,
            Command::Kubeconfig(arguments) => kubeconfig::run(&arguments).await,
            Command::Join(arguments) => Box::pin(join::run(&arguments)).await,
            Command::Create(arguments) => create::run(&arguments).await,
            Command::Upgrade(arguments) => upgrade::run(&arguments).await,
            Command::Migrate(arguments) => Box::pin(migrate::run(&arguments)).await,
            Command::Rotate(arguments) => rotate::run(&arguments).await,
            Command::Sleep(arguments) => sleep::sleep(&arguments).await,
            Command::Wake(arguments) => sleep::wake(&arguments).await,
            Command::Pause(arguments) => pause::pause(&arguments).await,
            Command::Resume(arguments) => pause::resume(&arguments).await,
        }
    }))
}
