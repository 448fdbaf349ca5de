//! Which replica writes? The one that holds the lease, and only as long as it surely does.
//!
//! Every update carries the resource version that was read, so of two replicas that reach for the
//! lease at the same time one is refused. A holder that cannot renew stops writing by its own clocks,
//! the monotonic one or the time of day, before another may take over.

use std::time::{Duration, Instant};

use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::MicroTime,
};
use kube::{
    Api, Client,
    api::{ObjectMeta, PostParams},
};

use super::clock::{self, Moment};

mod leadership;
mod rivals;

use leadership::Held;
pub use leadership::{Gauges, Leadership};
use rivals::Rivals;

/// Name of the lease, as in upstream.
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

/// One replica's part in the election.
struct Candidacy<'a> {
    api: Api<Lease>,
    identity: &'a str,
    leadership: &'a Leadership,
    /// The lease as it was read last.
    seen: Option<Seen>,
    /// Operators of other namespaces, if those count and as long as they can.
    rivals: Option<Rivals>,
    renewals: u32,
}

/// Holds or reaches for the lease; ends when it was held and is lost.
pub async fn keep(client: Client, namespace: &str, identity: &str, leadership: &Leadership) {
    let rivals = || Rivals::new(client.clone(), (leadership.lease, namespace), identity);
    let mut candidacy = Candidacy {
        api: Api::namespaced(client.clone(), namespace),
        identity,
        leadership,
        seen: None,
        rivals: leadership.alone.then(rivals),
        renewals: 0,
    };
    let mut leading = false;
    loop {
        let started = Moment::now();
        let attempt = tokio::time::timeout(ATTEMPT, candidacy.try_once()).await;
        let mut wait = RETRY;
        match attempt {
            Ok(Ok(Attempt::Held)) => {
                leadership.set(Held::Until(started.after(RENEW_DEADLINE)));
                if !leading {
                    tracing::info!(%identity, "leads");
                }
                leading = true;
                candidacy.renewed();
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

impl Candidacy<'_> {
    async fn try_once(&mut self) -> Result<Attempt, kube::Error> {
        let ours = (self.leadership.lease, self.identity);
        let lease = self.api.get_opt(ours.0).await?;
        if let Some(rest) = lease.as_ref().and_then(|lease| self.others(lease)) {
            return Ok(Attempt::Others(rest));
        }
        // Only the replica that would write the lease now asks about other namespaces.
        if let Some(rivals) = &mut self.rivals {
            let waits = rivals.must_be_waited_for(lease.as_ref()).await;
            self.leadership.waits(waits);
            if waits {
                return Ok(Attempt::Others(RETRY));
            }
        }
        let next = fresh(ours, lease.as_ref());
        let params = PostParams::default();
        written(match lease {
            None => self.api.create(&params, &next).await,
            Some(_) => self.api.replace(ours.0, &params, &next).await,
        })
    }

    /// How long it is another's, if it is.
    fn others(&mut self, lease: &Lease) -> Option<Duration> {
        let version = lease.metadata.resource_version.clone().unwrap_or_default();
        let now = clock::instant();
        let since = match &self.seen {
            Some(seen) if seen.version == version => seen.since,
            _ => {
                let since = now;
                self.seen = Some(Seen { version, since });
                now
            }
        };
        others(holder(lease), self.identity, now.duration_since(since))
    }

    /// Two may take theirs at the same time; after a few renewals nobody can believe to be the first.
    fn renewed(&mut self) {
        self.renewals += 1;
        if self.renewals >= SETTLED {
            self.rivals = None;
        }
    }
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
