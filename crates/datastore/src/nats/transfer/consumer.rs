//! Messages of a bucket that a consumer of the stream delivers in their order, many for one request.

use std::ops::ControlFlow;
use std::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, Consumer, DeliverPolicy, pull};
use async_nats::jetstream::message::Message;
use futures::StreamExt;
use tokio::time::timeout;

use super::super::session::CALL;
use super::entry::{self, Version};
use super::link::Link;
use super::messages::Passed;
use crate::error::Error;

/// Most messages that are delivered for one request.
const BATCH: usize = 256;
/// Time after which the server deletes a consumer that nobody asks, as that of a call that was dropped.
const IDLE: Duration = Duration::from_secs(30);

/// Messages that a request brought.
struct Delivery {
    messages: Vec<Version>,
    /// Messages that follow them.
    pending: u64,
}

impl Link {
    /// Hands the messages from `passed` to `last` to `take`, in their order, until it breaks off; the message at which it
    /// does is not passed. Ends early, without an error, where the consumer does: `passed` says how far it came.
    pub(super) async fn deliver(
        &self,
        passed: &mut Passed,
        last: u64,
        take: &mut impl FnMut(Version) -> Result<ControlFlow<()>, Error>,
    ) -> Result<ControlFlow<()>, Error> {
        let Some(consumer) = self.consumer(passed.next).await else {
            return Ok(ControlFlow::Continue(()));
        };
        let mut delivered = 0;
        let mut flow = ControlFlow::Continue(());
        while flow.is_continue()
            && passed.next <= last
            && let Some(delivery) = self.delivery(&consumer, &mut delivered).await
        {
            for message in delivery.messages {
                // Numbers that are left out have no message any more.
                let next = message.number.min(last + 1);
                passed.gaps |= next > passed.next;
                passed.next = next;
                if message.number > last {
                    break;
                }
                flow = take(message)?;
                if flow.is_break() {
                    break;
                }
                passed.next += 1;
            }
            if flow.is_continue() && delivery.pending == 0 && passed.next <= last {
                (passed.next, passed.gaps) = (last + 1, true);
            }
        }
        let name = &consumer.cached_info().name;
        let context = self.nats.jetstream(&self.site("reading")).await?;
        // The server deletes it by itself, later.
        let _ = context
            .delete_consumer_from_stream(name, self.stream())
            .await;
        Ok(flow)
    }

    async fn consumer(&self, first: u64) -> Option<Consumer<pull::Config>> {
        let context = self.nats.jetstream(&self.site("reading")).await.ok()?;
        let config = pull::Config {
            deliver_policy: DeliverPolicy::ByStartSequence {
                start_sequence: first,
            },
            ack_policy: AckPolicy::None,
            inactive_threshold: IDLE,
            memory_storage: true,
            num_replicas: 1,
            ..pull::Config::default()
        };
        context
            .create_consumer_on_stream(config, self.stream())
            .await
            .ok()
    }

    /// The next messages, after `delivered` of them; `None` if none came, or another than the next one.
    async fn delivery(
        &self,
        consumer: &Consumer<pull::Config>,
        delivered: &mut u64,
    ) -> Option<Delivery> {
        let request = consumer
            .fetch()
            .max_messages(BATCH)
            .max_bytes(self.delivered);
        let mut batch = request.messages().await.ok()?;
        let mut delivery = Delivery {
            messages: Vec::new(),
            pending: 0,
        };
        // A batch that ends at its bytes ends with an error.
        while let Ok(Some(Ok(message))) = timeout(CALL, batch.next()).await {
            let info = message.info().ok()?;
            *delivered += 1;
            if info.consumer_sequence != *delivered {
                return None;
            }
            delivery.pending = info.pending;
            delivery.messages.push(Version {
                subject: message.subject.to_string(),
                number: info.stream_sequence,
                time: info.published.unix_timestamp(),
                is_removal: is_removal(&message),
                payload: message.payload.to_vec(),
            });
        }
        Some(delivery).filter(|delivery| !delivery.messages.is_empty())
    }
}

/// True for the mark by which a client of NATS deletes a key.
pub(super) fn is_removal(message: &Message) -> bool {
    let operation = message
        .headers
        .as_ref()
        .and_then(|headers| headers.get(entry::OPERATION));
    operation.is_some_and(|operation| entry::is_deletion(operation.as_str()))
}
