//! Bench: the operator's cost for many tenants, beside the baseline that any client must pay.
//!
//! For each number of tenants: a lone API server, an etcd with TLS as DataStore, the operator as a
//! process beside them. Nothing runs pods, so tenants wait once their objects exist. Then the
//! baseline: a bare client writes the same objects. `--testbed` measures [`ready`] as well, and
//! `--clusters` measures [`clusters`]. Figures go to `target/bench/figures.json`.

mod baseline;
mod clusters;
mod environment;
mod figures;
mod operator_process;
mod profile;
mod ready;
mod requests;
mod round;
mod usage;

use std::env;

use anyhow::{Context, Result};
use kamaji_e2e::layout::checkout;
use kamaji_e2e::tools::Tools;

use figures::Figures;
use round::Round;

/// File with the figures, below the checkout.
const FIGURES: &str = "target/bench/figures.json";

/// Numbers of tenants unless `KAMAJI_BENCH_N` lists others.
const NUMBERS: &str = "20,100,500";

#[tokio::main]
async fn main() -> Result<()> {
    let numbers = env::var("KAMAJI_BENCH_N").unwrap_or_else(|_| NUMBERS.into());
    let numbers: Vec<usize> = numbers
        .split(',')
        .filter(|number| !number.is_empty())
        .map(|number| {
            number
                .trim()
                .parse()
                .context("KAMAJI_BENCH_N is a list such as 20,100")
        })
        .collect::<Result<_>>()?;
    let mut figures = Figures::default();
    if env::args().any(|argument| argument == "--testbed") {
        ready::measure(&mut figures).await?;
    }
    if env::args().any(|argument| argument == "--clusters") {
        clusters::measure(&mut figures).await?;
        figures.save(&checkout().join(FIGURES))?;
    }
    let tools = Tools::api_server().await?;
    let kamaji = kamaji_e2e::operator::binary().await?;
    for (index, number) in numbers.iter().enumerate() {
        let is_last = index + 1 == numbers.len();
        let round = Round {
            tools: &tools,
            kamaji: &kamaji,
            number: *number,
            is_last,
        };
        round::measure(&round, &mut figures).await?;
        figures.save(&checkout().join(FIGURES))?;
    }
    figures.print();
    Ok(())
}
