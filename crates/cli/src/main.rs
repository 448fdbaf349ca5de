//! The binary `kamaji`: reads the command line and runs one subcommand.

mod crds;
mod duration;
mod log;
mod manager;
mod process;
mod provider;
mod render;
mod snapshot;

use clap::{Parser, Subcommand};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Hosted Kubernetes control planes.
#[derive(Parser)]
#[command(name = "kamaji", version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the operator of TenantControlPlanes and DataStores.
    Manager(Box<manager::Arguments>),
    /// Run the Cluster API control-plane provider.
    Provider(Box<provider::Arguments>),
    /// Print the CustomResourceDefinitions as one YAML stream.
    Crds,
    /// Print the objects that the operator plans for the given TenantControlPlanes, without a cluster.
    Render(render::Arguments),
    /// Save, verify, list and restore snapshots of single tenants.
    Snapshot(snapshot::Arguments),
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().command {
        Command::Manager(arguments) => manager::run(*arguments),
        Command::Provider(arguments) => provider::run(*arguments),
        Command::Crds => crds::print(),
        Command::Render(arguments) => render::run(&arguments),
        Command::Snapshot(arguments) => snapshot::run(arguments),
    }
}
