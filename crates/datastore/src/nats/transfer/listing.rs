//! Keys of a bucket in their order. A stream has them in that of their last changes, and under other names, so that they
//! are listed, without their values, and a bounded window of them is kept and follows the changes.

use std::collections::BTreeSet;
use std::time::Duration;

use async_nats::jetstream::consumer::{DeliverPolicy, pull::OrderedConfig};
use async_nats::jetstream::message::Message;
use futures::StreamExt;
use tokio::time::timeout;

use super::super::session::CALL;
use super::consumer::is_removal;
use super::keys;
use super::link::Link;
use crate::error::Error;

/// Most bytes of the keys that a window keeps.
const BYTES: usize = 16 << 20;
/// Bytes that a key takes in memory beside its own.
const OVERHEAD: usize = 48;
/// Changes after which a new listing is quicker than following them.
const STALE: u64 = 20_000;
/// Time limit of the next message of a listing.
const PATIENCE: Duration = CALL;

/// Keys of the bucket between two bounds, as of one message.
#[derive(Debug, Default)]
pub(super) struct Window {
    /// Key after which the window begins.
    from: Option<Vec<u8>>,
    /// Last key of the window; `None` if it reaches to the end.
    until: Option<Vec<u8>>,
    keys: BTreeSet<Vec<u8>>,
    bytes: usize,
    /// Number of the message up to which changes were followed.
    pub(super) followed: u64,
}

impl Window {
    /// An empty window from a key on, which is to be filled as of the message `followed`.
    fn after(from: Option<&[u8]>, followed: u64) -> Self {
        Self {
            from: from.map(<[u8]>::to_vec),
            followed,
            ..Self::default()
        }
    }

    /// True if the keys after `after` are in the window and few changes were made since.
    pub(super) fn serves(&self, after: Option<&[u8]>, last: u64) -> bool {
        let begins = self.from.as_deref() <= after;
        let reaches = self.until.is_none() || after < self.until.as_deref();
        begins && reaches && last.saturating_sub(self.followed) <= STALE
    }

    /// Takes a key that was written, or was deleted.
    pub(super) fn change(&mut self, key: &[u8], exists: bool) {
        let before = self.from.as_deref().is_some_and(|from| key <= from);
        let behind = self.until.as_deref().is_some_and(|until| key > until);
        if before || behind {
            return;
        }
        if !exists {
            if self.keys.remove(key) {
                self.bytes -= key.len() + OVERHEAD;
            }
        } else if self.keys.insert(key.to_vec()) {
            self.bytes += key.len() + OVERHEAD;
            self.shrink(BYTES);
        }
    }

    fn shrink(&mut self, most: usize) {
        while self.bytes > most && self.keys.len() > 1 {
            let Some(last) = self.keys.pop_last() else {
                return;
            };
            self.bytes -= last.len() + OVERHEAD;
            self.until = self.keys.last().cloned();
        }
    }

    /// The keys after `after`, in their order.
    pub(super) fn keys(&self, after: Option<&[u8]>) -> impl Iterator<Item = &Vec<u8>> {
        use std::ops::Bound::{Excluded, Unbounded};
        let start = after.map_or(Unbounded, Excluded);
        self.keys.range::<[u8], _>((start, Unbounded))
    }

    /// Last key of the window; `None` if it reaches to the end.
    pub(super) fn until(&self) -> Option<&Vec<u8>> {
        self.until.as_ref()
    }
}

impl Link {
    /// The first keys after `after`.
    pub(super) async fn window(&self, after: Option<&[u8]>) -> Result<Window, Error> {
        let mut window = Window::after(after, self.last().await?);
        let goal = window.followed;
        self.list(goal, |key, exists| window.change(key, exists))
            .await?;
        Ok(window)
    }

    /// Number of keys that were not deleted.
    pub(super) async fn count(&self) -> Result<u64, Error> {
        let mut count = 0;
        let goal = self.last().await?;
        self.list(goal, |_, exists| count += u64::from(exists))
            .await?;
        Ok(count)
    }

    /// Hands each key with its last change up to the message `goal`, at least, to `take`.
    async fn list(&self, goal: u64, mut take: impl FnMut(&[u8], bool)) -> Result<(), Error> {
        let context = self
            .nats
            .jetstream(&self.site("listing the keys of"))
            .await?;
        let failed = |cause: String| Error::Unreachable {
            site: self.site("listing the keys of"),
            cause,
        };
        let stream = context.get_stream_no_info(self.stream()).await;
        let stream = stream.map_err(|error| failed(error.to_string()))?;
        let config = OrderedConfig {
            filter_subject: keys::all(self.bucket()),
            headers_only: true,
            deliver_policy: DeliverPolicy::LastPerSubject,
            ..OrderedConfig::default()
        };
        let consumer = stream.create_consumer(config).await;
        let consumer = consumer.map_err(|error| failed(error.to_string()))?;
        let about = consumer.cached_info();
        let (name, mut left) = (about.name.clone(), about.num_pending);
        let mut messages = consumer
            .messages()
            .await
            .map_err(|error| failed(error.to_string()))?;
        while left > 0 {
            let next = timeout(PATIENCE, messages.next()).await;
            let next =
                next.map_err(|_| failed(format!("no key came within {} s", PATIENCE.as_secs())))?;
            let message = next.ok_or_else(|| failed("the list ended early".to_owned()))?;
            let message = message.map_err(|error| failed(error.to_string()))?;
            let (number, pending) = place_of(&message).map_err(&failed)?;
            let key = keys::key_of(self.bucket(), &message.subject);
            let key = key.map_err(|flaw| self.unsupported("reading", flaw))?;
            if let Some(key) = key {
                take(&key, !is_removal(&message));
            }
            left = if number >= goal { 0 } else { pending };
        }
        drop(messages);
        // The server deletes it by itself, later.
        let _ = stream.delete_consumer(&name).await;
        Ok(())
    }
}

/// Number of a message in the stream, and number of those that follow.
fn place_of(message: &Message) -> Result<(u64, u64), String> {
    let info = message.info().map_err(|error| error.to_string())?;
    Ok((info.stream_sequence, info.pending))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(window: &Window, after: Option<&[u8]>) -> Vec<u8> {
        window.keys(after).map(|key| key[0]).collect()
    }

    #[test]
    fn a_window_keeps_the_first_keys_that_fit_and_says_where_it_ends() {
        let mut window = Window::after(Some(b"b"), 7);
        for key in [b"a", b"b", b"e", b"c", b"d", b"d"] {
            window.change(key, true);
        }
        assert_eq!(
            (keys(&window, None), window.until()),
            (b"cde".to_vec(), None)
        );
        window.shrink(2 * (OVERHEAD + 1));
        assert_eq!(keys(&window, Some(b"c")), b"d");
        assert_eq!(window.until(), Some(&b"d".to_vec()));
        window.change(b"e", true);
        window.change(b"c", false);
        assert_eq!(
            (keys(&window, None), window.bytes),
            (b"d".to_vec(), OVERHEAD + 1)
        );
    }

    #[test]
    fn a_window_serves_what_lies_in_it_and_is_not_stale() {
        let mut window = Window::after(Some(b"b"), 7);
        for key in [b"c", b"d"] {
            window.change(key, true);
        }
        assert!(window.serves(Some(b"b"), 7) && window.serves(Some(b"x"), 7 + STALE));
        assert!(!window.serves(None, 7) && !window.serves(Some(b"b"), 8 + STALE));
        window.shrink(OVERHEAD + 1);
        assert!(window.serves(Some(b"b"), 7) && !window.serves(Some(b"c"), 7));
    }
}
