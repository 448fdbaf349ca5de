//! Operators that lead in other namespaces, ours or one of upstream. A lease keeps apart only those of its
//! own namespace, and two operators would undo each other's work.
//!
//! Only a lease that a cluster administrator vouches for counts: see `vouched`. What others may create in
//! namespaces of their own neither stops this operator nor costs it a request.

use std::time::{Duration, Instant};

use k8s_openapi::{
    api::{coordination::v1::Lease, core::v1::ObjectReference},
    jiff::Timestamp,
};
use kube::{
    Api, Client,
    runtime::events::{Event, EventType, Recorder, Reporter},
};

use super::{super::clock, DURATION, holder};

mod vouched;

/// A lease that was not renewed for so many times its duration is nobody's: clocks of machines differ.
const PATIENCE: u32 = 4;
/// Which namespaces count is read anew after this.
const REREAD: Duration = Duration::from_secs(30);

/// An operator that leads in another namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Rival {
    namespace: String,
    holder: String,
}

/// The search for such operators, before the first renewals of a lease.
pub(super) struct Rivals {
    client: Client,
    lease: &'static str,
    namespace: String,
    identity: String,
    vouched: Option<(Instant, Vec<String>)>,
    current: Option<Rival>,
}

impl Rivals {
    /// Those whose lease has that name and is outside that namespace.
    pub(super) fn new(
        client: Client,
        (lease, namespace): (&'static str, &str),
        identity: &str,
    ) -> Self {
        Self {
            client,
            lease,
            namespace: namespace.to_owned(),
            identity: identity.to_owned(),
            vouched: None,
            current: None,
        }
    }

    /// Whether there is one; `own` is the lease that we hold or would take.
    pub(super) async fn must_be_waited_for(&mut self, own: Option<&Lease>) -> bool {
        match self.find(own).await {
            Ok(found) if found != self.current => {
                self.tell(found.as_ref()).await;
                self.current = found;
            }
            Ok(_) => {}
            // What was known last holds on.
            Err(error) => tracing::warn!(
                %error,
                "whether an operator leads in another namespace is not known: let this one list \
                 clusterrolebindings, get clusterroles and get leases named {} everywhere",
                self.lease
            ),
        }
        self.current.is_some()
    }

    async fn find(&mut self, own: Option<&Lease>) -> Result<Option<Rival>, kube::Error> {
        let now = clock::instant();
        let namespaces = match self.vouched.take() {
            Some((read, found)) if now.duration_since(read) < REREAD => (read, found),
            _ => (now, vouched::namespaces(&self.client).await?),
        };
        let mut leases: Vec<Lease> = own.cloned().into_iter().collect();
        for namespace in namespaces.1.iter().filter(|n| **n != self.namespace) {
            let api: Api<Lease> = Api::namespaced(self.client.clone(), namespace);
            leases.extend(api.get_opt(self.lease).await?);
        }
        self.vouched = Some(namespaces);
        Ok(held_elsewhere(&leases, &self.namespace, clock::now()))
    }

    /// Once a transition, in the log and as an event of our own lease.
    async fn tell(&self, found: Option<&Rival>) {
        let Some(Rival { namespace, holder }) = found else {
            tracing::info!("no operator leads in another namespace any more");
            return;
        };
        let note = format!(
            "Lease {namespace}/{} is held by {holder}, an operator with rights on all TenantControlPlanes; this \
             one waits, since both would undo each other's work: remove one of the two",
            self.lease
        );
        tracing::warn!(%namespace, %holder, "{note}");
        let reporter = Reporter {
            controller: "kamaji".to_owned(),
            instance: Some(self.identity.clone()),
        };
        let event = Event {
            type_: EventType::Warning,
            reason: "AnotherOperatorLeads".to_owned(),
            note: Some(note.chars().take(1000).collect()),
            action: "Elect".to_owned(),
            secondary: None,
        };
        let lease = ObjectReference {
            api_version: Some("coordination.k8s.io/v1".to_owned()),
            kind: Some("Lease".to_owned()),
            name: Some(self.lease.to_owned()),
            namespace: Some(self.namespace.clone()),
            ..ObjectReference::default()
        };
        let recorder = Recorder::new(self.client.clone(), reporter);
        if let Err(error) = recorder.publish(&event, &lease).await {
            tracing::debug!(%error, "an event could not be published");
        }
    }
}

/// The one that was acquired first; in doubt the one whose namespace comes first, so that two that begin at
/// the same time agree. A lease that does not say when it was acquired and renewed is nobody's.
fn held_elsewhere(leases: &[Lease], own: &str, now: Timestamp) -> Option<Rival> {
    let held = leases.iter().filter_map(|lease| {
        let spec = lease.spec.as_ref()?;
        let (acquired, renewed) = (spec.acquire_time.as_ref()?.0, spec.renew_time.as_ref()?.0);
        let namespace = lease.metadata.namespace.as_deref()?;
        let holder = holder(lease).filter(|holder| !holder.is_empty())?;
        let fresh = now.duration_since(renewed).unsigned_abs() < DURATION * PATIENCE;
        (fresh && acquired <= renewed).then_some((acquired, namespace, holder))
    });
    let (_, namespace, holder) = held.min()?;
    (namespace != own).then(|| Rival {
        namespace: namespace.to_owned(),
        holder: holder.to_owned(),
    })
}

#[cfg(test)]
#[path = "rivals_tests.rs"]
mod tests;
