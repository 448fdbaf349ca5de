//! `kamaji etcd defragment`: gives free space back, one member after the other, and ends alarms about space that are
//! over.

use std::path::Path;

use crate::{
    error::Error,
    layout::{MOST_MEMBERS, Store},
    members::{Access, Member},
    membership::Listed,
    space::{self, Alarm, complaint, has_room, order},
};

/// Defragments the members for which it is worth it while all of them are healthy. `quota` is etcd's
/// `quota-backend-bytes`. Ends with [`Error::Unhealthy`] if a person has to act.
pub async fn run(store: &Store, credentials: &Path, quota: u64) -> Result<(), Error> {
    let access = Access::read(credentials).await?;
    let first = Box::pin(observe(store, &access)).await?;
    for member in order(&first.members) {
        // Each stands still meanwhile: the others have to be there.
        let now = Box::pin(observe(store, &access)).await?;
        let target = now.member(member.id)?;
        tracing::info!(
            member = member.name,
            size = member.size,
            used = member.used,
            "defragmenting"
        );
        target.defragment().await?;
    }
    let last = Box::pin(observe(store, &access)).await?;
    let mut alarms = last.alarms.clone();
    if has_room(&last.members, quota) {
        for (id, _) in alarms.extract_if(.., |(_, alarm)| *alarm == Alarm::NoSpace) {
            last.asked.end_alarm(id).await?;
        }
    }
    match complaint(&last.members, &alarms, quota) {
        None => Ok(()),
        Some(words) => Err(Error::Unhealthy(words)),
    }
}

/// State of a cluster all of whose members answer.
struct Observed {
    asked: Member,
    clients: Vec<(u64, Member)>,
    members: Vec<space::Member>,
    alarms: Vec<(u64, Alarm)>,
}

impl Observed {
    fn member(&self, id: u64) -> Result<&Member, Error> {
        let found = self.clients.iter().find(|(own, _)| *own == id);
        found.map(|(_, member)| member).ok_or_else(|| {
            Error::Unhealthy(format!(
                "member {id:x} has left the cluster meanwhile; run the command again"
            ))
        })
    }
}

/// Asks all members; an error names the first that does not answer.
async fn observe(store: &Store, access: &Access) -> Result<Observed, Error> {
    let answer = access.ask(store, None).await;
    let (asked, listed) =
        answer.map_err(|reasons| Error::Unhealthy(format!("no member answers:\n{reasons}")))?;
    let mut observed = Observed {
        alarms: asked.alarms().await?,
        asked,
        clients: Vec::new(),
        members: Vec::new(),
    };
    for member in &listed {
        let client = access.member(url(store, member)?).await?;
        let status = client.status().await?;
        observed.members.push(space::Member {
            id: member.id,
            name: member.name.clone(),
            leads: status.leader() == member.id,
            size: status.db_size().unsigned_abs(),
            used: status.raft_used_db_size().unsigned_abs(),
        });
        observed.clients.push((member.id, client));
    }
    Ok(observed)
}

/// URL of a listed member, which has to be one of the store's pods that has started.
fn url(store: &Store, member: &Listed) -> Result<String, Error> {
    let ordinal = (0..MOST_MEMBERS).find(|n| member.peer_urls.contains(&store.peer_url(*n)));
    match ordinal {
        Some(ordinal) if member.started => Ok(store.client_url(ordinal)),
        Some(ordinal) => Err(Error::Unhealthy(format!(
            "{} is a member and has not started: see its pod",
            store.pod(ordinal)
        ))),
        None => Err(Error::Unhealthy(format!(
            "the member {:x} ({}) is none of the pods of {}; remove it by `etcdctl member remove {0:x}`",
            member.id,
            member.peer_urls.join(", "),
            store.name
        ))),
    }
}
