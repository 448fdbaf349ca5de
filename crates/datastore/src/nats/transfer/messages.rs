//! Messages of a bucket by their numbers and by their keys.
//!
//! Many that follow each other are delivered in order by a consumer ([`super::consumer`]); the others are asked for one by
//! one, many at the same time. Both come from the stream's leader: a replica may lack what was written last, and would
//! answer as if it had never been.

use std::ops::ControlFlow;

use async_nats::jetstream::{ErrorCode, stream::RawMessage};
use futures::{StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::super::bucket;
use super::super::client::Call;
use super::entry::Version;
use super::link::Link;
use crate::error::Error;

/// Messages from which on a consumer is quicker than single requests.
const MANY: u64 = 64;

/// Numbers without a message, one after the other, after which the next message is searched for.
const MISSING: usize = 128;

/// Numbers that were passed.
pub(super) struct Passed {
    /// First number that was not passed.
    pub(super) next: u64,
    /// True if numbers had no message any more: a later version of their key took its place.
    pub(super) gaps: bool,
}

#[derive(Deserialize)]
struct Found {
    message: RawMessage,
}

impl Link {
    /// Hands the messages from `first` to `last` to `take`, in their order, until it breaks off; the message at which it
    /// does is not passed.
    pub(super) async fn messages(
        &self,
        (first, last): (u64, u64),
        mut take: impl FnMut(Version) -> Result<ControlFlow<()>, Error>,
    ) -> Result<Passed, Error> {
        let mut passed = Passed {
            next: first,
            gaps: false,
        };
        if last.saturating_sub(first) >= MANY
            && self.deliver(&mut passed, last, &mut take).await?.is_break()
        {
            return Ok(passed);
        }
        // All of them, or what the consumer did not deliver.
        while passed.next <= last {
            let numbers = passed.next..=last;
            let asked = numbers.map(|number| self.message(json!({ "seq": number })));
            let mut answers = stream::iter(asked).buffered(self.width);
            let mut missing = 0;
            while missing < MISSING
                && let Some(answer) = answers.try_next().await?
            {
                if let Some(message) = answer {
                    missing = 0;
                    if take(message)?.is_break() {
                        return Ok(passed);
                    }
                } else {
                    missing += 1;
                    passed.gaps = true;
                }
                passed.next += 1;
            }
            drop(answers);
            if missing >= MISSING {
                passed.next = self
                    .next_from(passed.next)
                    .await?
                    .unwrap_or(last + 1)
                    .min(last + 1);
            }
        }
        Ok(passed)
    }

    /// The last message of each of `subjects`, in the same order, until `take` breaks off.
    pub(super) async fn latest(
        &self,
        subjects: Vec<String>,
        mut take: impl FnMut(Option<Version>) -> Result<ControlFlow<()>, Error>,
    ) -> Result<(), Error> {
        let asked = subjects.into_iter();
        let asked = asked.map(|subject| self.message(json!({ "last_by_subj": subject })));
        let mut answers = stream::iter(asked).buffered(self.width);
        while let Some(answer) = answers.try_next().await? {
            if take(answer)?.is_break() {
                break;
            }
        }
        Ok(())
    }

    /// Number of the first message from `number` on.
    async fn next_from(&self, number: u64) -> Result<Option<u64>, Error> {
        let every = bucket::subject(self.bucket(), ">");
        let found = self.message(json!({ "seq": number, "next_by_subj": every }));
        Ok(found.await?.map(|message| message.number))
    }

    async fn message(&self, which: impl Serialize) -> Result<Option<Version>, Error> {
        let verb = format!("STREAM.MSG.GET.{}", self.stream());
        let doing = format!("reading bucket {}", self.bucket());
        let absent = [ErrorCode::NO_MESSAGE_FOUND];
        let found: Option<Found> = self
            .nats
            .api(doing, Call::with(&verb, &which), &absent)
            .await?;
        let found = found.map(|found| Version::try_from(found.message));
        found.transpose().map_err(|cause| Error::Protocol {
            site: self.site("reading"),
            cause,
        })
    }
}
