//! The binary `kamaji`: reads the command line and runs one subcommand.

mod access;
mod completion;
mod crds;
mod doctor;
mod duration;
mod environment;
mod etcd;
mod failure;
mod kubeconfig_generator;
mod log;
mod manager;
mod process;
mod provider;
mod render;
mod snapshot;
mod support_bundle;
mod tenants;
mod terminal;

use std::{path::Path, process::ExitCode};

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

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
    /// Run the controller of KubeconfigGenerators.
    KubeconfigGenerator(Box<kubeconfig_generator::Arguments>),
    /// Print the CustomResourceDefinitions as one YAML stream.
    Crds,
    /// Print the objects that the operator plans for the given TenantControlPlanes, without a cluster.
    Render(render::Arguments),
    /// Save, verify, list and restore snapshots of single tenants.
    Snapshot(snapshot::Arguments),
    /// Run the parts of the chart's bundled etcd.
    Etcd(Box<etcd::Arguments>),
    #[command(flatten)]
    Tenants(tenants::Command),
    /// Check a management cluster before and after the operator is installed.
    Doctor(doctor::Arguments),
    /// Collect objects, events and operator logs for a bug report, without values of Secrets.
    SupportBundle(support_bundle::Arguments),
    /// Print the script that completes commands in a shell.
    Completion(completion::CompletionArguments),
    /// Write manual pages into a folder.
    Man(completion::ManArguments),
}

/// Command line under the name that it was called by: kubectl runs a plugin as `kubectl-kamaji`.
fn command() -> clap::Command {
    let command = Arguments::command();
    let called = std::env::args_os().next().unwrap_or_default();
    match Path::new(&called).file_stem() {
        Some(name) if name == "kubectl-kamaji" => command.bin_name("kubectl kamaji"),
        _ => command,
    }
}

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::from_arg_matches(&command().get_matches());
    let arguments = arguments.unwrap_or_else(|error| error.exit());
    if matches!(
        arguments.command,
        Command::Manager(_) | Command::Snapshot(_)
    ) {
        environment::require();
    }
    let ended = match arguments.command {
        Command::Manager(arguments) => manager::run(*arguments),
        Command::Provider(arguments) => provider::run(*arguments),
        Command::KubeconfigGenerator(arguments) => kubeconfig_generator::run(*arguments),
        Command::Crds => crds::print(),
        Command::Render(arguments) => render::run(&arguments),
        // Their errors quote what files of other origin say: printed escaped.
        Command::Snapshot(arguments) => return Ok(failure::exit(snapshot::run(arguments))),
        Command::Etcd(arguments) => return Ok(failure::exit(etcd::run(*arguments))),
        Command::Completion(arguments) => completion::completion(&arguments, Arguments::command()),
        Command::Man(arguments) => completion::man(&arguments, Arguments::command()),
        Command::Doctor(arguments) => return Ok(doctor::run(&arguments)),
        Command::SupportBundle(arguments) => return Ok(support_bundle::run(&arguments)),
        Command::Tenants(command) => return Ok(tenants::run(command)),
    };
    ended.map(|()| ExitCode::SUCCESS)
}
