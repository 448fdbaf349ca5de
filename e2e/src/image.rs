//! Container images from binaries, without a container builder or a registry.
//!
//! An image is one layer with the binary, the libraries it is linked to at their own paths, and
//! further files, in the archive format of `docker save`, which containerd imports.

mod oci;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::json;
use sha2::{Digest, Sha256};
use tar::{Builder, EntryType, Header};

/// Users of every image.
const PASSWD: &str = "root:x:0:0::/:/sbin/nologin\nnobody:x:65534:65534::/:/sbin/nologin\n";

/// Names and content of an image.
#[derive(Debug, Clone, Default)]
pub struct Image {
    names: Vec<String>,
    entrypoint: Vec<String>,
    arguments: Vec<String>,
    user: String,
    entries: BTreeMap<String, Content>,
}

#[derive(Debug, Clone)]
enum Content {
    File(PathBuf),
    Link(String),
    Text(String),
    Folder(u32),
}

impl Image {
    /// An image with this full name: registry, repository and tag.
    pub fn named(name: impl Into<String>) -> Self {
        let image = Self {
            names: vec![name.into()],
            ..Self::default()
        };
        image.folder("/tmp", 0o1777).text("/etc/passwd", PASSWD)
    }

    /// Adds a further name of the same image.
    #[must_use]
    pub fn tag(mut self, name: impl Into<String>) -> Self {
        self.names.push(name.into());
        self
    }

    /// Command of containers whose pod does not set one.
    #[must_use]
    pub fn entrypoint(mut self, words: &[&str]) -> Self {
        self.entrypoint = words.iter().map(ToString::to_string).collect();
        self
    }

    /// Arguments of the command in containers whose pod sets neither.
    #[must_use]
    pub fn arguments(mut self, words: &[&str]) -> Self {
        self.arguments = words.iter().map(ToString::to_string).collect();
        self
    }

    /// User of containers whose pod does not set one: `root` or `nobody`; root if it is not set.
    #[must_use]
    pub fn user(mut self, name: &str) -> Self {
        self.user = name.into();
        self
    }

    /// Adds a file of this machine at a path of the image.
    #[must_use]
    pub fn file(mut self, from: impl Into<PathBuf>, to: &str) -> Self {
        self.entries.insert(to.into(), Content::File(from.into()));
        self
    }

    /// Adds a binary of this machine with the libraries it is linked to.
    pub fn binary(self, from: &Path, to: &str) -> Result<Self> {
        let libraries = libraries(from)?;
        Ok(libraries
            .into_iter()
            .fold(self.file(from, to), |image, library| {
                let path = library.display().to_string();
                image.file(library, &path)
            }))
    }

    /// Adds a symbolic link from `path` to `target`.
    #[must_use]
    pub fn link(mut self, path: &str, target: &str) -> Self {
        self.entries
            .insert(path.into(), Content::Link(target.into()));
        self
    }

    /// Adds a file with this text.
    #[must_use]
    pub fn text(mut self, path: &str, text: &str) -> Self {
        self.entries.insert(path.into(), Content::Text(text.into()));
        self
    }

    /// Adds a folder with this mode.
    #[must_use]
    pub fn folder(mut self, path: &str, mode: u32) -> Self {
        self.entries.insert(path.into(), Content::Folder(mode));
        self
    }

    /// First name of the image.
    pub fn name(&self) -> &str {
        &self.names[0]
    }

    /// Path of the archive in a folder, and whether it was written now since the folder had none of
    /// exactly this content.
    pub fn archive(&self, dir: &Path) -> Result<(PathBuf, bool)> {
        let digest = format!("{:x}", Sha256::digest(self.description()?));
        let short = self
            .name()
            .rsplit('/')
            .next()
            .unwrap_or_default()
            .replace([':', '@'], "-");
        let path = dir.join(format!("{short}-{}.tar", &digest[..16]));
        let missing = !path.exists();
        if missing {
            fs::create_dir_all(dir)?;
            let unfinished = path.with_extension(format!("unfinished-{}", std::process::id()));
            self.write(&unfinished)
                .with_context(|| format!("write image {}", self.name()))?;
            fs::rename(unfinished, &path)?;
        }
        Ok((path, missing))
    }

    /// Inputs of the archive; files are listed by size and time.
    fn description(&self) -> Result<String> {
        let mut text = format!(
            "{:?} {:?} {:?} {:?}",
            self.names, self.entrypoint, self.arguments, self.user
        );
        for (path, content) in &self.entries {
            let _ = write!(text, "\n{path} {content:?}");
            if let Content::File(from) = content {
                let data =
                    fs::metadata(from).with_context(|| format!("read {}", from.display()))?;
                let _ = write!(
                    text,
                    " {} {}.{}",
                    data.size(),
                    data.mtime(),
                    data.mtime_nsec()
                );
            }
        }
        Ok(text)
    }

    fn write(&self, path: &Path) -> Result<()> {
        let layer = path.with_extension("layer");
        self.write_layer(&layer)?;
        let diff = sha256(&layer)?;
        let config = self.config(&diff);
        let config_name = format!("{:x}.json", Sha256::digest(&config));
        let manifest = json!([{
            "Config": config_name, "RepoTags": self.names, "Layers": ["layer.tar"]}])
        .to_string();
        let mut archive = Builder::new(File::create(path)?);
        text_entry(&mut archive, "manifest.json", &manifest)?;
        text_entry(&mut archive, &config_name, &config)?;
        archive.append_path_with_name(&layer, "layer.tar")?;
        archive.into_inner()?.flush()?;
        fs::remove_file(layer)?;
        Ok(())
    }

    /// Configuration of the image, with the hash of its layer.
    fn config(&self, diff: &str) -> String {
        json!({
            "architecture": if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" },
            "os": "linux",
            "config": {"Entrypoint": self.entrypoint, "Cmd": self.arguments, "User": self.user,
                "Env": ["PATH=/usr/local/bin:/usr/local/sbin:/usr/bin:/usr/sbin:/bin:/sbin"]},
            "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{diff}")]},
        })
        .to_string()
    }

    fn write_layer(&self, path: &Path) -> Result<()> {
        let mut layer = Builder::new(File::create(path)?);
        for folder in self.folders() {
            let mode = match self.entries.get(&folder) {
                Some(Content::Folder(mode)) => *mode,
                _ => 0o755,
            };
            let member = Member {
                path: &folder,
                kind: EntryType::Directory,
                mode,
                size: 0,
                content: io::empty(),
            };
            member.append(&mut layer)?;
        }
        for (path, content) in &self.entries {
            match content {
                Content::Folder(_) => {}
                Content::Text(text) => text_entry(&mut layer, path, text)?,
                Content::Link(target) => {
                    let mut header = header(EntryType::Symlink, 0o777, 0);
                    layer.append_link(&mut header, path.trim_start_matches('/'), target)?;
                }
                Content::File(from) => {
                    let file =
                        File::open(from).with_context(|| format!("open {}", from.display()))?;
                    let size = file.metadata()?.len();
                    let member = Member {
                        path,
                        kind: EntryType::Regular,
                        mode: 0o755,
                        size,
                        content: file,
                    };
                    member.append(&mut layer)?;
                }
            }
        }
        layer.into_inner()?.flush()?;
        Ok(())
    }

    /// All folders of the image, parents before children.
    fn folders(&self) -> BTreeSet<String> {
        let mut folders = BTreeSet::new();
        for (path, content) in &self.entries {
            let own = matches!(content, Content::Folder(_)).then_some(Path::new(path));
            let parents = Path::new(path).ancestors().skip(1);
            for folder in own
                .into_iter()
                .chain(parents)
                .filter(|folder| folder.parent().is_some())
            {
                folders.insert(folder.display().to_string());
            }
        }
        folders
    }
}

fn header(kind: EntryType, mode: u32, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size);
    header.set_mtime(0);
    header
}

/// One file or folder of an archive.
struct Member<'a, R> {
    path: &'a str,
    kind: EntryType,
    mode: u32,
    size: u64,
    content: R,
}

impl<R: Read> Member<'_, R> {
    fn append(self, archive: &mut Builder<impl Write>) -> Result<()> {
        let mut header = header(self.kind, self.mode, self.size);
        archive
            .append_data(&mut header, self.path.trim_start_matches('/'), self.content)
            .with_context(|| format!("add {}", self.path))
    }
}

fn text_entry<W: Write>(archive: &mut Builder<W>, path: &str, text: &str) -> Result<()> {
    let member = Member {
        path,
        kind: EntryType::Regular,
        mode: 0o644,
        size: u64::try_from(text.len())?,
        content: text.as_bytes(),
    };
    member.append(archive)
}

fn sha256(path: &Path) -> Result<String> {
    let mut hash = Sha256::new();
    let mut file = File::open(path)?;
    let mut block = vec![0; 1 << 20];
    loop {
        let read = file.read(&mut block)?;
        if read == 0 {
            return Ok(format!("{:x}", hash.finalize()));
        }
        hash.update(&block[..read]);
    }
}

/// The libraries and the loader that a binary is linked to; none for a static one.
fn libraries(binary: &Path) -> Result<Vec<PathBuf>> {
    let ldd = Command::new("ldd")
        .arg(binary)
        .output()
        .context("run ldd")?;
    let text = String::from_utf8_lossy(&ldd.stdout);
    if let Some(missing) = text.lines().find(|line| line.contains("not found")) {
        anyhow::bail!(
            "{} needs a library that is not installed: {missing}",
            binary.display()
        );
    }
    let paths = text.lines().filter_map(|line| {
        let place = line.split_once("=>").map_or(line, |(_, place)| place);
        let path = place.trim().split(" (").next()?;
        path.starts_with('/').then(|| PathBuf::from(path))
    });
    Ok(paths.collect())
}

#[cfg(test)]
mod tests;
