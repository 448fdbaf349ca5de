//! What is a person told who describes an object? One event a transition.

use kube::{
    Client, Resource,
    runtime::events::{Event, EventType, Recorder, Reporter},
};

use super::lease::Leadership;

/// Publishes events.
#[derive(Clone)]
pub struct Events {
    recorder: Recorder,
    leadership: Leadership,
}

/// What happened.
#[derive(Clone, Debug)]
pub struct EventRecord {
    /// True if a person should do something about it.
    pub warning: bool,
    /// `CamelCase` reason.
    pub reason: String,
    /// Object, cause and next action.
    pub note: String,
}

impl From<kamaji_core::transitions::Event> for EventRecord {
    fn from(event: kamaji_core::transitions::Event) -> Self {
        let kamaji_core::transitions::Event {
            warning,
            reason,
            note,
        } = event;
        Self {
            warning,
            reason,
            note,
        }
    }
}

impl Events {
    /// Events of this operator.
    pub fn new(client: Client, identity: &str, leadership: Leadership) -> Self {
        Self::by("kamaji", (client, identity), leadership)
    }

    /// Events of the controller of that name.
    pub fn by(
        controller: &str,
        (client, identity): (Client, &str),
        leadership: Leadership,
    ) -> Self {
        let reporter = Reporter {
            controller: controller.to_owned(),
            instance: Some(identity.to_owned()),
        };
        Self {
            recorder: Recorder::new(client, reporter),
            leadership,
        }
    }

    /// Tells of `object` what happened. An event that cannot be published is logged, no more.
    pub async fn publish<K: Resource<DynamicType = ()> + Sync>(
        &self,
        object: &K,
        what: EventRecord,
    ) {
        if !self.leadership.is_leading() {
            return;
        }
        let mut note = what.note;
        let mut end = note.len().min(1000);
        while !note.is_char_boundary(end) {
            end -= 1;
        }
        note.truncate(end);
        let event = Event {
            type_: if what.warning {
                EventType::Warning
            } else {
                EventType::Normal
            },
            reason: what.reason,
            note: Some(note),
            action: "Reconcile".to_owned(),
            secondary: None,
        };
        if let Err(error) = self.recorder.publish(&event, &object.object_ref(&())).await {
            tracing::debug!(%error, "an event could not be published");
        }
    }
}
