//! Decisions about space: which member is defragmented next, which alarms end, and what a person has to hear.

/// A member's use of space, as it reports it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Identifier of the member.
    pub id: u64,
    /// Name of the member.
    pub name: String,
    /// True if the member leads.
    pub leads: bool,
    /// Bytes of the database file.
    pub size: u64,
    /// Bytes of the file that hold data.
    pub used: u64,
}

/// Alarm of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alarm {
    /// The database has reached its quota: etcd refuses writes.
    NoSpace,
    /// The member's data differ from the others'.
    Corrupt,
}

/// Share of a file, in percent, that has to be free before a defragmentation, which blocks the member, is worth it.
const WORTHWHILE: u64 = 25;
/// Share of the quota, in percent, below which there is room again.
const ROOM: u64 = 80;

/// Order of defragmentation: those for which it is worth it, the leader last, so that it moves at most once.
pub fn order(members: &[Member]) -> Vec<&Member> {
    let worth =
        |m: &&Member| m.size > 0 && m.size.saturating_sub(m.used) >= m.size * WORTHWHILE / 100;
    let mut order: Vec<&Member> = members.iter().filter(worth).collect();
    order.sort_by(|a, b| (a.leads, &a.name).cmp(&(b.leads, &b.name)));
    order
}

/// True if every file leaves room below the quota, so that the alarm about space may end.
pub fn has_room(members: &[Member], quota: u64) -> bool {
    !members.is_empty() && members.iter().all(|m| m.size < quota / 100 * ROOM)
}

/// Words about what a person has to do; `None` if all is well. `alarms` are those that are left.
pub fn complaint(members: &[Member], alarms: &[(u64, Alarm)], quota: u64) -> Option<String> {
    let name = |id: u64| {
        let found = members.iter().find(|m| m.id == id);
        found.map_or_else(|| format!("{id:x}"), |m| m.name.clone())
    };
    let mut words: Vec<String> = alarms
        .iter()
        .map(|(id, alarm)| match alarm {
            Alarm::Corrupt => format!(
                "{} has the alarm CORRUPT: its data differ from the others'; replace this member, or restore a \
                 snapshot",
                name(*id)
            ),
            Alarm::NoSpace => format!(
                "{} has the alarm NOSPACE: etcd refuses writes; raise kamaji-etcd.quotaBackendBytes, or delete \
                 tenants or objects",
                name(*id)
            ),
        })
        .collect();
    let full = members.iter().filter(|m| m.used >= quota / 100 * ROOM);
    words.extend(full.map(|m| {
        format!(
            "{} holds {} of {quota} bytes: raise kamaji-etcd.quotaBackendBytes before etcd refuses writes",
            m.name, m.used
        )
    }));
    (!words.is_empty()).then(|| words.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUOTA: u64 = 1000;

    fn member(id: u64, (size, used): (u64, u64), leads: bool) -> Member {
        Member {
            id,
            name: format!("etcd-{id}"),
            leads,
            size,
            used,
        }
    }

    #[test]
    fn the_leader_is_defragmented_last_and_a_full_file_not_at_all() {
        let members = [
            member(0, (100, 10), true),
            member(1, (100, 90), false),
            member(2, (100, 50), false),
        ];
        let names: Vec<_> = order(&members).iter().map(|m| m.id).collect();
        assert_eq!(names, [2, 0]);
    }

    #[test]
    fn the_alarm_about_space_ends_only_when_all_members_have_room() {
        let (small, big) = (member(0, (100, 10), true), member(1, (900, 10), false));
        assert!(has_room(std::slice::from_ref(&small), QUOTA));
        assert!(!has_room(&[small, big], QUOTA));
        assert!(!has_room(&[], QUOTA));
    }

    #[test]
    fn alarms_and_members_without_room_are_named_with_what_to_do() {
        let members = [member(1, (950, 900), true)];
        let words = complaint(&members, &[(1, Alarm::Corrupt), (1, Alarm::NoSpace)], QUOTA);
        let words = words.unwrap();
        for part in [
            "etcd-1 has the alarm CORRUPT",
            "NOSPACE",
            "holds 900 of 1000 bytes",
        ] {
            assert!(words.contains(part), "{words}");
        }
        assert_eq!(complaint(&[member(1, (100, 90), true)], &[], QUOTA), None);
    }
}
