//! `kamaji doctor`: checks a management cluster before and after the operator is installed.

mod cluster;
mod definitions;
mod finding;
mod operator;
mod rights;
mod stores;
mod webhooks;

use std::process::ExitCode;

use anyhow::bail;

use crate::{
    access::{Access, AccessFlags},
    failure::exit,
    process::block_on,
    terminal::{has_colours, print},
};

use finding::{Finding, Level, table};

/// Arguments of `kamaji doctor`.
#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    access: AccessFlags,
}

/// Runs all checks and prints what they found; the exit code is 1 if one failed.
pub fn run(arguments: &Arguments) -> ExitCode {
    exit(block_on(check(arguments)))
}

async fn check(arguments: &Arguments) -> anyhow::Result<()> {
    let access = Access::open(&arguments.access).await?;
    // Without an answer to this one, no other check says anything.
    let mut findings = cluster::version(&access).await?;
    let checks = [
        ("definitions", definitions::check(&access).await),
        ("operator", operator::check(&access).await),
        ("webhooks", webhooks::check(&access).await),
        ("datastores", stores::check(&access).await),
        ("storage class", cluster::storage_class(&access).await),
        ("load balancer", cluster::load_balancer(&access).await),
        ("rights", rights::check(&access).await),
    ];
    for (what, found) in checks {
        findings.extend(found.unwrap_or_else(|error| {
            vec![Finding::new(Level::Failed, what, &format!("{error:#}"))]
        }));
    }
    print(&table(&findings, has_colours()))?;
    let failed = findings.iter().filter(|finding| finding.has_failed());
    match failed.count() {
        0 => Ok(()),
        number => bail!("{number} checks of {} failed: see above", access.server()),
    }
}
