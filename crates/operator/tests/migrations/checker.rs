//! Checks what clients saw of a tenant's data against what they were acknowledged, across migrations.

use std::collections::{BTreeMap, BTreeSet};

/// A value: the client that wrote it, and the number that the client gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Id {
    pub writer: u32,
    pub number: u32,
}

/// State of a key; `None` if it is deleted.
pub type State = Option<Id>;

/// A write that a client was acknowledged.
#[derive(Clone, Debug)]
pub struct Write {
    pub key: String,
    pub state: State,
    pub revision: i64,
}

/// An observation of a client that lists and watches keys.
#[derive(Clone, Debug)]
pub enum Seen {
    /// All its keys.
    List {
        revision: i64,
        keys: BTreeMap<String, Id>,
    },
    /// A change of one key.
    Event {
        revision: i64,
        key: String,
        state: State,
    },
}

/// Events and lists that one client saw of the keys with a prefix, until it had seen all of them.
#[derive(Clone, Debug, Default)]
pub struct Watcher {
    pub prefix: String,
    pub seen: Vec<Seen>,
}

/// Writes of all clients, and events of all watchers.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// Acknowledged writes of each client, in the order of their acknowledgements.
    pub acknowledged: Vec<Vec<Write>>,
    /// Writes without an answer: they may have taken place.
    pub open: BTreeSet<(String, State)>,
    pub watchers: Vec<Watcher>,
}

/// Contradictions to the acknowledgements; none in a sound history.
pub fn check(history: &History) -> Vec<String> {
    let mut problems = Vec::new();
    for writes in &history.acknowledged {
        for pair in writes.windows(2) {
            if pair[1].revision <= pair[0].revision {
                problems.push(format!(
                    "a write was acknowledged at a revision that is no newer than the one before: {pair:?}"
                ));
            }
        }
    }
    let mut keys: BTreeMap<&str, BTreeMap<i64, State>> = BTreeMap::new();
    for write in history.acknowledged.iter().flatten() {
        let states = keys.entry(&write.key).or_default();
        if let Some(other) = states.insert(write.revision, write.state) {
            problems.push(format!("two writes at one revision: {write:?}, {other:?}"));
        }
    }
    let facts = Facts {
        keys,
        open: &history.open,
    };
    for watcher in &history.watchers {
        problems.extend(facts.check(watcher));
    }
    problems
}

/// Acknowledged writes by key and revision, and those without an answer.
struct Facts<'a> {
    keys: BTreeMap<&'a str, BTreeMap<i64, State>>,
    open: &'a BTreeSet<(String, State)>,
}

impl Facts<'_> {
    fn check(&self, watcher: &Watcher) -> Vec<String> {
        let prefix = &watcher.prefix;
        let mut problems = Vec::new();
        // The revision that was seen last, and the events since the last list.
        let (mut last, mut listed, mut events) = (0, 0, BTreeSet::new());
        for seen in &watcher.seen {
            match seen {
                Seen::List { revision, keys } => {
                    problems.extend(self.gaps(prefix, (listed, last), &events));
                    if *revision < last {
                        problems.push(format!(
                            "a list at revision {revision} after revision {last} was seen"
                        ));
                    }
                    problems.extend(self.list(prefix, *revision, keys));
                    (last, listed) = (*revision, *revision);
                    events.clear();
                }
                Seen::Event {
                    revision,
                    key,
                    state,
                } => {
                    if *revision <= last {
                        problems.push(format!(
                            "an event of {key} at revision {revision} after revision {last} was seen"
                        ));
                    }
                    problems.extend(self.event(key, *revision, *state));
                    last = *revision;
                    events.insert((key.as_str(), *revision));
                }
            }
        }
        problems.extend(self.gaps(prefix, (listed, i64::MAX), &events));
        let named = problems
            .iter()
            .map(|problem| format!("{prefix}: {problem}"));
        named.collect()
    }

    /// Acknowledged writes of keys with `prefix`.
    fn of<'b>(
        &'b self,
        prefix: &'b str,
    ) -> impl Iterator<Item = (&'b str, &'b BTreeMap<i64, State>)> {
        let of_prefix = self
            .keys
            .iter()
            .filter(move |(key, _)| key.starts_with(prefix));
        of_prefix.map(|(key, states)| (*key, states))
    }

    /// Acknowledged writes after the revision `listed` and up to `last` that were not among the events.
    fn gaps(
        &self,
        prefix: &str,
        (listed, last): (i64, i64),
        events: &BTreeSet<(&str, i64)>,
    ) -> Vec<String> {
        let mut problems = Vec::new();
        for (key, states) in self.of(prefix) {
            let due = states.keys().filter(|at| (listed + 1..=last).contains(*at));
            for revision in due.filter(|at| !events.contains(&(key, **at))) {
                problems.push(format!(
                    "no event of {key} at revision {revision}, though the list was at {listed}"
                ));
            }
        }
        problems
    }

    fn list(&self, prefix: &str, revision: i64, found: &BTreeMap<String, Id>) -> Vec<String> {
        let mut problems = Vec::new();
        for (key, states) in self.of(prefix) {
            let found = found.get(key).copied();
            let newest = states.range(..=revision).next_back();
            let written = newest.and_then(|(_, state)| *state);
            if found != written && !self.open.contains(&(key.to_owned(), found)) {
                problems.push(format!(
                    "a list at revision {revision} has {found:?} for {key}, and not {newest:?}"
                ));
            }
        }
        for (key, id) in found {
            if !self.keys.contains_key(key.as_str())
                && !self.open.contains(&(key.clone(), Some(*id)))
            {
                problems.push(format!("a list has {id:?} for {key}, which nobody wrote"));
            }
        }
        problems
    }

    fn event(&self, key: &str, revision: i64, state: State) -> Option<String> {
        let states = self.keys.get(key);
        let written = states.and_then(|states| states.get(&revision));
        let known = written == Some(&state) || self.open.contains(&(key.to_owned(), state));
        (!known).then(|| {
            format!("an event at revision {revision} has {state:?} for {key}, and not {written:?}")
        })
    }
}

#[cfg(test)]
mod tests;
