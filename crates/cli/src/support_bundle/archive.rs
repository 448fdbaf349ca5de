//! File or folder that a bundle is written to: only its owner may read it, and it has its name once it is whole.

use std::{
    fs,
    io::Write,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use anyhow::Context;
use flate2::{Compression, write::GzEncoder};
use tempfile::{NamedTempFile, TempDir};

/// A bundle that is being written.
pub enum Archive {
    /// Archive in the format tar, compressed by gzip.
    File(Box<tar::Builder<GzEncoder<NamedTempFile>>>, PathBuf),
    /// Folder with a file for each kind.
    Folder(TempDir, PathBuf),
}

impl Archive {
    /// Begins an archive if the name ends with `.tar.gz` or `.tgz`, else a folder.
    pub fn create(path: &Path) -> anyhow::Result<Self> {
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new("."));
        let making = || format!("writing in {}", folder.display());
        let name = path.to_string_lossy();
        if name.ends_with(".tar.gz") || name.ends_with(".tgz") {
            let file = NamedTempFile::new_in(folder).with_context(making)?;
            let encoder = GzEncoder::new(file, Compression::default());
            return Ok(Self::File(
                Box::new(tar::Builder::new(encoder)),
                path.to_owned(),
            ));
        }
        let made = TempDir::new_in(folder).with_context(making)?;
        fs::set_permissions(made.path(), fs::Permissions::from_mode(0o700)).with_context(making)?;
        Ok(Self::Folder(made, path.to_owned()))
    }

    /// Adds a file; `name` is one of this program's, in folders of its own.
    pub fn add(&mut self, name: &str, text: &str) -> anyhow::Result<()> {
        let written = match self {
            Self::File(builder, _) => {
                let mut header = tar::Header::new_gnu();
                header.set_size(text.len() as u64);
                header.set_mode(0o600);
                builder.append_data(&mut header, format!("bundle/{name}"), text.as_bytes())
            }
            Self::Folder(folder, _) => {
                let path = folder.path().join(name);
                let parent = path.parent().unwrap_or(folder.path());
                fs::create_dir_all(parent).and_then(|()| fs::write(&path, text))
            }
        };
        written.with_context(|| format!("writing {name}"))
    }

    /// Ends the bundle and gives it its name, which nothing may have taken meanwhile.
    pub fn finish(self) -> anyhow::Result<()> {
        match self {
            Self::File(builder, path) => {
                let mut file = builder.into_inner().and_then(GzEncoder::finish)?;
                file.flush()?;
                let named = file.persist_noclobber(&path);
                named.with_context(|| format!("naming {}", path.display()))?;
            }
            Self::Folder(folder, path) => {
                fs::rename(folder.path(), &path)
                    .with_context(|| format!("naming {}", path.display()))?;
                // What the guard would remove has another name now.
                let _ = folder.keep();
            }
        }
        Ok(())
    }
}
