//! State of an etcd by its own report: version and alarms that keep it from serving tenants.

use etcd_client::StatusResponse;

use super::answer::FREE_SPACE;
use super::client::Etcd;
use crate::error::Error;

/// Oldest version that serves: older ones have other permissions and no progress of watches.
const OLDEST: (u64, u64) = (3, 4);
const UPGRADE: &str = "upgrade etcd, best to a release that its project maintains";
const REPLACE_MEMBER: &str = "remove the member whose data differs and add it anew, as etcd's documentation on data \
     corruption says, and then run `etcdctl alarm disarm`";

/// Reason for which an etcd cannot serve tenants, and the remedy.
type Flaw = (String, &'static str);

impl Etcd {
    /// Fails if the member that answers is too old, or if the cluster takes no writes because of an alarm.
    pub(super) async fn require_sound(&self) -> Result<(), Error> {
        let doing = "reading the state";
        let answer = self
            .members
            .call(doing, |mut client| async move { client.status().await })
            .await?;
        flaw(&answer).map_or(Ok(()), |(cause, remedy)| {
            Err(Error::Unsuitable {
                site: self.members.site(doing),
                cause,
                remedy,
            })
        })
    }
}

fn flaw(status: &StatusResponse) -> Option<Flaw> {
    outdated(status.version()).or_else(|| alarm(status.errors()))
}

fn outdated(version: &str) -> Option<Flaw> {
    let mut numbers = version.split('.').map(str::parse);
    let (Some(Ok(major)), Some(Ok(minor))) = (numbers.next(), numbers.next()) else {
        return None;
    };
    ((major, minor) < OLDEST).then(|| {
        let (major, minor) = OLDEST;
        (
            format!("its version is {version}, below {major}.{minor}"),
            UPGRADE,
        )
    })
}

/// The alarm among the errors of a status, for example `memberID:1 alarm:NOSPACE`.
fn alarm(errors: &[String]) -> Option<Flaw> {
    let raised = |name: &str| errors.iter().any(|error| error.contains(name));
    if raised("alarm:NOSPACE") {
        let cause = "it is full and takes no writes (alarm NOSPACE)";
        return Some((cause.to_owned(), FREE_SPACE));
    }
    raised("alarm:CORRUPT").then(|| {
        let cause = "the data of its members differs, and it takes no writes (alarm CORRUPT)";
        (cause.to_owned(), REPLACE_MEMBER)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_below_the_oldest_are_named_and_what_is_no_version_is_not() {
        for version in ["2.3.8", "3.3.27"] {
            let (cause, remedy) = outdated(version).unwrap();
            assert!(
                cause.contains(version) && cause.contains("below 3.4"),
                "{cause}"
            );
            assert!(remedy.contains("upgrade"), "{remedy}");
        }
        for version in ["3.4.0", "3.5.8", "3.7.0-rc.1", "4.0.0", "", "main", "3"] {
            assert_eq!(outdated(version), None, "{version}");
        }
    }

    #[test]
    fn alarms_are_told_from_other_errors() {
        let of = |error: &str| alarm(&[error.to_owned()]).map(|(cause, _)| cause);
        assert!(of("memberID:7 alarm:NOSPACE ").unwrap().contains("full"));
        assert!(of("memberID:7 alarm:CORRUPT ").unwrap().contains("differs"));
        assert_eq!(of("etcdserver: no leader"), None);
    }
}
