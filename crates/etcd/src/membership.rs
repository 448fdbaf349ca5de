//! Decision how a member starts: with its data, as one of a new cluster, or by joining the one that runs.

use crate::layout::Store;

/// Member as the cluster lists it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listed {
    /// Identifier of the member.
    pub id: u64,
    /// Name of the member; empty if it was added and has not started yet.
    pub name: String,
    /// URLs under which the others know it.
    pub peer_urls: Vec<String>,
    /// True if the member has started at least once.
    pub started: bool,
    /// True if the member follows and has no vote yet.
    pub learner: bool,
}

/// Everything that the start of a member depends on.
#[derive(Clone, Debug)]
pub struct Facts<'a> {
    /// Store that the member belongs to.
    pub store: &'a Store,
    /// Ordinal of the member's pod.
    pub ordinal: u32,
    /// True if the volume holds the write-ahead log of a member.
    pub has_data: bool,
    /// Members with which a new cluster is bootstrapped.
    pub initial_members: u32,
    /// True once the cluster was complete.
    pub formed: bool,
    /// Name of the last restore of the whole store, as recorded in the management cluster.
    pub restored: Option<&'a str>,
    /// Name of the restore that the data on the volume are of.
    pub mark: Option<&'a str>,
    /// Members of the cluster, if one of the others answers.
    pub cluster: Option<&'a [Listed]>,
}

/// Start of a member, or the step before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// The volume has the data: etcd knows the others from there.
    Run,
    /// A new cluster of these members, as etcd's `initial-cluster`.
    Bootstrap(String),
    /// The running cluster, which lists this member, as etcd's `initial-cluster`.
    Join(String),
    /// The cluster has to list this member first.
    Add,
    /// The learner with this identifier has to get its vote first: a cluster takes one learner at a time.
    Promote(u64),
    /// Nothing can be done yet; the text says what is missing.
    Wait(String),
    /// The member must not start; the text says why and what to do.
    Refuse(String),
}

/// Decides how a member starts.
pub fn decide(facts: &Facts) -> Start {
    if facts.has_data {
        return with_data(facts);
    }
    let Some(cluster) = facts.cluster else {
        return alone(facts);
    };
    let url = facts.store.peer_url(facts.ordinal);
    match cluster
        .iter()
        .find(|member| member.peer_urls.contains(&url))
    {
        Some(own) if own.started => Start::Refuse(format!(
            "the cluster lists {} as a member with data, and its volume is empty: starting it would forget its \
             votes; remove it by `etcdctl member remove {:x}`, then this pod joins as a new member",
            facts.store.pod(facts.ordinal),
            own.id
        )),
        Some(_) => Start::Join(initial_cluster(facts, cluster)),
        None => add(cluster),
    }
}

/// A start with data: those of before a restore would make a second cluster of the same name.
fn with_data(facts: &Facts) -> Start {
    let Some(restored) = facts.restored.filter(|name| facts.mark != Some(*name)) else {
        return Start::Run;
    };
    let pod = facts.store.pod(facts.ordinal);
    Start::Refuse(format!(
        "the volume of {pod} has data of before the restore {restored}: starting it would bring the former cluster \
         back beside the restored one; if the data are not needed any more, delete the claim {} and the pod {pod}, \
         which joins then as a new member",
        facts.store.claim(facts.ordinal)
    ))
}

/// A start without an answer of the others: only members of a cluster that never was complete make a new one.
fn alone(facts: &Facts) -> Start {
    let pod = facts.store.pod(facts.ordinal);
    if facts.formed {
        return Start::Wait(format!(
            "the volume of {pod} is empty, the cluster was complete before, and none of its members answers: start \
             those that have data; if no data is left, restore a snapshot"
        ));
    }
    if facts.ordinal >= facts.initial_members {
        return Start::Wait(format!(
            "{pod} joins once one of the first {} members answers",
            facts.initial_members
        ));
    }
    let members = (0..facts.initial_members).map(|ordinal| {
        let store = facts.store;
        format!("{}={}", store.pod(ordinal), store.peer_url(ordinal))
    });
    Start::Bootstrap(members.collect::<Vec<_>>().join(","))
}

fn add(cluster: &[Listed]) -> Start {
    match cluster.iter().find(|member| member.learner) {
        None => Start::Add,
        Some(learner) if learner.started => Start::Promote(learner.id),
        Some(learner) => Start::Wait(format!(
            "the cluster waits for the member {:x} ({}), which was added before and has not started yet",
            learner.id,
            learner.peer_urls.join(", ")
        )),
    }
}

/// Members as etcd's `initial-cluster`. Those that have not started have no name in the list; etcd compares URLs.
fn initial_cluster(facts: &Facts, cluster: &[Listed]) -> String {
    let own = facts.store.peer_url(facts.ordinal);
    let members = cluster.iter().flat_map(|member| {
        let name = if member.peer_urls.contains(&own) {
            facts.store.pod(facts.ordinal)
        } else if member.name.is_empty() {
            format!("member-{:x}", member.id)
        } else {
            member.name.clone()
        };
        let urls = member.peer_urls.iter();
        urls.map(move |url| format!("{name}={url}"))
    });
    members.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::example;

    fn listed(ordinal: u32, started: bool, learner: bool) -> Listed {
        let store = example();
        let name = if started {
            store.pod(ordinal)
        } else {
            String::new()
        };
        Listed {
            id: u64::from(ordinal) + 10,
            name,
            peer_urls: vec![store.peer_url(ordinal)],
            started,
            learner,
        }
    }

    fn start(ordinal: u32, cluster: Option<&[Listed]>, formed: bool) -> Start {
        decide(&Facts {
            store: &example(),
            ordinal,
            has_data: false,
            initial_members: 1,
            formed,
            restored: None,
            mark: None,
            cluster,
        })
    }

    #[test]
    fn a_member_with_data_runs_whatever_the_others_say() {
        let empty: &[Listed] = &[];
        for cluster in [None, Some(empty)] {
            let facts = Facts {
                store: &example(),
                ordinal: 2,
                has_data: true,
                initial_members: 1,
                formed: true,
                restored: None,
                mark: None,
                cluster,
            };
            assert_eq!(decide(&facts), Start::Run);
        }
    }

    #[test]
    fn data_of_before_a_restore_do_not_start_and_those_of_it_do() {
        let with = |restored, mark| {
            decide(&Facts {
                store: &example(),
                ordinal: 1,
                has_data: true,
                initial_members: 3,
                formed: true,
                restored,
                mark,
                cluster: None,
            })
        };
        assert_eq!(with(Some("b"), Some("b")), Start::Run);
        assert_eq!(with(None, Some("b")), Start::Run);
        for mark in [None, Some("a")] {
            let Start::Refuse(words) = with(Some("b"), mark) else {
                panic!("it started");
            };
            let claim = "delete the claim data-kamaji-etcd-1";
            assert!(words.contains(claim), "{words}");
        }
    }

    #[test]
    fn the_first_members_bootstrap_a_cluster_that_never_was_complete() {
        let url = example().peer_url(0);
        let wanted = Start::Bootstrap(format!("kamaji-etcd-0={url}"));
        assert_eq!(start(0, None, false), wanted);
    }

    #[test]
    fn an_empty_volume_of_a_complete_cluster_never_bootstraps() {
        let Start::Wait(words) = start(0, None, true) else {
            panic!("it started");
        };
        assert!(words.contains("start those that have data"), "{words}");
    }

    #[test]
    fn a_later_member_waits_for_the_first_ones() {
        assert!(matches!(start(1, None, false), Start::Wait(_)));
    }

    #[test]
    fn a_member_that_is_not_listed_is_added_and_then_joins() {
        let alone = [listed(0, true, false)];
        assert_eq!(start(1, Some(&alone), true), Start::Add);
        let added = [listed(0, true, false), listed(1, false, true)];
        let (first, second) = (example().peer_url(0), example().peer_url(1));
        let wanted = format!("kamaji-etcd-0={first},kamaji-etcd-1={second}");
        assert_eq!(start(1, Some(&added), true), Start::Join(wanted));
    }

    #[test]
    fn a_second_new_member_gives_the_first_its_vote_before_it_is_added() {
        let running = [listed(0, true, false), listed(1, true, true)];
        assert_eq!(start(2, Some(&running), true), Start::Promote(11));
        let waiting = [listed(0, true, false), listed(1, false, true)];
        assert!(matches!(start(2, Some(&waiting), true), Start::Wait(_)));
    }

    #[test]
    fn a_listed_member_whose_volume_is_empty_is_refused_with_the_command() {
        let cluster = [listed(0, true, false), listed(1, true, false)];
        let Start::Refuse(words) = start(1, Some(&cluster), true) else {
            panic!("it started");
        };
        assert!(words.contains("etcdctl member remove b"), "{words}");
    }

    #[test]
    fn others_that_have_not_started_are_listed_by_their_identifier() {
        let cluster = [
            listed(0, true, false),
            listed(1, false, false),
            listed(2, false, false),
        ];
        let Start::Join(text) = start(2, Some(&cluster), false) else {
            panic!("it does not join");
        };
        assert!(
            text.contains("member-b=") && text.contains("kamaji-etcd-2="),
            "{text}"
        );
    }
}
