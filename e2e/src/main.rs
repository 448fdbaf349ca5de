//! Brings a testbed up and down.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use kamaji_e2e::layout::Layout;
use kamaji_e2e::step::step;
use kamaji_e2e::testbed::Testbed;
use kamaji_e2e::tools::Tools;

/// A real management cluster, tenants and workers on this machine.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Find or build the binaries and print where they are.
    Tools,
    /// Bring everything up.
    Up,
    /// Remove everything.
    Down,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse().command).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command) -> Result<()> {
    match command {
        Command::Tools => {
            for (name, path) in Tools::all().await?.iter() {
                println!("{name:24} {}", path.display());
            }
        }
        Command::Up => {
            Testbed::up(Layout::from_env()?).await?;
        }
        Command::Down => step("down", Testbed::down(&Layout::from_env()?)).await?,
    }
    Ok(())
}
