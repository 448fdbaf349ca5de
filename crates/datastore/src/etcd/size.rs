//! Size of a range of keys, which etcd does not account for: every page is read, at a bounded rate.

use std::time::Duration;

use etcd_client::{Error as ClientError, GetOptions, GetResponse};

use super::client::Etcd;
use super::observed::Range;
use crate::error::Error;

/// Keys of the first page.
const FIRST: i64 = 8;
/// Most keys of a page: a value has at most 1.5 MB, so that the server never builds more than 96 MB for one.
const MOST: i64 = 64;
/// Bytes that a page shall have.
const PAGE: u64 = 256 << 10;
/// Bytes that are read per second, at most.
const RATE: u64 = 4 << 20;
/// Least pause between two pages.
const PAUSE: Duration = Duration::from_millis(20);
/// gRPC's code for an answer that is larger than the client takes, which is 4 MiB.
const OUT_OF_RANGE: i32 = 11;

impl Etcd {
    /// Bytes of the keys and values in a range. Reads are served by one member alone and hold nobody up.
    pub(super) async fn read_size(&self, range: &Range) -> Result<u64, Error> {
        let (mut start, mut limit, mut total) = (range.start.clone(), FIRST, 0);
        loop {
            let Some(page) = self.page((&start, &range.end), limit).await? else {
                if limit == 1 {
                    return Err(Error::Protocol {
                        site: self.members.site(format!("reading the size of {range}")),
                        cause: format!(
                            "the value of the key after {} is larger than 4 MiB",
                            start.escape_ascii()
                        ),
                    });
                }
                limit /= 2;
                continue;
            };
            let sizes = page
                .kvs()
                .iter()
                .map(|kv| kv.key().len() + kv.value().len());
            let size = u64::try_from(sizes.sum::<usize>()).unwrap_or(u64::MAX);
            total += size;
            let Some(last) = page.kvs().last().filter(|_| page.more()) else {
                return Ok(total);
            };
            start = [last.key(), b"\0"].concat();
            limit = next_limit(limit, size);
            tokio::time::sleep(pause(size)).await;
        }
    }

    /// A page of at most `limit` keys; `None` if it is larger than the client takes.
    async fn page(
        &self,
        (start, end): (&[u8], &[u8]),
        limit: i64,
    ) -> Result<Option<GetResponse>, Error> {
        let doing = format!("reading keys from {} on", start.escape_ascii());
        let read = |mut client: etcd_client::Client| async move {
            let options = GetOptions::new().with_range(end).with_limit(limit);
            match client.get(start, Some(options.with_serializable())).await {
                Err(ClientError::GRpcStatus(status))
                    if i32::from(status.code()) == OUT_OF_RANGE =>
                {
                    Ok(None)
                }
                other => other.map(Some),
            }
        };
        self.members.call(doing, read).await
    }
}

/// Keys of the page after one of `limit` keys that had `size` bytes.
fn next_limit(limit: i64, size: u64) -> i64 {
    if size > PAGE {
        (limit / 2).max(1)
    } else {
        (limit * 2).min(MOST)
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
    fn pages_grow_while_values_are_small_and_shrink_to_one_key_where_they_are_large() {
        let mut limit = FIRST;
        for _ in 0..10 {
            limit = next_limit(limit, 1000);
        }
        assert_eq!(limit, MOST);
        for _ in 0..10 {
            limit = next_limit(limit, PAGE + 1);
        }
        assert_eq!(limit, 1);
    }

    #[test]
    fn the_pause_after_a_page_keeps_the_rate() {
        assert_eq!(pause(0), PAUSE);
        assert_eq!(pause(RATE), Duration::from_secs(1));
        assert!(pause(u64::MAX) > Duration::from_secs(1));
    }
}
