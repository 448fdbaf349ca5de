//! Waits for changes that a store has announced by a revision.

use std::time::Duration;

use super::ends::{Followed, Reader};
use super::error::CopyError;

/// Pause while the source does not give the changes up to a revision that it named.
const PAUSE: Duration = Duration::from_millis(100);
/// Most pauses, one after the other.
const PAUSES: u32 = 100;

/// Next changes after the revision `followed`, at least one revision further; `source` has named the later revision
/// `goal`. [`CopyError::Stalled`] if it gives no changes for 10 s.
pub async fn changes_until(
    source: &mut dyn Reader,
    followed: i64,
    goal: i64,
) -> Result<Followed, CopyError> {
    for pause in 0..=PAUSES {
        if pause > 0 {
            tokio::time::sleep(PAUSE).await;
        }
        match source.changes(followed).await? {
            Followed::Changes(changes) if changes.revision <= followed => {}
            further => return Ok(further),
        }
    }
    Err(CopyError::Stalled { followed, goal })
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;

    use super::super::ends::{Changes, Page};
    use super::super::record::Record;
    use super::*;
    use crate::error::Error;

    /// A source whose changes go further, by one revision, once they were asked for so many times.
    struct Slow(u32);

    #[async_trait]
    impl Reader for Slow {
        async fn revision(&mut self) -> Result<i64, Error> {
            Ok(9)
        }

        async fn page(&mut self, _: Option<&[u8]>) -> Result<Page, Error> {
            Ok(Page {
                records: Vec::new(),
                revision: 9,
                more: false,
            })
        }

        async fn changes(&mut self, after: i64) -> Result<Followed, Error> {
            self.0 = self.0.saturating_sub(1);
            Ok(Followed::Changes(Changes {
                ops: Vec::new(),
                revision: after + i64::from(self.0 == 0),
            }))
        }

        async fn get(&mut self, keys: &[Vec<u8>]) -> Result<Vec<Option<Record>>, Error> {
            Ok(vec![None; keys.len()])
        }
    }

    #[tokio::test(start_paused = true)]
    async fn changes_that_come_late_are_waited_for() {
        let further = changes_until(&mut Slow(PAUSES), 5, 9).await;
        assert!(matches!(further, Ok(Followed::Changes(changes)) if changes.revision == 6));
    }

    #[tokio::test(start_paused = true)]
    async fn a_source_that_names_a_revision_and_gives_no_changes_is_stalled() {
        let refused = changes_until(&mut Slow(u32::MAX), 5, 9).await;
        let stalled = CopyError::Stalled {
            followed: 5,
            goal: 9,
        };
        assert_eq!(refused, Err(stalled));
    }
}
