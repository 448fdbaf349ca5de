//! Check of what a testbed needs from this machine.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Result, bail};

use crate::catalogue::program;
use crate::node::cni_plugins;

/// Programs of the machine that a testbed calls, and the Debian package each comes from.
const PROGRAMS: [(&str, &str); 14] = [
    ("busybox", "busybox-static"),
    ("conntrack", "conntrack"),
    ("curl", "curl"),
    ("ip", "iproute2"),
    ("ipset", "ipset"),
    ("iptables", "iptables"),
    ("ldd", "libc-bin"),
    ("mount", "mount"),
    ("nft", "nftables"),
    ("nsenter", "util-linux"),
    ("runc", "runc"),
    ("sysctl", "procps"),
    ("unshare", "util-linux"),
    ("xtables-nft-multi", "iptables"),
];

/// Fails with everything that is missing and what to do about it.
pub fn check() -> Result<()> {
    let mut missing = String::new();
    if !cfg!(target_os = "linux") {
        bail!("the testbed needs Linux (namespaces, control groups): use a Linux machine or a VM");
    }
    if !rustix::process::geteuid().is_root() {
        let _ = write!(
            missing,
            "\n- root, for namespaces and control groups: run it with sudo -E"
        );
    }
    if !Path::new("/sys/fs/cgroup/pids").exists()
        && !Path::new("/sys/fs/cgroup/cgroup.controllers").exists()
    {
        let _ = write!(
            missing,
            "\n- control groups: mount them below /sys/fs/cgroup"
        );
    }
    let mut packages: Vec<&str> = Vec::new();
    for (name, package) in PROGRAMS {
        if program(name).is_err() {
            let _ = write!(missing, "\n- the program {name}");
            packages.push(package);
        }
    }
    if cni_plugins().is_err() {
        let _ = write!(
            missing,
            "\n- the CNI plugins, in /opt/cni/bin or /usr/lib/cni"
        );
        packages.push("containernetworking-plugins");
    }
    if !packages.is_empty() {
        packages.dedup();
        let packages = packages.join(" ");
        let _ = write!(
            missing,
            "\n  `make deps` installs them; elsewhere: apt-get install {packages}"
        );
    }
    if missing.is_empty() {
        return Ok(());
    }
    bail!("the testbed cannot run here; missing:{missing}")
}
