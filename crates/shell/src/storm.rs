//! [`Guard`]: stops write storms. Two field managers that fight for a field would write for ever; the guard notices,
//! refuses further writes for some minutes, and names the field.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use kamaji_core::object::holds;
use serde_json::Value;

use super::lock::lock;

/// Period in which writes are counted.
pub const WINDOW: Duration = Duration::from_mins(1);
/// Writes of one object in [`WINDOW`] after which it is a storm. A tenant that is created, rolled
/// out and rotated writes its busiest object less than half as often.
pub const OBJECT: usize = 20;
/// The same for a status, which follows each pod of a rollout.
pub const STATUS: usize = 120;
/// Time for which an object in a storm is not written.
const PAUSE: Duration = Duration::from_mins(5);

/// Counter of writes by object. Clones share it.
#[derive(Clone, Default)]
pub struct Guard {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    objects: HashMap<String, Recent>,
    swept: Option<Instant>,
}

#[derive(Default)]
struct Recent {
    times: VecDeque<Instant>,
    storm: Option<Storm>,
    last: Option<Arc<Value>>,
}

struct Storm {
    until: Instant,
    /// One write was admitted after the rest, to see whether the storm is over.
    probed: bool,
}

impl Recent {
    /// Counts a write; false if it is refused.
    fn admit(&mut self, limit: usize, now: Instant) -> bool {
        while self
            .times
            .front()
            .is_some_and(|at| now.duration_since(*at) >= WINDOW)
        {
            self.times.pop_front();
        }
        if self
            .storm
            .as_ref()
            .is_some_and(|storm| storm.probed && self.times.is_empty())
        {
            self.storm = None;
        }
        let limit = match &mut self.storm {
            Some(storm) if now < storm.until => return false,
            Some(storm) => {
                storm.probed = true;
                1
            }
            None => limit,
        };
        if self.times.len() >= limit {
            self.storm = Some(Storm {
                until: now + PAUSE,
                probed: false,
            });
            return false;
        }
        self.times.push_back(now);
        true
    }

    fn is_over(&self, now: Instant) -> bool {
        let resting = self
            .storm
            .as_ref()
            .is_some_and(|storm| now < storm.until + WINDOW);
        let quiet = self
            .times
            .back()
            .is_none_or(|at| now.duration_since(*at) >= WINDOW);
        quiet && !resting
    }
}

impl Guard {
    /// Counts a write of `object`; false if it is refused, because more than `limit` writes in [`WINDOW`] are a storm.
    pub fn admit(&self, object: &str, limit: usize, now: Instant) -> bool {
        let mut state = self.locked();
        if state
            .swept
            .is_none_or(|at| now.duration_since(at) >= WINDOW)
        {
            state.objects.retain(|_, recent| !recent.is_over(now));
            state.swept = Some(now);
        }
        let recent = match state.objects.get_mut(object) {
            Some(recent) => recent,
            None => state.objects.entry(object.to_owned()).or_default(),
        };
        recent.admit(limit, now)
    }

    /// Records the body of a write, only while a storm is likely.
    pub fn wrote(&self, object: &str, body: &Value) {
        if let Some(recent) = self.locked().objects.get_mut(object) {
            let suspicious = recent.times.len() >= OBJECT / 2 || recent.storm.is_some();
            recent.last = suspicious.then(|| Arc::new(body.clone()));
        }
    }

    /// The field in which `planned` differs from the last recorded write: the plan itself flaps.
    pub fn flapping(&self, object: &str, planned: &Value) -> Option<String> {
        let last = self.locked().objects.get(object)?.last.clone()?;
        difference(planned, &last).or_else(|| difference(&last, planned))
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, State> {
        lock(&self.state)
    }
}

/// Path of the first field of `planned` that differs in `live`, without its value, which may be secret.
pub fn difference(planned: &Value, live: &Value) -> Option<String> {
    if holds(planned, live) {
        return None;
    }
    let within = |name: String, planned: &Value, live: Option<&Value>| {
        let rest = difference(planned, live.unwrap_or(&Value::Null))?;
        Some(match rest.as_str() {
            "" => name,
            rest if rest.starts_with('[') => format!("{name}{rest}"),
            rest => format!("{name}.{rest}"),
        })
    };
    let found = match (planned, live) {
        (Value::Object(planned), Value::Object(live)) => planned
            .iter()
            .find_map(|(key, value)| within(key.clone(), value, live.get(key))),
        (Value::Array(planned), Value::Array(live)) if planned.len() == live.len() => planned
            .iter()
            .zip(live)
            .enumerate()
            .find_map(|(at, (planned, live))| within(format!("[{at}]"), planned, Some(live))),
        _ => None,
    };
    Some(found.unwrap_or_default())
}

/// Field managers other than `us` in `live`, sorted, without those of subresources.
pub fn others(live: &Value, us: &str) -> Vec<String> {
    let managers = live["metadata"]["managedFields"].as_array();
    let mut names: Vec<String> = managers
        .into_iter()
        .flatten()
        .filter(|entry| entry["subresource"].as_str().unwrap_or_default().is_empty())
        .filter_map(|entry| entry["manager"].as_str())
        .filter(|name| *name != us)
        .map(str::to_owned)
        .collect();
    names.sort();
    names.dedup();
    names
}

#[cfg(test)]
mod tests;
