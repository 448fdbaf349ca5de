//! Leader election by a Lease: the replica that holds it leads, and no other replica writes.
//!
//! Every update carries the resource version that was read, so of two replicas that try to acquire the lease at
//! the same time one is refused. A holder renews every 2 s. One that cannot renew stops leading after 10 s, by the
//! monotonic clock or the time of day, whichever is ahead; another replica may take over after 15 s.

use std::time::{Duration, Instant};

use k8s_openapi::api::coordination::v1::Lease;
use kube::{Api, Client, api::PostParams};

use crate::clock::{self, Moment};

mod leadership;
mod record;
mod rivals;

use leadership::Held;
pub use leadership::{Gauges, Leadership};
pub use record::NAME;
use record::{held_by, holder, rest};
use rivals::Rivals;

/// A holder that could not renew for this long stops leading.
const RENEW_DEADLINE: Duration = Duration::from_secs(10);
/// Time between two attempts.
const RETRY: Duration = Duration::from_secs(2);
/// Renewals after which an operator of another namespace has seen this lease.
const SETTLED: u32 = 4;
/// Longest time of one attempt, in which the lease is read and written.
const ATTEMPT: Duration = Duration::from_secs(5);
/// Shortest time between two attempts.
const PAUSE: Duration = Duration::from_millis(200);

/// Result of one attempt to acquire or renew the lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Attempt {
    /// The lease was acquired or renewed.
    Held,
    /// The lease changed between the read and the write.
    Raced,
    /// Another replica holds the lease, for this long at least.
    Others(Duration),
}

/// State of one replica in the election.
struct Candidacy<'a> {
    api: Api<Lease>,
    identity: &'a str,
    leadership: &'a Leadership,
    /// The version of the lease that was read last.
    seen: Option<Seen>,
    /// Search for operators of other namespaces; `None` if they do not count, or not any more.
    rivals: Option<Rivals>,
    renewals: u32,
}

/// Acquires and renews the lease for `identity`, and keeps `leadership` up to date. Returns when a lease that was held
/// is lost.
pub async fn keep(client: Client, namespace: &str, identity: &str, leadership: &Leadership) {
    let rivals = || Rivals::new(client.clone(), leadership.lease, namespace, identity);
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
                    tracing::info!(%identity, "acquired leadership");
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

/// Ends `leadership` and clears the holder of the lease, so that another replica acquires it at once.
pub async fn release(client: Client, namespace: &str, identity: &str, leadership: &Leadership) {
    let leading = leadership.is_leading();
    leadership.set(Held::No);
    if !leading {
        return;
    }
    let api: Api<Lease> = Api::namespaced(client, namespace);
    let clear = async {
        if let Ok(Some(mut lease)) = api.get_opt(leadership.lease).await
            && holder(&lease) == Some(identity)
        {
            if let Some(spec) = &mut lease.spec {
                spec.holder_identity = Some(String::new());
            }
            // If this fails, the next replica waits until the lease expires.
            let params = PostParams::default();
            let _ = api.replace(leadership.lease, &params, &lease).await;
        }
    };
    // An operator that stops must not wait for an API server that does not answer.
    let _ = tokio::time::timeout(ATTEMPT, clear).await;
}

/// A version of the lease and since when it is known by the own clock, because clocks of machines differ.
struct Seen {
    version: String,
    since: Instant,
}

impl Candidacy<'_> {
    async fn try_once(&mut self) -> Result<Attempt, kube::Error> {
        let name = self.leadership.lease;
        let lease = self.api.get_opt(name).await?;
        if let Some(rest) = lease.as_ref().and_then(|lease| self.rest(lease)) {
            return Ok(Attempt::Others(rest));
        }
        // Only the replica that would write the lease now reads those of other namespaces.
        if let Some(rivals) = &mut self.rivals {
            let waits = rivals.precede(lease.as_ref()).await;
            self.leadership.set_waiting(waits);
            if waits {
                return Ok(Attempt::Others(RETRY));
            }
        }
        let next = held_by(self.identity, name, lease.as_ref());
        let params = PostParams::default();
        written(match lease {
            None => self.api.create(&params, &next).await,
            Some(_) => self.api.replace(name, &params, &next).await,
        })
    }

    /// Time for which another replica holds the lease at least; `None` if it may be taken now.
    fn rest(&mut self, lease: &Lease) -> Option<Duration> {
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
        rest(holder(lease), self.identity, now.duration_since(since))
    }

    /// Counts a renewal, and ends the search for operators of other namespaces after a few: two may acquire their leases
    /// at the same time, but both have seen the other's by then.
    fn renewed(&mut self) {
        self.renewals += 1;
        if self.renewals >= SETTLED {
            self.rivals = None;
        }
    }
}

fn written(result: Result<Lease, kube::Error>) -> Result<Attempt, kube::Error> {
    match result {
        Ok(_) => Ok(Attempt::Held),
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(Attempt::Raced),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests;
