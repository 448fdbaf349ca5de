//! How long is something waited for, and what is said when it does not come?

use std::future::Future;
use std::time::Duration;

use anyhow::{Result, bail};
use tokio::time::{Instant, sleep};

/// Asks again and again until the answer is `Ok`, for at most `limit`; then the last error is returned.
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
