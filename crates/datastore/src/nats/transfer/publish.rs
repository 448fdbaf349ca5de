//! Messages that are written to a bucket in their order, each only if the one before it is the last.

use std::collections::VecDeque;
use std::error::Error as _;

use async_nats::jetstream::context::{PublishAckFuture, PublishError, PublishErrorKind};
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::{self, ErrorCode};

use super::super::answer;
use super::super::records::OVERTAKEN;
use super::entry;
use super::link::Link;
use crate::error::Error;

/// Most messages whose acknowledgement is outstanding.
pub(super) const UNACKNOWLEDGED: usize = 256;
/// Most bytes of them, unless one is larger.
const BYTES: usize = 8 << 20;

/// Code by which a server says that the stream takes no message of that size.
const READ_ONLY: ErrorCode = ErrorCode::STREAM_MESSAGE_EXCEEDS_MAXIMUM;

/// A message: the value of a key, or the mark of a deletion.
pub(super) struct Message {
    /// Subject of the key.
    pub(super) subject: String,
    /// Value as kine stores it; `None` deletes the key.
    pub(super) value: Option<Vec<u8>>,
}

/// Reason for which not all messages were written.
pub(super) enum Unwritten {
    /// Somebody else has written, so that the rest is refused.
    Overtaken,
    /// An acknowledgement did not come.
    Lost(String),
    /// Another request with the same messages would not help.
    Failed(Error),
}

impl Link {
    /// Writes `messages` behind the message `last`; returns the number of the last one that was written.
    pub(super) async fn publish(
        &self,
        mut last: u64,
        messages: impl Iterator<Item = Message>,
    ) -> Result<u64, Unwritten> {
        let site = self.site("writing");
        let context = self
            .nats
            .jetstream(&site)
            .await
            .map_err(Unwritten::Failed)?;
        let mut outstanding: VecDeque<(usize, PublishAckFuture)> = VecDeque::new();
        let mut bytes = 0;
        for message in messages {
            let size = message.subject.len() + message.value.as_ref().map_or(0, Vec::len);
            while outstanding.len() >= UNACKNOWLEDGED || (bytes + size > BYTES && bytes > 0) {
                bytes -= self.acknowledged(outstanding.pop_front()).await?;
            }
            let subject = message.subject.clone();
            let sent = context.send_publish(subject, outgoing(message, last)).await;
            let sent = sent.map_err(|error| self.unwritten(size, &error))?;
            outstanding.push_back((size, sent));
            bytes += size;
            last += 1;
        }
        while let Some(one) = outstanding.pop_front() {
            self.acknowledged(Some(one)).await?;
        }
        Ok(last)
    }

    /// Waits for an acknowledgement; returns the size of its message.
    async fn acknowledged(
        &self,
        one: Option<(usize, PublishAckFuture)>,
    ) -> Result<usize, Unwritten> {
        let Some((size, acknowledgement)) = one else {
            return Ok(0);
        };
        match acknowledgement.await {
            Ok(_) => Ok(size),
            Err(error) => Err(self.unwritten(size, &error)),
        }
    }

    fn unwritten(&self, size: usize, error: &PublishError) -> Unwritten {
        let site = self.site("writing");
        let answer = error
            .source()
            .and_then(|source| source.downcast_ref::<jetstream::Error>());
        match (error.kind(), answer) {
            (PublishErrorKind::WrongLastSequence, _) => Unwritten::Overtaken,
            (_, Some(answer)) if OVERTAKEN.contains(&answer.error_code()) => Unwritten::Overtaken,
            (_, Some(answer)) if answer.error_code() == READ_ONLY => {
                Unwritten::Failed(Error::Unsuitable {
                    site,
                    cause: "its stream refuses messages (max_msg_size), as it does for a tenant without the right to \
                            write"
                        .to_owned(),
                    remedy: "let the migration end that has fenced it; the next one corrects the stream",
                })
            }
            (_, Some(answer)) => {
                let (code, words) = (answer.error_code(), answer.to_string());
                Unwritten::Failed(answer::classify(site, code, words))
            }
            (PublishErrorKind::MaxPayloadExceeded, _) => Unwritten::Failed(Error::Unsuitable {
                site,
                cause: format!("an entry of {size} bytes with its key is larger than NATS takes"),
                remedy: "raise max_payload of the server",
            }),
            (PublishErrorKind::StreamNotFound, _) => Unwritten::Failed(Error::Protocol {
                site,
                cause: "the bucket was deleted during the transfer".to_owned(),
            }),
            _ => Unwritten::Lost(error.to_string()),
        }
    }
}

fn outgoing(message: Message, last: u64) -> PublishMessage {
    let publish = PublishMessage::build().expected_last_sequence(last);
    match message.value {
        Some(value) => publish.payload(value.into()),
        None => publish.header(entry::OPERATION, entry::DELETE),
    }
}
