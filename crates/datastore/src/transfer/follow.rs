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
