//! Scenarios, run one after another on one testbed.
//!
//! The main function of a test binary without libtest's own: it brings a testbed up, runs the
//! selected scenarios, and takes the testbed down, also after a panic or an interrupt. With
//! `KAMAJI_E2E_KEEP=1` a testbed that is up is used, and left as it is.

use std::env;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Result, anyhow};
use futures::FutureExt;
use futures::future::LocalBoxFuture;

use crate::interrupt::unless_interrupted;
use crate::layout::Layout;
use crate::operator;
use crate::testbed::Testbed;

/// Function of a scenario: takes the testbed, and fails at the first assertion that does not hold.
type Run = Box<dyn Fn(Testbed) -> LocalBoxFuture<'static, Result<()>>>;

/// One scenario: a sentence, and the function that asserts it.
pub struct Scenario {
    name: &'static str,
    needs_operator: bool,
    run: Run,
}

impl Scenario {
    /// A scenario about the testbed itself, without the operator.
    pub fn of_testbed<F, W>(name: &'static str, run: F) -> Self
    where
        F: Fn(Testbed) -> W + 'static,
        W: Future<Output = Result<()>> + 'static,
    {
        Self {
            name,
            needs_operator: false,
            run: Box::new(move |bed| run(bed).boxed_local()),
        }
    }

    /// A scenario about tenants; the operator is deployed, and the DataStore `default` exists.
    pub fn of_tenants<F, W>(name: &'static str, run: F) -> Self
    where
        F: Fn(Testbed) -> W + 'static,
        W: Future<Output = Result<()>> + 'static,
    {
        Self {
            needs_operator: true,
            ..Self::of_testbed(name, run)
        }
    }
}

/// Scenarios that the command line selects, with the options of `cargo test`.
#[derive(Debug, Default, PartialEq, Eq)]
struct Choice {
    filters: Vec<String>,
    skips: Vec<String>,
    exact: bool,
    list: bool,
}

impl Choice {
    fn parse(arguments: impl Iterator<Item = String>) -> Self {
        let mut choice = Self::default();
        let mut arguments = arguments;
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--list" => choice.list = true,
                "--exact" => choice.exact = true,
                "--skip" => choice.skips.extend(arguments.next()),
                // Options of libtest that take a value.
                "--test-threads" | "--color" | "--format" | "-Z" | "--logfile" => {
                    arguments.next();
                }
                option if option.starts_with('-') => {}
                _ => choice.filters.push(argument),
            }
        }
        choice
    }

    fn takes(&self, name: &str) -> bool {
        let matches = |filter: &String| {
            if self.exact {
                filter == name
            } else {
                name.contains(filter.as_str())
            }
        };
        (self.filters.is_empty() || self.filters.iter().any(matches))
            && !self.skips.iter().any(matches)
    }
}

/// Runs the scenarios that the command line selects.
pub fn main(scenarios: Vec<Scenario>) -> ExitCode {
    let choice = Choice::parse(env::args().skip(1));
    let chosen: Vec<Scenario> = scenarios
        .into_iter()
        .filter(|scenario| choice.takes(scenario.name))
        .collect();
    if choice.list {
        for scenario in &chosen {
            println!("{}: test", scenario.name);
        }
        return ExitCode::SUCCESS;
    }
    if chosen.is_empty() {
        println!("0 passed, 0 failed");
        return ExitCode::SUCCESS;
    }
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: no runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(run_all(chosen)) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Brings a testbed up, runs the scenarios, and takes it down; returns the number of failures.
async fn run_all(scenarios: Vec<Scenario>) -> Result<usize> {
    let layout = Layout::from_env()?;
    let keep = Testbed::is_kept();
    let work = Box::pin(AssertUnwindSafe(run_on_testbed(&layout, scenarios, keep)).catch_unwind());
    let failures = unless_interrupted(async {
        work.await
            .unwrap_or_else(|_| Err(anyhow!("the testbed panicked")))
    })
    .await;
    if !matches!(failures, Ok(0)) {
        Testbed::save_logs(&layout)?;
    }
    if !keep {
        Testbed::down(&layout).await?;
    }
    failures
}

/// Runs the scenarios on the testbed that is up, or on a new one; returns the number of failures.
async fn run_on_testbed(layout: &Layout, scenarios: Vec<Scenario>, keep: bool) -> Result<usize> {
    let running = if keep {
        Testbed::running(layout.clone()).await?
    } else {
        None
    };
    let testbed = match running {
        Some(testbed) => testbed,
        None => Testbed::up(layout.clone()).await?,
    };
    let (of_tenants, of_testbed): (Vec<_>, Vec<_>) = scenarios
        .into_iter()
        .partition(|scenario| scenario.needs_operator);
    let (mut passed, mut failures) = (0, Vec::new());
    let deploy = !of_tenants.is_empty();
    for part in [of_testbed, of_tenants] {
        if deploy && part.first().is_some_and(|scenario| scenario.needs_operator) {
            operator::deploy(&testbed).await?;
        }
        for scenario in part {
            match run_one(&testbed, &scenario).await {
                Ok(()) => passed += 1,
                Err(error) => failures.push(format!("{}: {error:#}", scenario.name)),
            }
        }
    }
    // Repeated at the end: CI shows the end of a long log.
    println!("{passed} passed, {} failed", failures.len());
    for failure in &failures {
        println!("FAILED {failure}");
    }
    Ok(failures.len())
}

/// Runs one scenario and prints its result.
async fn run_one(testbed: &Testbed, scenario: &Scenario) -> Result<()> {
    let begin = Instant::now();
    let result = AssertUnwindSafe((scenario.run)(testbed.clone()))
        .catch_unwind()
        .await;
    let result = result.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        Err(anyhow!("panic: {}", text.unwrap_or("of an unknown kind")))
    });
    let seconds = begin.elapsed().as_secs_f32();
    match &result {
        Ok(()) => println!("test {} ... ok ({seconds:.1} s)", scenario.name),
        Err(error) => {
            println!(
                "test {} ... FAILED ({seconds:.1} s)\n  {error:#}",
                scenario.name
            );
            println!("{}", testbed.diagnostics().await);
        }
    }
    result
}

#[cfg(test)]
mod tests;
