//! `kamaji etcd member`: the init container of an etcd pod. It brings the pod into the cluster and writes etcd's
//! configuration file.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::time::{Instant, sleep};

use crate::{
    configuration::{Member, Tuning, render},
    error::Error,
    layout::Store,
    members::Access,
    membership::{Facts, Start, decide},
    restore::MARK,
};

/// Pause between two observations of the others.
const PAUSE: Duration = Duration::from_secs(2);
/// Time after which the container ends with its reason; the kubelet starts it again.
const PATIENCE: Duration = Duration::from_mins(5);

/// Settings of the init container.
pub struct Settings<'a> {
    /// Member whose pod this is.
    pub member: Member<'a>,
    /// Settings of etcd beyond the chart's own.
    pub tuning: Tuning,
    /// Members with which a new cluster is bootstrapped.
    pub initial_members: u32,
    /// True once the cluster was complete.
    pub formed: bool,
    /// Name of the last restore of the whole store.
    pub restored: Option<String>,
    /// Folder with the administrator's certificate.
    pub credentials: PathBuf,
    /// Path of the file that is written.
    pub file: PathBuf,
}

/// Waits until the member may start, and writes its configuration.
pub async fn prepare(settings: &Settings<'_>) -> Result<(), Error> {
    let store = settings.member.store;
    let access = Access::read(&settings.credentials).await?;
    let until = Instant::now() + PATIENCE;
    loop {
        let (start, asked) = observe(settings, &access).await?;
        if let Some(file) = render(&settings.member, &start, &settings.tuning) {
            tracing::info!(?start, "the member may start");
            if let (Start::Join(_), Some(name)) = (&start, &settings.restored) {
                // Its data will be of the restored cluster.
                write(&Path::new(settings.member.data_dir).join(MARK), name).await?;
            }
            return write(&settings.file, &file).await;
        }
        let waited = match start {
            Start::Refuse(words) => return Err(Error::MemberRefused(words)),
            Start::Wait(words) => words,
            step => match asked {
                Some(other) => take(step, (store, settings.member.ordinal), &other).await,
                None => "no member answers any more".to_owned(),
            },
        };
        tracing::info!(waited, "waiting");
        if Instant::now() >= until {
            return Err(Error::TimedOut {
                waited,
                seconds: PATIENCE.as_secs(),
            });
        }
        sleep(PAUSE).await;
    }
}

/// Observes the volume and the other members, and decides.
async fn observe(
    settings: &Settings<'_>,
    access: &Access,
) -> Result<(Start, Option<crate::members::Member>), Error> {
    let Member { store, ordinal, .. } = settings.member;
    let has_data = has_log(Path::new(settings.member.data_dir)).await?;
    let answer = if has_data {
        None
    } else {
        let answer = access.ask(store, Some(ordinal)).await;
        answer
            .inspect_err(|reasons| tracing::debug!(reasons, "no member answers"))
            .ok()
    };
    let (asked, cluster) = answer.unzip();
    let mark = mark(Path::new(settings.member.data_dir)).await?;
    let start = decide(&Facts {
        store,
        ordinal,
        has_data,
        initial_members: settings.initial_members,
        formed: settings.formed,
        restored: settings.restored.as_deref(),
        mark: mark.as_deref(),
        cluster: cluster.as_deref(),
    });
    Ok((start, asked))
}

/// Takes a step at another member; returns what is waited for next.
async fn take(
    step: Start,
    (store, ordinal): (&Store, u32),
    other: &crate::members::Member,
) -> String {
    let taken = match step {
        Start::Promote(id) => other.promote(id).await,
        _ => other.add_learner(store.peer_url(ordinal)).await,
    };
    match taken {
        Ok(()) => "the cluster has changed".to_owned(),
        Err(error) => error.to_string(),
    }
}

/// True if a folder of data has a write-ahead log: what etcd itself goes by.
async fn has_log(data: &Path) -> Result<bool, Error> {
    let folder = data.join("member/wal");
    let failed = |error: std::io::Error| Error::File {
        path: folder.display().to_string(),
        cause: error.to_string(),
    };
    let mut entries = match tokio::fs::read_dir(&folder).await {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        entries => entries.map_err(failed)?,
    };
    while let Some(entry) = entries.next_entry().await.map_err(failed)? {
        if entry.path().extension().is_some_and(|end| end == "wal") {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Name of the restore that the data are of; `None` if they are of none.
async fn mark(data: &Path) -> Result<Option<String>, Error> {
    let path = data.join(MARK);
    match tokio::fs::read_to_string(&path).await {
        Ok(name) => Ok(Some(name)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::File {
            path: path.display().to_string(),
            cause: error.to_string(),
        }),
    }
}

async fn write(path: &Path, text: &str) -> Result<(), Error> {
    let written = tokio::fs::write(path, text).await;
    written.map_err(|error| Error::File {
        path: path.display().to_string(),
        cause: error.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_folder_has_data_once_etcd_has_renamed_its_log_into_place() {
        let folder = tempfile::tempdir().unwrap();
        assert!(!has_log(folder.path()).await.unwrap());
        let log = folder.path().join("member/wal");
        std::fs::create_dir_all(&log).unwrap();
        std::fs::write(log.join("0.tmp"), "").unwrap();
        assert!(!has_log(folder.path()).await.unwrap());
        std::fs::write(log.join("0000000000000000-0000000000000000.wal"), "").unwrap();
        assert!(has_log(folder.path()).await.unwrap());
    }
}
