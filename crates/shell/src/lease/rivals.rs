//! [`Rivals`]: operators that lead in other namespaces, of this project or of upstream.
//!
//! A lease separates only the replicas of its own namespace, and two operators would undo each other's work. A lease
//! of another namespace counts only if a cluster administrator granted a ServiceAccount there the rights of an
//! operator, see `vouched`. Leases that tenants create in their namespaces are not read.

use std::time::{Duration, Instant};

use k8s_openapi::{
    api::{coordination::v1::Lease, core::v1::ObjectReference},
    jiff::Timestamp,
};
use kamaji_api::condition::Reason;
use kube::{
    Api, Client,
    runtime::events::{Event, EventType, Recorder, Reporter},
};

use super::record::{DURATION, holder};
use crate::clock;

mod vouched;

/// A lease that was not renewed for this many times its duration is not held any more. Clocks of machines differ.
const PATIENCE: u32 = 4;
/// Time after which the namespaces that count are read again.
const REREAD: Duration = Duration::from_secs(30);

/// An operator that leads in another namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Rival {
    namespace: String,
    holder: String,
}

/// Search for operators that lead in other namespaces, until the first renewals of the own lease.
pub(super) struct Rivals {
    client: Client,
    lease: &'static str,
    namespace: String,
    identity: String,
    vouched: Option<(Instant, Vec<String>)>,
    current: Option<Rival>,
}

impl Rivals {
    /// A search for leases of that name outside that namespace, reported as `identity`.
    pub(super) fn new(
        client: Client,
        lease: &'static str,
        namespace: &str,
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

    /// True if an operator of another namespace leads and this one has to wait. `own` is the lease of the own namespace,
    /// if it exists.
    pub(super) async fn precede(&mut self, own: Option<&Lease>) -> bool {
        match self.find(own).await {
            Ok(found) if found != self.current => {
                self.report(found.as_ref()).await;
                self.current = found;
            }
            Ok(_) => {}
            // The last known answer stays.
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

    /// Reports a transition in the log and as an event of the own lease.
    async fn report(&self, found: Option<&Rival>) {
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
            reason: Reason::AnotherOperatorLeads.as_str().to_owned(),
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

/// The holder of the lease that was acquired first, if that is outside the namespace `own`. Of two that were acquired at
/// the same time the namespace that sorts first counts, so that both operators agree. A lease without a time of
/// acquisition and of renewal does not count.
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
mod tests;
