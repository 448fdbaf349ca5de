//! Control group of a node, and the processes in it.
//!
//! Everything that a node starts inherits its control group, so the group's own list is the exact
//! set of processes to end when the node is removed, shims and containers included.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::Signal;

use crate::process::Identity;
use crate::wait::until;

const ROOT: &str = "/sys/fs/cgroup";

/// The control group of one node, in every hierarchy of the machine.
#[derive(Debug, Clone)]
pub struct Cgroup {
    name: String,
    hierarchies: Vec<PathBuf>,
}

impl Cgroup {
    /// The group of this name, which need not exist.
    pub fn named(name: &str) -> Result<Self> {
        let root = Path::new(ROOT);
        let hierarchies = if root.join("cgroup.controllers").exists() {
            vec![root.to_path_buf()]
        } else {
            let mut found = Vec::new();
            for entry in fs::read_dir(root).with_context(|| format!("read {ROOT}"))? {
                let path = entry?.path();
                // Links name a hierarchy twice.
                if path.is_dir() && !path.is_symlink() && path.join("cgroup.procs").exists() {
                    found.push(path);
                }
            }
            found.sort();
            found
        };
        if hierarchies.is_empty() {
            bail!("no control groups below {ROOT}: mount them, a kubelet needs them");
        }
        Ok(Self {
            name: name.into(),
            hierarchies,
        })
    }

    /// Path of the group as a kubelet's `cgroup-root` takes it.
    pub fn path(&self) -> String {
        format!("/{}", self.name)
    }

    /// File that a process writes its pid to in order to join, in a leaf of its own since only leaves
    /// hold processes in the newer version of control groups.
    pub fn entry(&self) -> Result<PathBuf> {
        let pids = Path::new(ROOT).join("pids");
        let home = self
            .hierarchies
            .iter()
            .find(|path| **path == pids)
            .or(self.hierarchies.first());
        let home = home.context("no control group hierarchy")?;
        Ok(home.join(&self.name).join("system").join("cgroup.procs"))
    }

    /// Creates the group with all controllers.
    pub fn create(&self) -> Result<()> {
        for hierarchy in &self.hierarchies {
            let own = hierarchy.join(&self.name);
            fs::create_dir_all(&own).with_context(|| format!("create {}", own.display()))?;
            match fs::read_to_string(hierarchy.join("cgroup.controllers")) {
                Ok(controllers) => delegate(&[hierarchy, &own], &controllers),
                Err(_) => inherit_cpuset(hierarchy, &own)?,
            }
        }
        let entry = self.entry()?;
        let leaf = entry.parent().context("the entry lies in a folder")?;
        fs::create_dir_all(leaf)?;
        if leaf
            .parent()
            .is_some_and(|own| own.join("cpuset.cpus").exists())
        {
            inherit_cpuset(leaf.parent().unwrap_or(leaf), leaf)?;
        }
        Ok(())
    }

    /// Ends every process in the group and removes it.
    pub async fn remove(&self) -> Result<()> {
        // A process that has just ended may keep its group busy for a moment.
        until(
            "the control group is empty",
            Duration::from_secs(10),
            || async {
                self.processes()?
                    .iter()
                    .for_each(|process| process.signal(Signal::KILL));
                self.hierarchies
                    .iter()
                    .try_for_each(|path| remove_tree(&path.join(&self.name)))
            },
        )
        .await
    }

    /// The processes in the group and below it.
    pub fn processes(&self) -> Result<Vec<Identity>> {
        let mut found = Vec::new();
        for hierarchy in &self.hierarchies {
            collect(&hierarchy.join(&self.name), &mut found)?;
        }
        Ok(found)
    }
}

/// Hands controllers down one level after another; a controller that is refused is one the machine
/// does without.
fn delegate(levels: &[&Path], controllers: &str) {
    for level in levels {
        for controller in controllers.split_whitespace() {
            let _ = fs::write(
                level.join("cgroup.subtree_control"),
                format!("+{controller}"),
            );
        }
    }
}

/// Fills a new cpuset of cgroup v1, which takes no process while it is empty.
fn inherit_cpuset(from: &Path, to: &Path) -> Result<()> {
    for file in ["cpuset.cpus", "cpuset.mems"] {
        if from.join(file).exists() {
            fs::write(to.join(file), fs::read(from.join(file))?)
                .with_context(|| format!("fill {}", to.join(file).display()))?;
        }
    }
    Ok(())
}

fn collect(dir: &Path, found: &mut Vec<Identity>) -> Result<()> {
    let Some(text) = gone_is_none(fs::read_to_string(dir.join("cgroup.procs")))? else {
        return Ok(());
    };
    found.extend(
        text.lines()
            .filter_map(|line| Identity::of(line.parse().ok()?)),
    );
    for child in children(dir)? {
        collect(&child, found)?;
    }
    Ok(())
}

fn remove_tree(dir: &Path) -> Result<()> {
    for child in children(dir)? {
        remove_tree(&child)?;
    }
    let removed = gone_is_none(fs::remove_dir(dir));
    removed.with_context(|| format!("remove control group {}", dir.display()))?;
    Ok(())
}

fn children(dir: &Path) -> Result<Vec<PathBuf>> {
    let Some(entries) = gone_is_none(fs::read_dir(dir))? else {
        return Ok(Vec::new());
    };
    let paths = entries.filter_map(|entry| entry.ok().map(|entry| entry.path()));
    Ok(paths.filter(|path| path.is_dir()).collect())
}

fn gone_is_none<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        // Reading a group that is removed meanwhile ends in "no such device".
        Err(error) if matches!(error.raw_os_error(), Some(2 | 19)) => Ok(None),
        Err(error) => Err(error),
    }
}
