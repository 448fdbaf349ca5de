//! What do all parts of a testbed share?

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::layout::Layout;
use crate::process::Processes;
use crate::tools::Tools;

/// The ground a testbed is built on: its names, its binaries, its processes.
#[derive(Debug, Clone)]
pub struct Bed {
    /// Names and addresses.
    pub layout: Layout,
    /// Binaries.
    pub tools: Tools,
    /// Running processes.
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

    /// Makes a folder of this machine that something can be mounted on, and remembers which of its
    /// parents were not there.
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

    /// Removes the folders that [`Bed::mount_point`] made, unless somebody has put something there.
    pub fn remove_mount_points(&self) {
        let made = fs::read_to_string(self.made()).unwrap_or_default();
        for dir in made.lines().rev() {
            // A folder that is not empty is in use by somebody else now.
            let _ = fs::remove_dir(dir);
        }
    }

    fn made(&self) -> PathBuf {
        self.layout.state.join("made-folders")
    }
}
