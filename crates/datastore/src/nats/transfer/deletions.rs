//! Deletions of which kine has published the first message alone.
//!
//! kine 0.17.5 deletes a key by an entry that says so, and the mark of NATS behind it. A fence may refuse the second
//! message. Readers take the entry as a deletion, and so does kine; yet it creates such a key never again, since it
//! expects none before it and finds the entry.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use async_nats::{HeaderMap, header::NATS_EXPECTED_LAST_SUBJECT_SEQUENCE};
use serde::de::IgnoredAny;

use super::super::answer;
use super::super::client::Message;
use super::super::records::OVERTAKEN;
use super::entry;
use super::link::Link;
use super::reader::now;
use crate::error::Error;
use crate::transfer::Op;

/// Numbers of the last messages, among which such an entry is searched for: more than kine publishes between the two.
const RECENT: u64 = 4096;
/// Age from which on kine publishes no second message any more, in seconds: it waits 5 s for its own listing.
const GIVEN_UP: i64 = 30;

/// Entries by which keys were deleted and no mark followed: their numbers by their subjects.
pub(in super::super) type HalfDeleted = BTreeMap<String, u64>;

impl Link {
    /// The entries among the last messages; of a bucket that is written, those that kine has given up.
    pub(in super::super) async fn half_deleted(
        &self,
        is_written: bool,
    ) -> Result<HalfDeleted, Error> {
        let last = self.last().await?;
        let first = last.saturating_sub(RECENT).max(1);
        let until = now() - if is_written { GIVEN_UP } else { 0 };
        let mut found = HalfDeleted::new();
        let read = self.messages((first, last), |message| {
            let op = entry::op_of(self.bucket(), &message, 0);
            let deletes = matches!(op, Ok(Some(Op::Delete { .. }))) && !message.is_removal;
            if deletes && message.time <= until {
                found.insert(message.subject, message.number);
            } else {
                found.remove(&message.subject);
            }
            Ok(ControlFlow::Continue(()))
        });
        read.await?;
        Ok(found)
    }

    /// Publishes the marks that are missing, each only if the entry is still the last of its key; true if any was.
    pub(in super::super) async fn complete(&self, deletions: HalfDeleted) -> Result<bool, Error> {
        let mut any = false;
        for (subject, number) in deletions {
            let mut headers = HeaderMap::new();
            headers.insert(entry::OPERATION, entry::DELETE);
            headers.insert(NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, number.to_string());
            let site = self.site("completing the deletion of a key of");
            let mark = Message {
                subject,
                headers: &headers,
                payload: b"",
            };
            if let Some(answer) = self.nats.publish(&site, mark).await? {
                any |= answer::parse::<IgnoredAny>(site, &answer, &OVERTAKEN)?.is_some();
            }
        }
        Ok(any)
    }
}
