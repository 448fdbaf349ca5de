//! Limits of the machine that a testbed raises and restores.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// File below the state folder with the values from before.
const SAVED: &str = "sysctls.json";

/// Raises the limits that a dozen control planes and two kubelets exceed.
pub fn raise(state: &Path) -> Result<()> {
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let wanted = [
        ("fs/inotify/max_user_instances", 8192, false),
        ("fs/inotify/max_user_watches", 1_048_576, false),
        // The value that kube-proxy needs: in a namespace it cannot write it, and exits if it differs.
        (
            "net/netfilter/nf_conntrack_max",
            (32_768 * processors).max(131_072),
            true,
        ),
    ];
    let mut saved: BTreeMap<&str, usize> = BTreeMap::new();
    for (name, value, exactly) in wanted {
        let Ok(text) = fs::read_to_string(file(name)) else {
            continue;
        };
        let old: usize = text
            .trim()
            .parse()
            .with_context(|| format!("read {name}"))?;
        if old < value || exactly && old != value {
            saved.insert(name, old);
            fs::write(state.join(SAVED), serde_json::to_vec(&saved)?)?;
            fs::write(file(name), value.to_string()).with_context(|| format!("set {name}"))?;
        }
    }
    Ok(())
}

/// Restores the limits that [`raise`] has changed.
pub fn restore(state: &Path) -> Result<()> {
    let Ok(saved) = fs::read(state.join(SAVED)) else {
        return Ok(());
    };
    let saved: BTreeMap<String, usize> = serde_json::from_slice(&saved)?;
    for (name, value) in saved {
        fs::write(file(&name), value.to_string()).with_context(|| format!("set {name}"))?;
    }
    Ok(())
}

fn file(name: &str) -> PathBuf {
    Path::new("/proc/sys").join(name)
}
