//! Record of the cluster's formation, in a `ConfigMap` that no chart removes.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;

use crate::{error::Error, layout::Store};

/// Key of the number of members that the cluster is bootstrapped with.
const INITIAL_MEMBERS: &str = "initial-members";
/// Key that exists once the cluster was complete; its value is `true`.
const FORMED: &str = "formed";
/// Key of the name of the last restore.
const RESTORED: &str = "restored";

/// Formation of the cluster. Once it is formed no member bootstraps: an empty volume would forget votes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// Members with which the cluster is bootstrapped.
    pub initial_members: u32,
    /// True once the cluster was complete.
    pub formed: bool,
    /// Name of the last restore of the whole store: data of before are not of this cluster any more.
    pub restored: Option<String>,
}

/// Objects of a store that the management cluster has.
#[derive(Clone, Debug, Default)]
pub struct Existing {
    /// Replicas of the StatefulSet; `None` if there is none.
    pub replicas: Option<u32>,
    /// Claim of a member's volume; `None` if no member has one.
    pub claim: Option<String>,
    /// Record of the formation; `None` if there is none, as for a store that is older than this chart.
    pub record: Option<State>,
}

impl Existing {
    /// Object that shows that there is a store.
    pub fn witness(&self, store: &Store) -> Option<String> {
        if self.replicas.is_some() {
            return Some(format!("StatefulSet {}", store.name));
        }
        if let Some(claim) = &self.claim {
            return Some(format!("PersistentVolumeClaim {claim}"));
        }
        let formed = self.record.as_ref().is_some_and(|record| record.formed);
        formed.then(|| {
            format!(
                "ConfigMap {} of a complete cluster",
                store.state_config_map()
            )
        })
    }

    /// Plans the record for a release with so many replicas.
    pub fn plan(&self, store: &Store, replicas: u32) -> Result<State, Error> {
        if let Some(have) = self.replicas.filter(|have| *have > replicas) {
            return Err(Error::Shrinks {
                store: store.name.clone(),
                have,
                want: replicas,
            });
        }
        let exists = self.replicas.is_some() || self.claim.is_some();
        Ok(match &self.record {
            Some(record) if exists || record.formed => record.clone(),
            None if exists => State {
                initial_members: self.replicas.unwrap_or(replicas),
                formed: true,
                restored: None,
            },
            // A release that failed before its first pod leaves a record that binds nobody.
            _ => State {
                initial_members: replicas,
                formed: false,
                restored: None,
            },
        })
    }
}

impl State {
    /// Reads the record; `None` if there is no usable one.
    pub fn read(map: &ConfigMap) -> Option<Self> {
        let data = map.data.as_ref()?;
        Some(Self {
            initial_members: data.get(INITIAL_MEMBERS)?.parse().ok()?,
            formed: data.get(FORMED).is_some_and(|value| value == "true"),
            restored: data.get(RESTORED).cloned(),
        })
    }

    /// Data of the `ConfigMap`.
    pub fn data(&self) -> BTreeMap<String, String> {
        let members = (INITIAL_MEMBERS.to_owned(), self.initial_members.to_string());
        let formed = self.formed.then(|| (FORMED.to_owned(), "true".to_owned()));
        let restored = self.restored.clone();
        let restored = restored.map(|name| (RESTORED.to_owned(), name));
        [members]
            .into_iter()
            .chain(formed)
            .chain(restored)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::example;

    fn state(initial_members: u32, formed: bool) -> State {
        State {
            initial_members,
            formed,
            restored: None,
        }
    }

    fn planned(replicas: Option<u32>, volume: bool, record: Option<State>) -> State {
        let existing = Existing {
            replicas,
            claim: volume.then(|| example().claim(2)),
            record,
        };
        existing.plan(&example(), 3).unwrap()
    }

    #[test]
    fn a_new_store_is_bootstrapped_with_all_its_replicas() {
        assert_eq!(planned(None, false, None), state(3, false));
    }

    #[test]
    fn growth_does_not_change_the_number_of_initial_members() {
        assert_eq!(
            planned(Some(1), true, Some(state(1, false))),
            state(1, false)
        );
        assert_eq!(planned(Some(1), true, Some(state(1, true))), state(1, true));
        assert_eq!(planned(None, true, Some(state(1, true))), state(1, true));
    }

    #[test]
    fn a_store_without_a_record_counts_as_formed() {
        assert_eq!(planned(Some(1), true, None), state(1, true));
        assert_eq!(planned(None, true, None), state(3, true));
    }

    #[test]
    fn a_record_of_a_release_that_never_had_a_pod_is_planned_again() {
        assert_eq!(planned(None, false, Some(state(1, false))), state(3, false));
        assert_eq!(planned(None, false, Some(state(1, true))), state(1, true));
    }

    #[test]
    fn any_trace_of_a_store_witnesses_it_and_an_unformed_record_does_not() {
        let witness = |existing: Existing| existing.witness(&example());
        let set = Existing {
            replicas: Some(0),
            ..Existing::default()
        };
        assert_eq!(witness(set).unwrap(), "StatefulSet kamaji-etcd");
        let claim = Existing {
            claim: Some(example().claim(2)),
            ..Existing::default()
        };
        let wanted = "PersistentVolumeClaim data-kamaji-etcd-2";
        assert_eq!(witness(claim).unwrap(), wanted);
        let recorded = |formed| Existing {
            record: Some(state(3, formed)),
            ..Existing::default()
        };
        let said = witness(recorded(true)).unwrap();
        assert!(said.contains("ConfigMap kamaji-etcd-cluster"), "{said}");
        assert_eq!(witness(recorded(false)), None);
    }

    #[test]
    fn fewer_members_than_there_are_is_refused() {
        let existing = Existing {
            replicas: Some(3),
            ..Existing::default()
        };
        let said = existing.plan(&example(), 1).unwrap_err().to_string();
        assert!(said.contains("set kamaji-etcd.replicas to 3"), "{said}");
    }

    #[test]
    fn a_record_that_was_written_is_read_back() {
        let restored = State {
            restored: Some("kamaji-etcd-7".to_owned()),
            ..state(3, true)
        };
        for record in [state(1, false), state(5, true), restored] {
            let map = ConfigMap {
                data: Some(record.data()),
                ..ConfigMap::default()
            };
            assert_eq!(State::read(&map), Some(record));
        }
    }
}
