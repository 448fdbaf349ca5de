//! Which replica writes? The one that holds the lease, and only as long as it surely does.
//!
//! Every update carries the resource version that was read, so of two replicas that reach for the
//! lease at the same time one is refused. A holder that cannot renew stops writing by its own
//! monotonic clock before another may take over.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::MicroTime,
};
use kube::{
    Api, Client,
    api::{ObjectMeta, PostParams},
};
use tokio::sync::Notify;

use super::clock;

/// Name of the lease, as in the reference.
pub const NAME: &str = "kamaji.clastix.io";

/// A lease that was not renewed for so long may be taken.
const DURATION: Duration = Duration::from_secs(15);
/// A holder that could not renew for so long stops writing.
const RENEW_DEADLINE: Duration = Duration::from_secs(10);
/// Time between two attempts.
const RETRY: Duration = Duration::from_secs(2);

/// Whether this replica may write.
#[derive(Clone, Debug)]
pub struct Leadership {
    until: Arc<Mutex<Option<Instant>>>,
    always: bool,
    changed: Arc<Notify>,
}

impl Leadership {
    /// For an operator that is alone.
    pub fn always() -> Self {
        Self {
            until: Arc::default(),
            always: true,
            changed: Arc::default(),
        }
    }

    /// For an operator that must get the lease first.
    pub fn none() -> Self {
        Self {
            until: Arc::default(),
            always: false,
            changed: Arc::default(),
        }
    }

    /// True as long as nobody else can hold the lease.
    pub fn is_leading(&self) -> bool {
        let until = *self
            .until
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        self.always || until.is_some_and(|at| clock::instant() < at)
    }

    /// Waits until this replica leads.
    pub async fn acquired(&self) {
        while !self.is_leading() {
            self.changed.notified().await;
        }
    }

    fn set(&self, until: Option<Instant>) {
        *self
            .until
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner) = until;
        self.changed.notify_waiters();
        self.changed.notify_one();
    }
}

/// Holds or reaches for the lease; ends when it was held and is lost.
pub async fn keep(client: Client, namespace: &str, identity: &str, leadership: &Leadership) {
    let api: Api<Lease> = Api::namespaced(client, namespace);
    let mut seen: Option<Seen> = None;
    let mut leading = false;
    loop {
        let started = clock::instant();
        let attempt =
            tokio::time::timeout(Duration::from_secs(5), try_once(&api, identity, &mut seen));
        match attempt.await {
            Ok(Ok(true)) => {
                leadership.set(Some(started + RENEW_DEADLINE));
                if !leading {
                    tracing::info!(%identity, "leads");
                }
                leading = true;
            }
            Ok(Ok(false)) if leading => {
                leadership.set(None);
                return;
            }
            Ok(Ok(false)) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the lease could not be read or written"),
            Err(_) => tracing::warn!("the lease could not be read or written within 5 s"),
        }
        if leading && !leadership.is_leading() {
            return;
        }
        tokio::time::sleep(RETRY).await;
    }
}

/// Gives the lease back, so that another replica need not wait for its end.
pub async fn release(client: Client, namespace: &str, identity: &str, leadership: &Leadership) {
    let leading = leadership.is_leading();
    leadership.set(None);
    if !leading {
        return;
    }
    let api: Api<Lease> = Api::namespaced(client, namespace);
    if let Ok(Some(mut lease)) = api.get_opt(NAME).await
        && holder(&lease) == Some(identity)
    {
        if let Some(spec) = &mut lease.spec {
            spec.holder_identity = Some(String::new());
        }
        // Whoever comes next waits for the end of the lease if this fails.
        let _ = api.replace(NAME, &PostParams::default(), &lease).await;
    }
}

/// A version of the lease and since when it is known, by our own clock: clocks of machines differ.
struct Seen {
    version: String,
    since: Instant,
}

async fn try_once(
    api: &Api<Lease>,
    identity: &str,
    seen: &mut Option<Seen>,
) -> Result<bool, kube::Error> {
    let Some(lease) = api.get_opt(NAME).await? else {
        return refused(
            api.create(&PostParams::default(), &fresh(identity, None))
                .await,
        );
    };
    let version = lease.metadata.resource_version.clone().unwrap_or_default();
    if seen.as_ref().is_none_or(|seen| seen.version != version) {
        *seen = Some(Seen {
            version,
            since: clock::instant(),
        });
    }
    let since = seen.as_ref().map_or_else(clock::instant, |seen| seen.since);
    if !may_take(holder(&lease), identity, since.elapsed()) {
        return Ok(false);
    }
    let next = fresh(identity, Some(&lease));
    refused(api.replace(NAME, &PostParams::default(), &next).await)
}

/// A holder renews; an ended or released lease may be taken.
fn may_take(holder: Option<&str>, identity: &str, unchanged: Duration) -> bool {
    match holder {
        None | Some("") => true,
        Some(holder) => holder == identity || unchanged >= DURATION,
    }
}

fn holder(lease: &Lease) -> Option<&str> {
    lease.spec.as_ref()?.holder_identity.as_deref()
}

/// Another replica was faster: that is no error.
fn refused(result: Result<Lease, kube::Error>) -> Result<bool, kube::Error> {
    match result {
        Ok(_) => Ok(true),
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(false),
        Err(error) => Err(error),
    }
}

fn fresh(identity: &str, old: Option<&Lease>) -> Lease {
    let now = MicroTime(clock::now());
    let same = old.filter(|lease| holder(lease) == Some(identity));
    let acquired = same.and_then(|lease| lease.spec.as_ref()?.acquire_time.clone());
    let transitions = old
        .and_then(|lease| lease.spec.as_ref()?.lease_transitions)
        .unwrap_or(0);
    Lease {
        metadata: old.map_or_else(
            || ObjectMeta {
                name: Some(NAME.to_owned()),
                ..ObjectMeta::default()
            },
            |lease| lease.metadata.clone(),
        ),
        spec: Some(LeaseSpec {
            holder_identity: Some(identity.to_owned()),
            lease_duration_seconds: i32::try_from(DURATION.as_secs()).ok(),
            acquire_time: Some(acquired.unwrap_or_else(|| now.clone())),
            renew_time: Some(now),
            lease_transitions: Some(transitions + i32::from(old.is_some() && same.is_none())),
            ..LeaseSpec::default()
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_is_taken_only_when_it_is_free_ours_or_over() {
        let short = Duration::from_secs(3);
        assert!(may_take(None, "a", short));
        assert!(may_take(Some(""), "a", short));
        assert!(may_take(Some("a"), "a", short));
        assert!(!may_take(Some("b"), "a", short));
        assert!(may_take(Some("b"), "a", DURATION));
    }

    #[test]
    fn a_replica_that_never_got_the_lease_does_not_lead() {
        assert!(!Leadership::none().is_leading());
        assert!(Leadership::always().is_leading());
    }

    #[test]
    fn leadership_ends_by_itself() {
        let leadership = Leadership::none();
        leadership.set(Some(clock::instant() + Duration::from_secs(60)));
        assert!(leadership.is_leading());
        leadership.set(Some(clock::instant()));
        assert!(!leadership.is_leading());
    }
}
