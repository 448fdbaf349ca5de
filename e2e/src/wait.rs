//! Waiting with a time limit.

use std::future::Future;
use std::time::Duration;

use anyhow::{Result, bail};
use tokio::time::{Instant, sleep};

/// Asks repeatedly until the answer is `Ok`, for at most `limit`; then returns the last error.
pub async fn until<T, F, W>(what: &str, limit: Duration, mut ask: F) -> Result<T>
where
    F: FnMut() -> W,
    W: Future<Output = Result<T>>,
{
    let end = Instant::now() + limit;
    let mut pause = Duration::from_millis(25);
    loop {
        let refusal = match ask().await {
            Ok(answer) => return Ok(answer),
            Err(refusal) => refusal,
        };
        if Instant::now() + pause > end {
            bail!(
                "{what}: not within {} s; at last: {refusal:#}",
                limit.as_secs()
            );
        }
        sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(400));
    }
}
