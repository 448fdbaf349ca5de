//! Parts that the whole testbed shares: names, binaries and processes.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::layout::Layout;
use crate::process::Processes;
use crate::tools::Tools;

/// Layout, binaries and processes of a testbed.
#[derive(Debug, Clone)]
pub struct Bed {
    /// Names and addresses of the testbed.
    pub layout: Layout,
    /// Binaries that the testbed runs.
    pub tools: Tools,
    /// Processes that the testbed has started.
    pub processes: Processes,
}

impl Bed {
    /// A testbed with this layout, running or not.
    pub fn new(layout: Layout, tools: Tools) -> Self {
        let processes = Processes::below(&layout.state);
        Self {
            layout,
            tools,
            processes,
        }
    }

    /// Creates a folder of this machine to mount something on, and records which of its parents did
    /// not exist.
    pub fn mount_point(&self, folder: &str) -> Result<()> {
        let path = Path::new(folder);
        let missing: Vec<&Path> = path.ancestors().take_while(|dir| !dir.exists()).collect();
        let mut made = fs::File::options()
            .create(true)
            .append(true)
            .open(self.made())?;
        for dir in missing.iter().rev() {
            fs::create_dir(dir).with_context(|| format!("create {}", dir.display()))?;
            writeln!(made, "{}", dir.display())?;
        }
        Ok(())
    }

    /// Removes the folders that [`Bed::mount_point`] created, unless they have content.
    pub fn remove_mount_points(&self) {
        let made = fs::read_to_string(self.made()).unwrap_or_default();
        for dir in made.lines().rev() {
            // Fails for a folder with content, which another process uses.
            let _ = fs::remove_dir(dir);
        }
    }

    fn made(&self) -> PathBuf {
        self.layout.state.join("made-folders")
    }
}
