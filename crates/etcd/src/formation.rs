//! Next step towards a complete cluster: all replicas vote.

use crate::{layout::Store, membership::Listed};

/// Step of the formation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A learner gets its vote as soon as it has caught up.
    Promote {
        /// Identifier of the learner.
        id: u64,
        /// Name of the learner.
        name: String,
    },
    /// A member has not started yet; the text names it.
    Wait(String),
    /// Every replica votes; nothing is left to do.
    Complete,
}

/// Decides the next step for a store with so many replicas.
pub fn next(store: &Store, replicas: u32, members: &[Listed]) -> Step {
    let voters = members.iter().filter(|m| m.started && !m.learner).count();
    if let Some(learner) = members.iter().find(|m| m.started && m.learner) {
        return Step::Promote {
            id: learner.id,
            name: learner.name.clone(),
        };
    }
    let missing: Vec<String> = (0..replicas)
        .filter(|ordinal| {
            let url = store.peer_url(*ordinal);
            let mut running = members.iter().filter(|m| m.started);
            !running.any(|m| m.peer_urls.contains(&url))
        })
        .map(|ordinal| store.pod(ordinal))
        .collect();
    if missing.is_empty() {
        return Step::Complete;
    }
    Step::Wait(format!(
        "{voters} of {replicas} members vote; not started: {}",
        missing.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::example;

    fn listed(ordinal: u32, started: bool, learner: bool) -> Listed {
        Listed {
            id: u64::from(ordinal),
            name: example().pod(ordinal),
            peer_urls: vec![example().peer_url(ordinal)],
            started,
            learner,
        }
    }

    #[test]
    fn a_started_learner_gets_its_vote_first() {
        let members = [listed(0, true, false), listed(1, true, true)];
        let wanted = Step::Promote {
            id: 1,
            name: "kamaji-etcd-1".to_owned(),
        };
        assert_eq!(next(&example(), 3, &members), wanted);
    }

    #[test]
    fn missing_members_are_named() {
        let members = [listed(0, true, false), listed(1, false, true)];
        let Step::Wait(words) = next(&example(), 3, &members) else {
            panic!("it does not wait");
        };
        assert_eq!(
            words,
            "1 of 3 members vote; not started: kamaji-etcd-1, kamaji-etcd-2"
        );
    }

    #[test]
    fn a_cluster_whose_replicas_all_vote_is_complete() {
        let members = [0, 1, 2].map(|ordinal| listed(ordinal, true, false));
        assert_eq!(next(&example(), 3, &members), Step::Complete);
        assert_eq!(next(&example(), 1, &members[..1]), Step::Complete);
    }
}
