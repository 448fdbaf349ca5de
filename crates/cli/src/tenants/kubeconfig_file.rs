//! The user's kubeconfig file: read, changed and replaced as a whole, under the lock that kubectl takes.

use std::{
    env, fs,
    io::{ErrorKind, Read, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use kamaji_core::unquoted;
use serde_json::Value;

/// Bytes of a file beyond which it is not read.
const MOST: u64 = 4 << 20;

/// File that a merge goes to: the first of KUBECONFIG that exists, else its first, else `~/.kube/config`.
pub fn of_user() -> anyhow::Result<PathBuf> {
    let listed = env::var_os("KUBECONFIG").unwrap_or_default();
    let paths: Vec<PathBuf> = env::split_paths(&listed)
        .filter(|path| !path.as_os_str().is_empty())
        .collect();
    let chosen = paths.iter().find(|path| path.exists()).or(paths.first());
    if let Some(path) = chosen {
        return Ok(path.clone());
    }
    let home = env::home_dir().context("HOME is not set: name a file with --into")?;
    Ok(home.join(".kube/config"))
}

/// Changes the content of the file, which is replaced at once by one that only its owner may read. An error of `change`
/// leaves it as it was.
pub fn change(
    path: &Path,
    change: impl FnOnce(&mut Value) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    // A link stays a link: what it leads to is replaced.
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    let _lock = Lock::take(&path)?;
    let mut content = read(&path)?;
    change(&mut content)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)
        .with_context(|| format!("making a file in {}", folder.display()))?;
    file.write_all(as_text(&content)?.as_bytes())
        .and_then(|()| file.as_file().sync_all())
        .context("writing the new file")?;
    file.persist(&path)
        .with_context(|| format!("replacing {}", path.display()))?;
    Ok(())
}

/// Content of a file; null if it is empty or does not exist.
fn read(path: &Path) -> anyhow::Result<Value> {
    let mut text = String::new();
    match fs::File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Value::Null),
        Err(error) => return Err(error).context("opening the file"),
        Ok(file) => {
            let read = file.take(MOST + 1).read_to_string(&mut text);
            read.context("reading the file")?;
        }
    }
    if text.len() as u64 > MOST {
        bail!("the file has more than 4 MiB, which no kubeconfig needs");
    }
    if text.trim().is_empty() {
        return Ok(Value::Null);
    }
    serde_saphyr::from_str(&text)
        .map_err(|error| anyhow::anyhow!("{}", unquoted::yaml(&error)))
        .context("the file is not YAML")
}

/// Text of a kubeconfig file; every text in it is quoted, so that no reader takes one for a number.
pub fn as_text(content: &Value) -> anyhow::Result<String> {
    let options = serde_saphyr::ser_options! { quote_all: true };
    serde_saphyr::to_string_with_options(content, options).context("writing YAML")
}

/// Lock on a kubeconfig file as kubectl takes it: a file beside it.
struct Lock(PathBuf);

impl Lock {
    fn take(path: &Path) -> anyhow::Result<Self> {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(".lock");
        let lock = path.with_file_name(name);
        match fs::File::create_new(&lock) {
            Ok(_) => Ok(Self(lock)),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => bail!(
                "another program is changing the file: try again, and remove {} if none does",
                lock.display()
            ),
            Err(error) => Err(error).with_context(|| format!("making {}", lock.display())),
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_change_replaces_the_target_of_a_link_with_a_private_file() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("real"), folder.path().join("link"));
        fs::write(
            &file,
            "users: [{name: a, user: {password: \"0123\", token: \"1_000\"}}]\n",
        )
        .unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        change(&link, |content| {
            content["kind"] = json!("Config");
            Ok(())
        })
        .unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        let mode = fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let text = fs::read_to_string(&file).unwrap();
        // Readers of YAML 1.1 take such text for numbers where it is not quoted.
        for number in ["0123", "1_000"] {
            let quoted = [format!("'{number}'"), format!("\"{number}\"")];
            assert!(quoted.iter().any(|form| text.contains(form)), "{text}");
        }
        assert_eq!(
            fs::read_dir(folder.path()).unwrap().count(),
            2,
            "no lock is left"
        );
    }

    #[test]
    fn a_failed_change_a_lock_and_damaged_text_leave_the_file_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config");
        fs::write(&file, "kind: Config\n").unwrap();
        assert!(change(&file, |_| bail!("no")).is_err());
        fs::write(folder.path().join("config.lock"), "").unwrap();
        let locked = change(&file, |_| Ok(())).unwrap_err().to_string();
        assert!(locked.contains("another program"), "{locked}");
        assert_eq!(fs::read_to_string(&file).unwrap(), "kind: Config\n");
        let damaged = folder.path().join("damaged");
        let text = "users: [{token: 'secret-in-text}\n";
        fs::write(&damaged, text).unwrap();
        let error = format!("{:#}", change(&damaged, |_| Ok(())).unwrap_err());
        assert!(!error.contains("secret-in-text"), "{error}");
        assert_eq!(fs::read_to_string(&damaged).unwrap(), text);
    }
}
