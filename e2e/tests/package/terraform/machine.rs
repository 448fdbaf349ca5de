//! A machine that is a folder: the module's scripts with its paths, and programs that note how they were called.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use kamaji_e2e::layout::checkout;
use tempfile::TempDir;

/// Token that the stand-in of kamaji makes.
pub const TOKEN: &str = "abcdef.0123456789abcdef";

/// Notes its words, on one line.
const NOTE: &str =
    "printf '%s ' \"$@\" >> \"$HOME/calls.${0##*/}\"; echo >> \"$HOME/calls.${0##*/}\"";

/// Actions of the programs beyond their note.
const PROGRAMS: [(&str, &str); 6] = [
    ("kamaji", "printf '%s\\n' \"$LINE\""),
    (
        "kubeadm",
        "if [ \"$1\" = join ]; then mkdir -p \"$HOME/etc/pki\"; echo conf > \"$HOME/etc/kubelet.conf\"; echo ca > \"$HOME/etc/pki/ca.crt\"
         else rm -f \"$HOME/etc/kubelet.conf\"; fi",
    ),
    ("kubectl", ""),
    // Prints a control sequence, and keeps the file of known hosts.
    (
        "ssh",
        "printf '\\033[31mssh\\n'; for word; do case $word in UserKnownHostsFile=*) cat \"$(echo \"${word#*=}\" | tr -d '\"')\" >> \"$HOME/known\" ;; esac; done
         exec sh -s",
    ),
    ("id", "echo 0"),
    ("timeout", "shift; exec \"$@\""),
];

pub struct Machine {
    home: TempDir,
}

impl Machine {
    pub fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let at = |name: &str| home.path().join(name);
        for folder in ["bin", "etc", "tmp", "workers/machine"] {
            fs::create_dir_all(at(folder)).unwrap();
        }
        let module = checkout().join("config/terraform/workers");
        let etc = at("etc").display().to_string();
        for name in [
            "common.sh",
            "join.sh",
            "leave.sh",
            "machine/check.sh",
            "machine/join.sh",
            "machine/reset.sh",
        ] {
            let text = fs::read_to_string(module.join(name)).unwrap();
            fs::write(
                at("workers").join(name),
                text.replace("/etc/kubernetes", &etc),
            )
            .unwrap();
        }
        for (name, text) in PROGRAMS {
            let file = at("bin").join(name);
            let quiet = ["id", "timeout"].contains(&name);
            let note = if quiet { "" } else { NOTE };
            fs::write(&file, format!("#!/bin/sh\n{note}\n{text}\n")).unwrap();
            fs::set_permissions(file, Permissions::from_mode(0o755)).unwrap();
        }
        Self { home }
    }

    /// Runs a script of the module with these settings over usual ones; returns its success, and all that it printed.
    pub fn run(&self, script: &str, settings: &[(&str, &str)]) -> (bool, String) {
        let home = self.home.path();
        let path = format!(
            "{}:{}",
            home.join("bin").display(),
            std::env::var("PATH").unwrap()
        );
        let line = format!(
            "kubeadm join 192.0.2.1:6443 --token {TOKEN} --discovery-token-ca-cert-hash sha256:00"
        );
        let mut sh = Command::new("sh");
        sh.arg(home.join("workers").join(script)).current_dir(home);
        sh.env("PATH", path)
            .env("HOME", home)
            .env("TMPDIR", home.join("tmp"));
        for (name, value) in [
            ("KAMAJI_BINARY", "kamaji"),
            ("KAMAJI_KUBECONFIG", "/k8s.conf"),
            ("KAMAJI_CONTEXT", ""),
            ("KAMAJI_TENANT", "team/blue"),
            ("KAMAJI_KEY", "admin.conf"),
            ("KAMAJI_NODE", "w1"),
            ("KAMAJI_COMMAND", "sh -s"),
            ("KAMAJI_HOST", ""),
            ("KAMAJI_PORT", "22"),
            ("KAMAJI_USER", "root"),
            ("KAMAJI_HOST_KEY", ""),
            ("KAMAJI_IDENTITY", ""),
            ("KAMAJI_RESET", "--cri-socket=unix:///run/x.sock"),
            ("KAMAJI_TTL", "15m"),
            ("KAMAJI_ARGUMENTS", "--cri-socket=unix:///run/x.sock -v=5"),
            ("LINE", &line),
        ] {
            sh.env(name, value);
        }
        let done = sh.envs(settings.iter().copied()).output().unwrap();
        let both = [done.stdout, done.stderr].concat();
        (
            done.status.success(),
            String::from_utf8_lossy(&both).into_owned(),
        )
    }

    /// Words of each call of a program.
    pub fn calls(&self, program: &str) -> Vec<String> {
        let noted = fs::read_to_string(self.at(&format!("calls.{program}"))).unwrap_or_default();
        noted
            .lines()
            .map(|line| line.trim_end().to_owned())
            .collect()
    }

    pub fn has(&self, name: &str) -> bool {
        self.at(name).exists()
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.at(name)).unwrap()
    }

    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.at(name), text).unwrap();
    }

    /// No file is left for a while, and none of the machine has the token but the note of kubeadm's words.
    pub fn keeps_no_token(&self) {
        let left = fs::read_dir(self.at("tmp")).unwrap().count();
        assert_eq!(left, 0, "files of the scripts are left");
        let grep = Command::new("grep")
            .args(["-rl", TOKEN])
            .arg(self.home.path())
            .output()
            .unwrap();
        let found = String::from_utf8(grep.stdout).unwrap();
        assert_eq!(found.trim(), self.at("calls.kubeadm").display().to_string());
    }

    fn at(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }
}
