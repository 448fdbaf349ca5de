//! Progress of a testbed, printed for people who wait for it.

use std::future::Future;
use std::io::Write as _;
use std::time::Instant;

use anyhow::{Context, Result};

/// Runs a part of the work; prints its title, its result and its duration.
pub async fn step<T>(title: &str, work: impl Future<Output = Result<T>>) -> Result<T> {
    let begin = Instant::now();
    print!("  {title} ... ");
    let _ = std::io::stdout().flush();
    let result = work.await;
    let seconds = begin.elapsed().as_secs_f32();
    println!(
        "{} {seconds:.1} s",
        if result.is_ok() { "ok" } else { "FAILED after" }
    );
    result.with_context(|| title.to_string())
}
