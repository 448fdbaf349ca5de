//! A client that writes through a migration: refused, it reads what is there and goes on.

use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use tokio::sync::watch;

use crate::{
    checker::{Id, State, Write},
    clients::{Attempt, Link, Revisions, Shared, TYPES},
    kit_kine::{CONFLICT, delete, write},
    values::{Random, parse, value},
};

/// Pause between two writes of one client.
const PAUSE: Duration = Duration::from_millis(15);
/// Pause after a refusal.
const RETRY: Duration = Duration::from_millis(50);
/// Error of a request that a change of any role overtook at the etcd: the client of kube-apiserver sends it again at once.
const RACED: &str = "revision of auth store is old";
/// Errors of a request that was given up, and may have been carried out, or be so later.
const TIMED_OUT: [&str; 2] = ["deadline exceeded", "timeout"];
/// Longest time after the stop in which the fate of a write has to be known.
const LAST: Duration = Duration::from_secs(30);

/// What one client wrote.
#[derive(Default)]
pub struct Written {
    pub acknowledged: Vec<Write>,
    /// Writes without an answer that have, or may have, taken place.
    pub open: Vec<(String, State)>,
}

/// A client and what it knows.
struct Client {
    number: u32,
    link: watch::Receiver<Link>,
    shared: Arc<Shared>,
    known: Revisions,
    written: Written,
}

/// Writes until the stop.
pub async fn run(
    (number, seed): (u32, u64),
    link: watch::Receiver<Link>,
    shared: Arc<Shared>,
) -> Written {
    let mut client = Client {
        number,
        link,
        shared,
        known: Revisions::new(),
        written: Written::default(),
    };
    let mut random = Random(seed ^ u64::from(number) << 40);
    for count in 0.. {
        if client.shared.stop.load(Ordering::Relaxed) {
            break;
        }
        Box::pin(client.step(count, &mut random)).await;
        tokio::time::sleep(PAUSE).await;
    }
    client.written
}

impl Client {
    /// Chooses a key: of a few that are rewritten, or a new one. Instances of the CRD have two writers each, as have an
    /// object and its status subresource.
    fn choose(&self, count: u32, random: &mut Random) -> Attempt {
        let kind = usize::try_from(random.below(4)).unwrap();
        let slot = match random.below(3) {
            0 => u64::from(count),
            _ => random.below(4),
        };
        let number = self.number;
        let of_two = number / 2;
        let key = match kind {
            2 => format!("{}default/{of_two}-{}", TYPES[2], slot % 4),
            3 => format!("leases/kube-node-lease/{number}-{slot}"),
            _ if slot % 2 == 0 => format!("{}kube-system/{number}-{slot}", TYPES[kind]),
            _ => format!("{}default/{number}-{slot}", TYPES[kind]),
        };
        let id = Id {
            writer: number,
            number: count,
        };
        let exists = self.known.get(&key).is_some_and(|revision| *revision != 0);
        let deletes = exists && kind != 2 && random.below(5) == 0;
        Attempt {
            key,
            state: (!deletes).then_some(id),
        }
    }

    async fn step(&mut self, count: u32, random: &mut Random) {
        let attempt = self.choose(count, random);
        let link = self.link.borrow().clone();
        let path = format!("{}{}", link.root, attempt.key);
        let known = self.known.get(&attempt.key).copied().unwrap_or(0);
        let gate = Arc::clone(&self.shared.gate);
        let writing = gate.read().await;
        let answer = match attempt.state {
            Some(id) => {
                let client = link.client_for(&attempt.key);
                write(&client, &path, known, &value(id)).await
            }
            None => delete(&link.client_for(&attempt.key), &path, known).await,
        };
        drop(writing);
        match answer {
            Ok(revision) => {
                let created_again = known == 0 && self.known.contains_key(&attempt.key);
                if created_again {
                    self.acknowledge_again(attempt, &link).await;
                } else {
                    self.acknowledged(attempt, revision);
                }
            }
            // At NATS kine answers so, too, if a fence has refused the second message of a deletion, which is one already,
            // and if it has given up a NATS that stands still, which may store the first message after the answer.
            Err(error) if error.contains(CONFLICT) && attempt.state.is_none() => {
                let open = (attempt.key.clone(), attempt.state);
                self.written.open.push(open);
                self.resolve(attempt).await;
            }
            Err(error) if error.contains(CONFLICT) => {
                // Written by the other writer of the key, or by the copy.
                self.shared.conflicts.fetch_add(1, Ordering::Relaxed);
                if let Some((revision, _)) = self.read(&attempt.key).await {
                    self.known.insert(attempt.key, revision);
                }
            }
            Err(error) if error.contains(RACED) => self.resolve(attempt).await,
            Err(error) => {
                self.shared.refused.fetch_add(1, Ordering::Relaxed);
                let timed_out = TIMED_OUT.iter().any(|words| error.contains(words));
                if !attempt.key.starts_with("leases/") {
                    self.shared.refused_beside.lock().unwrap().push(error);
                }
                tokio::time::sleep(RETRY).await;
                // kine gives a NATS that stands still up, and the message that it had sent is stored later.
                if timed_out {
                    let open = (attempt.key.clone(), attempt.state);
                    self.written.open.push(open);
                }
                self.resolve(attempt).await;
            }
        }
    }

    fn acknowledged(&mut self, attempt: Attempt, revision: i64) {
        let Attempt { key, state } = attempt;
        let known = if state.is_some() { revision } else { 0 };
        self.known.insert(key.clone(), known);
        self.written.acknowledged.push(Write {
            key,
            state,
            revision,
        });
        self.shared.acknowledged.fetch_add(1, Ordering::Relaxed);
        let mut pause = self.shared.pause.lock().unwrap();
        pause.1 = pause.1.max(pause.0.elapsed());
        pause.0 = Instant::now();
    }

    /// Records the creation of a key that was there before, which kine answers with a revision that is not the key's.
    async fn acknowledge_again(&mut self, attempt: Attempt, link: &Link) {
        let path = format!("{}{}", link.root, attempt.key);
        let answer = link.client_for(&attempt.key).get(path, None).await;
        let found = answer.as_ref().ok().and_then(|answer| answer.kvs().first());
        match found {
            Some(kv) if Some(parse(&attempt.key, kv.value())) == attempt.state => {
                self.acknowledged(attempt, kv.mod_revision());
            }
            _ => self.written.open.push((attempt.key, attempt.state)),
        }
    }

    /// Finds out whether a write without an answer, or with a refusal, has taken place.
    async fn resolve(&mut self, attempt: Attempt) {
        match self.read(&attempt.key).await {
            Some((revision, found)) => {
                if found == attempt.state {
                    self.written.open.push((attempt.key.clone(), found));
                }
                self.known.insert(attempt.key, revision);
            }
            None => self.written.open.push((attempt.key, attempt.state)),
        }
    }

    /// Revision, 0 for none, and state of a key; `None` if no answer came until well after the stop.
    async fn read(&self, key: &str) -> Option<(i64, State)> {
        let mut since_stop = None;
        loop {
            let link = self.link.borrow().clone();
            let path = format!("{}{key}", link.root);
            if let Ok(answer) = link.client_for(key).get(path, None).await {
                let found = answer.kvs().first();
                return Some(found.map_or((0, None), |kv| {
                    (kv.mod_revision(), Some(parse(key, kv.value())))
                }));
            }
            self.shared.unread.fetch_add(1, Ordering::Relaxed);
            if self.shared.stop.load(Ordering::Relaxed) {
                let since = since_stop.get_or_insert_with(Instant::now);
                if since.elapsed() > LAST {
                    return None;
                }
            }
            tokio::time::sleep(RETRY).await;
        }
    }
}
