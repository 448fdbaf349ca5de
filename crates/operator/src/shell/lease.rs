//! Which replica writes? The one that holds the lease, and only as long as it surely does.
//!
//! Every update carries the resource version that was read, so of two replicas that reach for the
//! lease at the same time one is refused. A holder that cannot renew stops writing by its own
//! monotonic clock before another may take over.

use std::{
    sync::Arc,
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
use tokio::sync::watch;

use super::clock;

mod rivals;

/// Name of the lease, as in the reference.
pub const NAME: &str = "kamaji.clastix.io";

/// A lease that was not renewed for so long may be taken.
const DURATION: Duration = Duration::from_secs(15);
/// A holder that could not renew for so long stops writing.
const RENEW_DEADLINE: Duration = Duration::from_secs(10);
/// Time between two attempts.
const RETRY: Duration = Duration::from_secs(2);
/// Renewals after which nobody in another namespace can believe to be the first.
const SETTLED: u32 = 4;
/// Longest attempt.
const ATTEMPT: Duration = Duration::from_secs(5);
/// Least time between two attempts.
const PAUSE: Duration = Duration::from_millis(200);

/// Whether this replica may write.
#[derive(Clone, Debug)]
pub struct Leadership {
    held: Arc<watch::Sender<Held>>,
    lease: &'static str,
    alone: bool,
}

#[derive(Clone, Copy, Debug)]
enum Held {
    Always,
    Until(Instant),
    No,
}

impl Held {
    fn now(self) -> bool {
        match self {
            Self::Always => true,
            Self::Until(at) => clock::instant() < at,
            Self::No => false,
        }
    }
}

impl Leadership {
    /// For an operator that is alone.
    pub fn always() -> Self {
        Self::of(Held::Always)
    }

    /// For an operator that must get the lease first.
    pub fn none() -> Self {
        Self::of(Held::No)
    }

    /// For whoever holds the lease of this name; always, if nobody is elected.
    pub fn elected_by(lease: &'static str, elect: bool) -> Self {
        let leadership = if elect { Self::none() } else { Self::always() };
        Self {
            lease,
            ..leadership
        }
    }

    /// The same, but only as long as nobody holds a lease of that name in another namespace.
    #[must_use]
    pub fn alone_in_the_cluster(self) -> Self {
        Self {
            alone: true,
            ..self
        }
    }

    /// True if there is no lease to hold.
    pub fn is_given(&self) -> bool {
        matches!(*self.held.borrow(), Held::Always)
    }

    fn of(held: Held) -> Self {
        Self {
            held: Arc::new(watch::Sender::new(held)),
            lease: NAME,
            alone: false,
        }
    }

    /// True as long as nobody else can hold the lease.
    pub fn is_leading(&self) -> bool {
        self.held.borrow().now()
    }

    /// Waits until this replica leads.
    pub async fn acquired(&self) {
        let mut changes = self.held.subscribe();
        // The sender lives as long as self.
        let _ = changes.wait_for(|held| held.now()).await;
    }

    /// Waits until this replica does not lead, be it that it was told or that time has passed.
    pub async fn lost(&self) {
        let mut changes = self.held.subscribe();
        loop {
            let held = *changes.borrow_and_update();
            match held {
                Held::Always => std::future::pending().await,
                Held::Until(at) if clock::instant() < at => {
                    tokio::select! {
                        () = clock::sleep_until(at) => {}
                        _ = changes.changed() => {}
                    }
                }
                Held::Until(_) | Held::No => return,
            }
        }
    }

    fn set(&self, held: Held) {
        self.held.send_replace(held);
    }
}

/// What one attempt brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Attempt {
    /// It is ours.
    Held,
    /// It changed while we reached for it.
    Raced,
    /// It is another's, for that long at least.
    Others(Duration),
}

/// Holds or reaches for the lease; ends when it was held and is lost.
pub async fn keep(client: Client, namespace: &str, identity: &str, leadership: &Leadership) {
    let api: Api<Lease> = Api::namespaced(client.clone(), namespace);
    let mut seen: Option<Seen> = None;
    let mut leading = false;
    let mut settled = 0;
    loop {
        let started = clock::instant();
        let once = async {
            // Asked before it is taken, and a few times after: two may take theirs at the same time.
            if leadership.alone && settled < SETTLED {
                let name = (leadership.lease, namespace);
                if let Some((other, holder)) = rivals::find(&client, name).await {
                    tracing::warn!(
                        namespace = %other, %holder,
                        "another operator leads in this namespace; this one waits until it is gone"
                    );
                    return Ok(Attempt::Others(RETRY));
                }
            }
            try_once(&api, (leadership.lease, identity), &mut seen).await
        };
        let attempt = tokio::time::timeout(ATTEMPT, once).await;
        let mut wait = RETRY;
        match attempt {
            Ok(Ok(Attempt::Held)) => {
                leadership.set(Held::Until(started + RENEW_DEADLINE));
                if !leading {
                    tracing::info!(%identity, "leads");
                }
                leading = true;
                settled += 1;
            }
            Ok(Ok(Attempt::Others(_))) if leading => {
                leadership.set(Held::No);
                return;
            }
            Ok(Ok(Attempt::Others(rest))) => wait = rest.clamp(PAUSE, RETRY),
            Ok(Ok(Attempt::Raced)) => wait = clock::jitter(PAUSE, PAUSE * 3),
            Ok(Err(error)) => tracing::warn!(%error, "the lease could not be read or written"),
            Err(_) => tracing::warn!("the lease could not be read or written within {ATTEMPT:?}"),
        }
        if leading && !leadership.is_leading() {
            leadership.set(Held::No);
            return;
        }
        tokio::time::sleep(wait).await;
    }
}

/// Gives the lease back, so that another replica need not wait for its end.
pub async fn release(client: Client, namespace: &str, identity: &str, leadership: &Leadership) {
    let leading = leadership.is_leading();
    leadership.set(Held::No);
    if !leading {
        return;
    }
    let api: Api<Lease> = Api::namespaced(client, namespace);
    let give_back = async {
        if let Ok(Some(mut lease)) = api.get_opt(leadership.lease).await
            && holder(&lease) == Some(identity)
        {
            if let Some(spec) = &mut lease.spec {
                spec.holder_identity = Some(String::new());
            }
            // Whoever comes next waits for the end of the lease if this fails.
            let params = PostParams::default();
            let _ = api.replace(leadership.lease, &params, &lease).await;
        }
    };
    // An operator that ends must not wait for an API server that does not answer.
    let _ = tokio::time::timeout(ATTEMPT, give_back).await;
}

/// A version of the lease and since when it is known, by our own clock: clocks of machines differ.
struct Seen {
    version: String,
    since: Instant,
}

async fn try_once(
    api: &Api<Lease>,
    (name, identity): (&str, &str),
    seen: &mut Option<Seen>,
) -> Result<Attempt, kube::Error> {
    let Some(lease) = api.get_opt(name).await? else {
        let first = fresh((name, identity), None);
        return written(api.create(&PostParams::default(), &first).await);
    };
    let version = lease.metadata.resource_version.clone().unwrap_or_default();
    let now = clock::instant();
    let since = match seen {
        Some(seen) if seen.version == version => seen.since,
        _ => {
            *seen = Some(Seen {
                version,
                since: now,
            });
            now
        }
    };
    if let Some(rest) = others(holder(&lease), identity, now.duration_since(since)) {
        return Ok(Attempt::Others(rest));
    }
    let next = fresh((name, identity), Some(&lease));
    written(api.replace(name, &PostParams::default(), &next).await)
}

/// How long the lease is another's, if it is: a holder renews, and one that is free or over may be
/// taken.
fn others(holder: Option<&str>, identity: &str, unchanged: Duration) -> Option<Duration> {
    match holder {
        None | Some("") => None,
        Some(holder) if holder == identity => None,
        Some(_) => DURATION
            .checked_sub(unchanged)
            .filter(|rest| !rest.is_zero()),
    }
}

fn holder(lease: &Lease) -> Option<&str> {
    lease.spec.as_ref()?.holder_identity.as_deref()
}

fn written(result: Result<Lease, kube::Error>) -> Result<Attempt, kube::Error> {
    match result {
        Ok(_) => Ok(Attempt::Held),
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(Attempt::Raced),
        Err(error) => Err(error),
    }
}

fn fresh((name, identity): (&str, &str), old: Option<&Lease>) -> Lease {
    let now = MicroTime(clock::now());
    let same = old.filter(|lease| holder(lease) == Some(identity));
    let acquired = same.and_then(|lease| lease.spec.as_ref()?.acquire_time.clone());
    let transitions = old
        .and_then(|lease| lease.spec.as_ref()?.lease_transitions)
        .unwrap_or(0);
    Lease {
        metadata: old.map_or_else(
            || ObjectMeta {
                name: Some(name.to_owned()),
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
#[path = "lease_tests.rs"]
mod tests;
