//! `kamaji etcd form`: brings the cluster to completion after an installation or an upgrade. Access control is on, all
//! replicas vote, the formation is recorded, and the DataStore names the store.

use std::{path::Path, time::Duration};

use kamaji_api::datastore::DataStore;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::{
    error::Error,
    formation::{Step, next},
    layout::Store,
    management::{Management, Written},
    members::Access,
    state::State,
};

/// Pause between two attempts.
const PAUSE: Duration = Duration::from_secs(2);
/// Time limit; shorter than Helm's, which would end the Job without a word.
const LIMIT: Duration = Duration::from_secs(270);
/// Annotations by which Helm knows the objects of a release.
const OWNERSHIP: [&str; 2] = [
    "meta.helm.sh/release-name",
    "meta.helm.sh/release-namespace",
];

/// Completes the cluster of `store` with so many replicas, and applies `data_store` if it is given. `credentials` is the
/// folder with the administrator's certificate.
pub async fn complete(
    (store, replicas): (&Store, u32),
    credentials: &Path,
    data_store: Option<&Value>,
) -> Result<(), Error> {
    let data_store = data_store.map(Manifest::read).transpose()?;
    let access = Access::read(credentials).await?;
    let management = Management::connect(store).await?;
    let until = Instant::now() + LIMIT;
    retried(until, || form(store, replicas, &access)).await?;
    retried(until, || record(&management)).await?;
    if let Some(manifest) = &data_store {
        retried(until, || apply(&management, manifest)).await?;
    }
    Ok(())
}

/// Progress of one attempt.
enum Attempt {
    Done,
    Again(String),
}

/// Repeats an attempt until it is done, or until the time limit: then with what it waited for.
async fn retried<F>(until: Instant, attempt: impl Fn() -> F) -> Result<(), Error>
where
    F: Future<Output = Result<Attempt, Error>>,
{
    let mut said = String::new();
    loop {
        let waited = match attempt().await {
            Ok(Attempt::Done) => return Ok(()),
            Ok(Attempt::Again(words)) => words,
            Err(error @ (Error::ForeignDataStore { .. } | Error::Setting { .. })) => {
                return Err(error);
            }
            Err(error) => error.to_string(),
        };
        if waited != said {
            tracing::info!(waited, "waiting");
        }
        if Instant::now() >= until {
            return Err(Error::TimedOut {
                waited,
                seconds: LIMIT.as_secs(),
            });
        }
        said = waited;
        sleep(PAUSE).await;
    }
}

/// Switches access control on and takes one step towards a complete cluster.
async fn form(store: &Store, replicas: u32, access: &Access) -> Result<Attempt, Error> {
    let (member, members) = match access.ask(store, None).await {
        Ok(answer) => answer,
        Err(reasons) => return Ok(Attempt::Again(format!("no member answers:\n{reasons}"))),
    };
    match next(store, replicas, &members) {
        Step::Promote { id, name } => {
            member.promote(id).await?;
            Ok(Attempt::Again(format!("{name} votes now")))
        }
        Step::Wait(words) => Ok(Attempt::Again(words)),
        Step::Complete => {
            member.enable_access_control().await?;
            Ok(Attempt::Done)
        }
    }
}

/// Records that the cluster was complete.
async fn record(management: &Management<'_>) -> Result<Attempt, Error> {
    let live = management.record().await?;
    let Some(state) = live.as_ref().and_then(State::read) else {
        return Ok(Attempt::Again(
            "the record of the formation is missing: run `kamaji etcd certificates` first"
                .to_owned(),
        ));
    };
    let formed = State {
        formed: true,
        ..state
    };
    Ok(match management.write_record(&formed).await? {
        Written::Done => Attempt::Done,
        Written::Overtaken => Attempt::Again("the record of the formation changes".to_owned()),
    })
}

/// Applies the DataStore, unless one of that name is of another release. The operator's webhooks may not answer yet.
async fn apply(management: &Management<'_>, manifest: &Manifest) -> Result<Attempt, Error> {
    let live = management.data_store(&manifest.name).await?;
    let object = manifest.over(live.as_ref())?;
    let applied = management.apply_data_store(&manifest.name, &object).await?;
    Ok(match applied {
        Written::Done => Attempt::Done,
        Written::Overtaken => Attempt::Again(format!("DataStore {} changes", manifest.name)),
    })
}

/// DataStore that the chart renders.
struct Manifest {
    name: String,
    object: Value,
}

impl Manifest {
    /// Reads a DataStore with its name and with Helm's annotations.
    fn read(object: &Value) -> Result<Self, Error> {
        let name = object["metadata"]["name"].as_str();
        match (object["kind"].as_str(), name) {
            (Some("DataStore"), Some(name)) if ownership(object).iter().all(Option::is_some) => {
                Ok(Self {
                    name: name.to_owned(),
                    object: object.clone(),
                })
            }
            _ => Err(Error::Setting {
                setting: "--data-store".to_owned(),
                cause: format!(
                    "is no DataStore with a name and the annotations {}",
                    OWNERSHIP.join(" and ")
                ),
            }),
        }
    }

    /// The object to apply over the live one, at exactly its version.
    fn over(&self, live: Option<&DataStore>) -> Result<Value, Error> {
        let mut object = self.object.clone();
        let Some(live) = live else {
            return Ok(object);
        };
        let annotations = live.metadata.annotations.clone().unwrap_or_default();
        let have = OWNERSHIP.map(|key| annotations.get(key).map(String::as_str));
        if have != ownership(&object) {
            return Err(Error::ForeignDataStore {
                name: self.name.clone(),
            });
        }
        object["metadata"]["resourceVersion"] = live.metadata.resource_version.clone().into();
        Ok(object)
    }
}

/// Helm's annotations of an object.
fn ownership(object: &Value) -> [Option<&str>; 2] {
    OWNERSHIP.map(|key| object["metadata"]["annotations"][key].as_str())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(release: &str) -> Value {
        let references = |key: &str| json!({"secretReference": {"name": "s", "namespace": "kamaji-system", "keyPath": key}});
        json!({
            "apiVersion": "kamaji.clastix.io/v1alpha1", "kind": "DataStore",
            "metadata": {"name": "default", "annotations": {
                "meta.helm.sh/release-name": release,
                "meta.helm.sh/release-namespace": "kamaji-system",
            }},
            "spec": {"driver": "etcd", "endpoints": ["a:2379"], "tlsConfig": {
                "certificateAuthority": {"certificate": references("ca.crt")},
            }},
        })
    }

    fn live(release: &str) -> DataStore {
        let mut live: DataStore = serde_json::from_value(object(release)).unwrap();
        live.metadata.resource_version = Some("7".to_owned());
        live
    }

    #[test]
    fn a_data_store_of_another_release_is_not_touched() {
        let manifest = Manifest::read(&object("kamaji")).unwrap();
        let said = manifest.over(Some(&live("other"))).unwrap_err().to_string();
        assert!(
            said.contains("set kamaji-etcd.datastore.name to a free name"),
            "{said}"
        );
        let mut bare = live("kamaji");
        bare.metadata.annotations = None;
        assert!(manifest.over(Some(&bare)).is_err());
    }

    #[test]
    fn a_data_store_of_the_release_is_applied_at_the_version_that_was_read() {
        let manifest = Manifest::read(&object("kamaji")).unwrap();
        let applied = manifest.over(Some(&live("kamaji"))).unwrap();
        assert_eq!(applied["metadata"]["resourceVersion"], "7");
        assert_eq!(manifest.over(None).unwrap(), object("kamaji"));
    }

    #[tokio::test(start_paused = true)]
    async fn an_attempt_that_never_succeeds_ends_with_what_it_waited_for() {
        let again = || async { Ok(Attempt::Again("kamaji-etcd-1 is missing".to_owned())) };
        let ended = retried(Instant::now() + LIMIT, again).await;
        let said = ended.unwrap_err().to_string();
        assert_eq!(said, "kamaji-etcd-1 is missing; gave up after 270 s");
    }

    #[tokio::test(start_paused = true)]
    async fn an_error_that_waiting_does_not_cure_ends_the_attempts() {
        let begun = Instant::now();
        let foreign = || async {
            Err(Error::ForeignDataStore {
                name: "default".to_owned(),
            })
        };
        assert!(retried(begun + LIMIT, foreign).await.is_err());
        assert_eq!(begun.elapsed(), Duration::ZERO);
    }

    #[test]
    fn a_manifest_of_another_kind_or_without_helms_annotations_is_refused() {
        let mut secret = object("kamaji");
        secret["kind"] = "Secret".into();
        let mut bare = object("kamaji");
        bare["metadata"]["annotations"] = json!({});
        for wrong in [secret, bare, json!([])] {
            let said = Manifest::read(&wrong).err().unwrap().to_string();
            assert!(said.contains("is no DataStore"), "{said}");
        }
    }
}
