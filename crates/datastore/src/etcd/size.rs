//! Size of a range of keys, which etcd does not account for: every page is read, at a bounded rate.

use std::time::Duration;

use etcd_client::GetOptions;

use super::client::Etcd;
use super::observed::Range;
use super::paging::PageKeys;
use crate::error::Error;

/// Most keys of a page: a value has at most 1.5 MB, so that the server never builds more than 96 MB for one.
const MOST: usize = 64;
/// Bytes that are read per second, at most.
const RATE: u64 = 4 << 20;
/// Least pause between two pages.
const PAUSE: Duration = Duration::from_millis(20);

impl Etcd {
    /// Bytes of the keys and values in a range. Reads are served by one member alone and hold nobody up.
    pub(super) async fn read_size(&self, range: &Range) -> Result<u64, Error> {
        let doing = format!("reading the size of {range}");
        let options = GetOptions::new().with_serializable();
        let (mut left, mut keys, mut total) = (range.clone(), PageKeys::at_most(MOST), 0);
        loop {
            let (page, size) = self.page((&doing, &left), &options, &mut keys).await?;
            total += size;
            let Some(last) = page.kvs().last().filter(|_| page.more()) else {
                return Ok(total);
            };
            left.start = [last.key(), b"\0"].concat();
            tokio::time::sleep(pause(size)).await;
        }
    }
}

/// Pause after a page of `size` bytes, so that [`RATE`] is kept.
fn pause(size: u64) -> Duration {
    Duration::from_micros(size.saturating_mul(1_000_000) / RATE).max(PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_after_a_page_keeps_the_rate() {
        assert_eq!(pause(0), PAUSE);
        assert_eq!(pause(RATE), Duration::from_secs(1));
        assert!(pause(u64::MAX) > Duration::from_secs(1));
    }
}
