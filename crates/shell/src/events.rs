//! [`Events`]: publishes Kubernetes events about objects, one for each transition.

use kube::{
    Client, Resource,
    runtime::events::{Event, EventType, Recorder, Reporter},
};

use super::lease::Leadership;

/// Publisher of events of one controller, silent while this replica does not lead.
#[derive(Clone)]
pub struct Events {
    recorder: Recorder,
    leadership: Leadership,
}

/// Content of an event.
#[derive(Clone, Debug)]
pub struct EventRecord {
    /// True for type Warning: a person should act. False for type Normal.
    pub warning: bool,
    /// Reason of the event, in `CamelCase`.
    pub reason: String,
    /// Message with object, cause and next action; cut after 1000 bytes.
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
    /// A publisher of the operator's events, as controller `kamaji`.
    pub fn new(client: Client, identity: &str, leadership: Leadership) -> Self {
        Self::by("kamaji", client, identity, leadership)
    }

    /// A publisher of the events of that controller.
    pub fn by(controller: &str, client: Client, identity: &str, leadership: Leadership) -> Self {
        let reporter = Reporter {
            controller: controller.to_owned(),
            instance: Some(identity.to_owned()),
        };
        Self {
            recorder: Recorder::new(client, reporter),
            leadership,
        }
    }

    /// Publishes an event about `object`. A failure is logged at level debug only.
    pub async fn publish<K: Resource<DynamicType = ()> + Sync>(
        &self,
        object: &K,
        what: EventRecord,
    ) {
        if !self.leadership.is_leading() {
            return;
        }
        let mut note = what.note;
        note.truncate(note.floor_char_boundary(1000));
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
