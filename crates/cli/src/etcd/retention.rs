//! Names of scheduled snapshots, and which of them are too many.

use std::path::PathBuf;

use anyhow::Context;
use k8s_openapi::jiff::Timestamp;
use kamaji_snapshot::{Bucket, SEALED_ENDING};

use crate::snapshot::location::Location;

/// Form of the times in names, which sort as the times do.
const TIME: &str = "%Y%m%dT%H%M%SZ";
/// Ending of etcd's snapshots.
const ENDING: &str = ".db";
/// Most files of a folder that are read.
const MOST: usize = 10_000;

/// Names of the snapshots of one store: `STORE-FINGERPRINT-TIME.db`, with the ending of sealed files.
pub struct Names {
    /// Name of the StatefulSet.
    pub store: String,
    /// Digits that this store has and no other of that name.
    pub fingerprint: String,
}

impl Names {
    /// Name of a snapshot that is taken at this time.
    pub fn at(&self, time: Timestamp, sealed: bool) -> String {
        let sealed = if sealed { SEALED_ENDING } else { "" };
        format!(
            "{}{}{ENDING}{sealed}",
            self.beginning(),
            time.strftime(TIME)
        )
    }

    fn beginning(&self) -> String {
        format!("{}-{}-", self.store, self.fingerprint)
    }

    /// Time in a name, as text; `None` for a file that is not of this store.
    fn time<'a>(&self, name: &'a str) -> Option<&'a str> {
        let rest = name.strip_prefix(&self.beginning())?;
        let rest = rest.strip_suffix(SEALED_ENDING).unwrap_or(rest);
        let time = rest.strip_suffix(ENDING)?;
        let form = |(place, c): (usize, char)| match place {
            8 => c == 'T',
            15 => c == 'Z',
            _ => c.is_ascii_digit(),
        };
        (time.len() == 16 && time.chars().enumerate().all(form)).then_some(time)
    }

    /// The oldest of this store's snapshots, beyond `keep` with the one just made (`newest`). Names with a later time are
    /// not of this schedule, and neither count nor go.
    pub fn expired(&self, names: &[String], newest: &str, keep: usize) -> Vec<String> {
        let Some(now) = self.time(newest) else {
            return Vec::new();
        };
        let dated = |name: &String| Some((self.time(name)?.to_owned(), name.clone()));
        let mut before: Vec<_> = names
            .iter()
            .filter_map(dated)
            .filter(|(time, name)| time.as_str() <= now && name != newest)
            .collect();
        before.sort();
        let most = keep.saturating_sub(1);
        before.truncate(before.len().saturating_sub(most));
        before.into_iter().map(|(_, name)| name).collect()
    }
}

/// Folder of this machine or of an object store.
pub enum Folder {
    /// Folder of this machine.
    Path(PathBuf),
    /// Beginning of names in an object store.
    Bucket(Box<Bucket>),
}

impl Folder {
    /// Takes the text that names it, with its slash at the end.
    pub fn open(text: &str) -> anyhow::Result<Self> {
        Ok(match Location::parse(text)? {
            Location::File(path) => Self::Path(path),
            Location::Bucket(bucket) => Self::Bucket(bucket),
        })
    }

    /// Names of the files in it; folders are left out.
    pub async fn names(&self) -> anyhow::Result<Vec<String>> {
        let path = match self {
            Self::Bucket(bucket) => return Ok(bucket.names().await?),
            Self::Path(path) => path,
        };
        let entries = std::fs::read_dir(path);
        let entries = entries.with_context(|| format!("listing {}", path.display()))?;
        let entries = entries.take(MOST).flatten();
        let files = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()));
        Ok(files
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect())
    }

    /// Removes one file of it.
    pub async fn remove(&self, name: &str) -> anyhow::Result<()> {
        match self {
            Self::Bucket(bucket) => Ok(bucket.remove(name).await?),
            Self::Path(folder) => {
                let path = folder.join(name);
                std::fs::remove_file(&path).with_context(|| format!("removing {}", path.display()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names {
        Names {
            store: "kamaji-etcd".to_owned(),
            fingerprint: "0123abcd".to_owned(),
        }
    }

    #[test]
    fn a_name_says_store_and_time_and_whether_it_is_sealed() {
        let time: Timestamp = "2026-11-28T06:51:21Z".parse().unwrap();
        let sealed = names().at(time, true);
        assert_eq!(sealed, "kamaji-etcd-0123abcd-20261128T065121Z.db.zst.age");
        let plain = names().at(time, false);
        assert_eq!(plain, "kamaji-etcd-0123abcd-20261128T065121Z.db");
        for name in [sealed, plain] {
            assert_eq!(names().time(&name), Some("20261128T065121Z"));
        }
    }

    #[test]
    fn the_oldest_of_this_store_go_and_files_of_others_neither_count_nor_go() {
        let of = |time: &str| format!("kamaji-etcd-0123abcd-{time}.db.zst.age");
        let newest = of("20260104T000000Z");
        let mut all: Vec<String> = ["20260103T000000Z", "20260101T000000Z", "20260102T000000Z"]
            .map(of)
            .to_vec();
        all.push(newest.clone());
        // Of a later time, of another store, of a person.
        all.push(of("29990101T000000Z"));
        all.push("kamaji-etcd-ffffffff-20200101T000000Z.db".to_owned());
        all.push("kamaji-etcd-0123abcd-before-upgrade.db".to_owned());
        all.push("demo.snap".to_owned());
        let expired = |keep| names().expired(&all, &newest, keep);
        assert_eq!(expired(3), [of("20260101T000000Z")]);
        assert_eq!(expired(2), [of("20260101T000000Z"), of("20260102T000000Z")]);
        assert_eq!(expired(1).len(), 3);
        assert!(expired(4).is_empty() && expired(9).is_empty());
        assert!(names().expired(&all, "demo.snap", 1).is_empty());
    }
}
