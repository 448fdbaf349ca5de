//! [`Results`]: the last result of every kubeconfig, from which statuses are summed up.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Mutex,
};

use k8s_openapi::{apimachinery::pkg::apis::meta::v1::ObjectMeta, jiff::Timestamp};
use kamaji_core::kubeconfig_generator::plan::State;
use kamaji_shell::{ObjectKey, lock::lock};

use crate::work::Pair;

/// Uid and generation of a generator.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Edition {
    uid: String,
    generation: i64,
}

impl Edition {
    /// The edition of the generator with this metadata.
    pub fn of(generator: &ObjectMeta) -> Self {
        Self {
            uid: generator.uid.clone().unwrap_or_default(),
            generation: generator.generation.unwrap_or_default(),
        }
    }
}

/// Result of one reconcile of a kubeconfig.
#[derive(Clone, Debug)]
pub struct Record {
    /// The generator that was reconciled.
    pub edition: Edition,
    /// Digest of everything that the plan depends on, as far as watches deliver it.
    pub inputs: u64,
    /// Result as the status counts it.
    pub state: State,
    /// Time until which the same inputs need no further reconcile.
    pub fresh_until: Timestamp,
}

/// Records by generator and tenant.
#[derive(Default)]
pub struct Results(Mutex<HashMap<String, BTreeMap<ObjectKey, Record>>>);

impl Results {
    /// The record of a kubeconfig.
    pub fn get(&self, pair: &Pair) -> Option<Record> {
        lock(&self.0)
            .get(&pair.generator)?
            .get(&pair.tenant)
            .cloned()
    }

    /// Stores a record. Returns true if the generator's status may differ by it.
    pub fn set(&self, pair: &Pair, record: Record) -> bool {
        let mut all = lock(&self.0);
        let of_generator = all.entry(pair.generator.clone()).or_default();
        let (edition, state) = (record.edition.clone(), record.state.clone());
        let former = of_generator.insert(pair.tenant.clone(), record);
        former.is_none_or(|former| former.edition != edition || former.state != state)
    }

    /// Forgets the record of a kubeconfig that nobody requests. Returns true if there was one.
    pub fn forget(&self, pair: &Pair) -> bool {
        let mut all = lock(&self.0);
        let Some(of_generator) = all.get_mut(&pair.generator) else {
            return false;
        };
        let known = of_generator.remove(&pair.tenant).is_some();
        if of_generator.is_empty() {
            all.remove(&pair.generator);
        }
        known
    }

    /// States of the tenants that were reconciled for this edition of a generator.
    pub fn states(&self, generator: &str, edition: &Edition) -> BTreeMap<ObjectKey, State> {
        let all = lock(&self.0);
        let records = all.get(generator).into_iter().flatten();
        records
            .filter(|(_, record)| record.edition == *edition)
            .map(|(tenant, record)| (tenant.clone(), record.state.clone()))
            .collect()
    }

    /// Tenants that have a record for this generator.
    pub fn of_generator(&self, generator: &str) -> Vec<ObjectKey> {
        let all = lock(&self.0);
        let records = all.get(generator).into_iter().flatten();
        records.map(|(tenant, _)| tenant.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(generation: i64, state: State) -> Record {
        Record {
            edition: Edition {
                uid: "uid".to_owned(),
                generation,
            },
            inputs: 0,
            state,
            fresh_until: Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn a_status_differs_by_new_states_and_editions_and_by_nothing_else() {
        let results = Results::default();
        let pair = Pair {
            generator: "auditors".to_owned(),
            tenant: ObjectKey::new("a", "b"),
        };
        assert!(results.set(&pair, record(1, State::Available)));
        assert!(!results.set(&pair, record(1, State::Available)));
        assert!(results.set(&pair, record(2, State::Available)));
        assert!(results.set(&pair, record(2, State::Missing("why".to_owned()))));
        let edition = record(1, State::Available).edition;
        assert!(results.states("auditors", &edition).is_empty());
        let edition = record(2, State::Available).edition;
        assert_eq!(results.states("auditors", &edition).len(), 1);
        assert_eq!(
            results.of_generator("auditors").as_slice(),
            std::slice::from_ref(&pair.tenant)
        );
        assert!(results.forget(&pair) && !results.forget(&pair));
        assert!(results.of_generator("auditors").is_empty());
    }
}
