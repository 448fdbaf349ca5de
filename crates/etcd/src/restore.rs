//! Restore of the whole store, the steps around `etcdutl snapshot restore`: the folder of the first member has no data
//! before, the record says from which restore on members count, and the data appear at once.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::{
    error::Error,
    layout::Store,
    management::{Management, Written},
    state::State,
};

/// Folder of a member's data, in etcd's own folder.
const DATA: &str = "member";
/// Folder that the data are made in, beside the former.
const STAGING: &str = "restoring";
/// File with the name of the restore that the data are of.
pub(crate) const MARK: &str = "restored";

/// Folder that etcd has its data in.
pub struct DataDir<'a>(pub &'a Path);

impl DataDir<'_> {
    /// Fails if there are data. What an interrupted restore has left is removed.
    pub fn require_empty(&self) -> Result<(), Error> {
        let data = self.0.join(DATA);
        if data.exists() {
            return Err(Error::HasData(data.display().to_string()));
        }
        let staging = self.staging();
        match fs::remove_dir_all(&staging) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(file(&staging)(error)),
            _ => Ok(()),
        }
    }

    /// Folder that `etcdutl snapshot restore` makes.
    pub fn staging(&self) -> PathBuf {
        self.0.join(STAGING)
    }

    /// Fails unless `etcdutl snapshot restore` has made data, and there are no others; returns where they are.
    fn made(&self) -> Result<PathBuf, Error> {
        let data = self.0.join(DATA);
        if data.exists() {
            return Err(Error::HasData(data.display().to_string()));
        }
        let made = self.staging().join(DATA);
        if made.join("wal").is_dir() {
            return Ok(made);
        }
        Err(Error::File {
            path: made.display().to_string(),
            cause: "`etcdutl snapshot restore` has left no data here".to_owned(),
        })
    }

    /// Gives restored data their place: they are there as a whole, or not at all.
    fn adopt(&self, restore: &str) -> Result<(), Error> {
        let made = self.made()?;
        let mark = self.0.join(MARK);
        fs::write(&mark, restore).map_err(file(&mark))?;
        synced(&mark)?;
        let data = self.0.join(DATA);
        fs::rename(&made, &data).map_err(file(&data))?;
        synced(self.0)?;
        // Empty now; the next restore would remove it, too.
        let _ = fs::remove_dir_all(self.staging());
        Ok(())
    }
}

fn file(path: &Path) -> impl Fn(io::Error) -> Error {
    let path = path.display().to_string();
    move |error| Error::File {
        path: path.clone(),
        cause: error.to_string(),
    }
}

/// Brings a file, or the names in a folder, to the disk.
fn synced(path: &Path) -> Result<(), Error> {
    let synced = fs::File::open(path).and_then(|opened| opened.sync_all());
    synced.map_err(file(path))
}

/// Records the restore of this name in the management cluster, and gives the data their place. Members that have data of
/// before do not start any more, so that two clusters can never serve under one name.
pub async fn adopt(store: &Store, data: &DataDir<'_>, restore: &str) -> Result<(), Error> {
    let well_formed = |c: char| c.is_ascii_alphanumeric() || c == '-';
    if restore.is_empty() || restore.len() > 63 || !restore.chars().all(well_formed) {
        return Err(Error::Setting {
            setting: "--restore".to_owned(),
            cause: "is not 1 to 63 letters, digits and hyphens".to_owned(),
        });
    }
    // The record is written only where the data can follow.
    data.made()?;
    let management = Management::connect(store).await?;
    let replicas = management.replicas().await?;
    if let Some(running) = replicas.filter(|replicas| *replicas > 0) {
        return Err(Error::Running {
            store: store.name.clone(),
            replicas: running,
        });
    }
    let record = management.record().await?;
    let Some(state) = record.as_ref().and_then(State::read) else {
        return Err(Error::Setting {
            setting: format!("ConfigMap {}", store.state_config_map()),
            cause: "is missing or unreadable: install the chart first".to_owned(),
        });
    };
    let restored = State {
        formed: true,
        restored: Some(restore.to_owned()),
        ..state
    };
    if management.write_record(&restored).await? == Written::Overtaken {
        return Err(Error::Contended {
            object: format!("ConfigMap {}", store.state_config_map()),
        });
    }
    data.adopt(restore)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_that_are_there_are_never_replaced_and_leftovers_of_a_restore_are() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataDir(folder.path());
        fs::create_dir_all(data.staging().join("member/wal")).unwrap();
        data.require_empty().unwrap();
        assert!(!data.staging().exists());
        fs::create_dir_all(folder.path().join("member/snap")).unwrap();
        let said = data.require_empty().unwrap_err().to_string();
        assert!(said.contains("delete the claim"), "{said}");

        fs::create_dir_all(data.staging().join("member/wal")).unwrap();
        data.adopt("one").unwrap_err();
        assert!(folder.path().join("member/snap").exists());
    }

    #[test]
    fn restored_data_get_their_place_with_the_mark_and_half_made_ones_do_not() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataDir(folder.path());
        fs::create_dir_all(data.staging().join("member/snap")).unwrap();
        let said = data.adopt("one").unwrap_err().to_string();
        assert!(said.contains("etcdutl snapshot restore"), "{said}");
        assert!(!folder.path().join(MARK).exists());
        fs::create_dir_all(data.staging().join("member/wal")).unwrap();
        data.adopt("one").unwrap();
        assert!(folder.path().join("member/wal").is_dir() && !data.staging().exists());
        assert_eq!(fs::read(folder.path().join(MARK)).unwrap(), b"one");
    }
}
