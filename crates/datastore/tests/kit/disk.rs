//! A small disk for a server under test: a tmpfs that a test fills and frees. Mounting one needs root.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

pub struct Disk {
    folder: PathBuf,
}

impl Drop for Disk {
    fn drop(&mut self) {
        // At once, whatever the server has open.
        let _ = Command::new("umount").arg("-l").arg(&self.folder).status();
    }
}

impl Disk {
    /// Mounts an empty disk of `size`, for example `64m`, over `folder`, which exists.
    pub fn mount(folder: &Path, size: &str) -> Self {
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={size}"), "kamaji-test"]);
        let mounted = mount.arg(folder).output().unwrap();
        let words = String::from_utf8_lossy(&mounted.stderr);
        assert!(
            mounted.status.success(),
            "this test mounts a tmpfs, which needs root: {words}"
        );
        Self {
            folder: folder.to_owned(),
        }
    }

    /// Writes until there is no space.
    pub fn fill(&self) {
        let mut file = std::fs::File::create(self.filler()).unwrap();
        let block = vec![0; 4096];
        while file.write_all(&block).is_ok() {}
    }

    /// Gives the space back that [`fill`](Self::fill) took.
    pub fn free(&self) {
        std::fs::remove_file(self.filler()).unwrap();
    }

    fn filler(&self) -> PathBuf {
        self.folder.join("filler")
    }
}
