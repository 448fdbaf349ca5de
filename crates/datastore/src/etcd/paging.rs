//! Pages of keys, whose number of keys follows the sizes that a tenant gives to its keys and values.

use etcd_client::{Error as ClientError, GetOptions, GetResponse};

use super::answer::{ANSWER_TOO_LARGE, unless};
use super::client::Etcd;
use super::observed::Range;
use crate::error::Error;

/// Most bytes of one answer. A page that is larger is asked for again with fewer keys.
pub(super) const ANSWER: usize = 16 << 20;
/// Keys of the first page, before their size is known.
const FIRST: usize = 8;
/// Bytes that a page shall have.
const PAGE: u64 = 256 << 10;
/// Most bytes of a key that an error shows.
const SHOWN: usize = 100;

/// The answer, or `None` if it is larger than the client takes.
pub(super) fn unless_too_large<T>(
    answer: Result<T, ClientError>,
) -> Result<Option<T>, ClientError> {
    unless(ANSWER_TOO_LARGE, answer)
}

/// Half of a number of keys whose answer was too large; `None` if it was one key.
pub(super) fn fewer(keys: usize) -> Option<usize> {
    (keys > 1).then_some(keys / 2)
}

/// Number of keys that the next page asks for: more while pages are small, fewer once they are large.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PageKeys {
    next: usize,
    most: usize,
}

impl PageKeys {
    /// Keys of the first page, and at most `most` of a later one.
    pub(super) fn at_most(most: usize) -> Self {
        Self { next: FIRST, most }
    }

    /// Follows a page of `bytes`.
    fn follow(&mut self, bytes: u64) {
        self.next = if bytes > PAGE {
            (self.next / 2).max(1)
        } else {
            (self.next * 2).min(self.most)
        };
    }
}

impl Etcd {
    /// The first keys of a range, as many as fit one answer; and the bytes of them and of their values, which
    /// `options` may leave out. An error if a single key does not fit.
    pub(super) async fn page(
        &self,
        (doing, range): (&str, &Range),
        options: &GetOptions,
        keys: &mut PageKeys,
    ) -> Result<(GetResponse, u64), Error> {
        loop {
            let options = options.clone().with_range(range.end.clone());
            let options = &options.with_limit(i64::try_from(keys.next).unwrap_or(1));
            let read = |client: etcd_client::Client| async move {
                let mut client = client.kv_client().max_decoding_message_size(ANSWER);
                let page = client.get(range.start.clone(), Some(options.clone()));
                unless_too_large(page.await)
            };
            if let Some(page) = self.members.call(doing, read).await? {
                let sizes = page.kvs().iter();
                let sizes = sizes.map(|kv| kv.key().len() + kv.value().len());
                let bytes = u64::try_from(sizes.sum::<usize>()).unwrap_or(u64::MAX);
                keys.follow(bytes);
                return Ok((page, bytes));
            }
            let fewer = fewer(keys.next);
            keys.next = fewer.ok_or_else(|| self.too_large(doing, &range.start))?;
        }
    }

    /// Error of a key that alone is larger than an answer: the first one from `start` on.
    pub(super) fn too_large(&self, doing: &str, start: &[u8]) -> Error {
        let key = start[..start.len().min(SHOWN)].escape_ascii();
        Error::Unsuitable {
            site: self.members.site(doing),
            cause: format!(
                "the first key from {key} on has more than {} MiB with its value, and no larger answer is read",
                ANSWER >> 20
            ),
            remedy: "delete that key with etcdctl, and start this etcd with a smaller --max-request-bytes",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_grow_while_keys_are_small_and_shrink_to_one_key_where_they_are_large() {
        let mut keys = PageKeys::at_most(64);
        for _ in 0..10 {
            keys.follow(1000);
        }
        assert_eq!(keys.next, 64);
        for _ in 0..10 {
            keys.follow(PAGE + 1);
        }
        assert_eq!(keys.next, 1);
    }

    #[test]
    fn keys_of_an_answer_that_is_too_large_are_halved_down_to_one() {
        let halves = std::iter::successors(Some(100), |keys| fewer(*keys));
        assert_eq!(halves.collect::<Vec<_>>(), [100, 50, 25, 12, 6, 3, 1]);
    }
}
