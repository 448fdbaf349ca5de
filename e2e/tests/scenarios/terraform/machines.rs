//! Two workers of the testbed as machines: containerd runs, and the kubelet starts once kubeadm has written its files.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use kamaji_e2e::catalogue::program;
use kamaji_e2e::command::{command, output};
use kamaji_e2e::kubectl::Kubectl;
use kamaji_e2e::node::CRI_SOCKET;
use kamaji_e2e::testbed::Testbed;
use kamaji_e2e::wait::until;
use kamaji_e2e::worker::{KUBELET_PATCH, Worker};
use serde_json::{Value, json};

const LOCAL: u8 = 3;
const REMOTE: u8 = 4;
/// Folder of patches on each machine.
const PATCHES: &str = "/etc/kubernetes/patches";

/// A machine that joins by a command of this machine, and one that joins by SSH.
pub struct Machines {
    /// Public key of another host.
    pub other_key: String,
    host_key: String,
    workers: [Worker; 2],
    /// Folder with the keys, and with the script that runs another one on the first machine.
    base: PathBuf,
}

impl Machines {
    /// Starts both.
    pub async fn open(testbed: &Testbed) -> Result<Self> {
        let workers = [
            Worker::numbered(&testbed.bed, LOCAL)?,
            Worker::numbered(&testbed.bed, REMOTE)?,
        ];
        for worker in &workers {
            worker.open().await?;
            let own = worker.node().own("/etc/kubernetes");
            fs::create_dir_all(own.join("manifests"))?;
            // The same path on both machines, with content of their own.
            fs::create_dir_all(own.join("patches"))?;
            let patch = format!(
                "{}cgroupRoot: {}\n",
                worker.kubelet_patch(),
                worker.node().cgroup_root()
            );
            fs::write(own.join("patches").join(KUBELET_PATCH), patch)?;
            worker.start_kubelet()?;
        }
        let base = testbed.bed.layout.dir("terraform-machines");
        let path = search_path(testbed, &base)?;
        write_enter(&workers[0], &path, &base.join("enter"))?;
        ssh((testbed, &workers[1]), &path, &base).await?;
        let key = |name: &str| fs::read_to_string(base.join(name).with_extension("pub"));
        Ok(Self {
            other_key: key("user")?,
            host_key: key("host-ed25519")?,
            workers,
            base,
        })
    }

    /// Name of the machine with SSH.
    pub fn remote(&self) -> &str {
        self.workers[1].name()
    }

    /// Key that the machine with SSH lets in.
    pub fn private_key_file(&self) -> PathBuf {
        self.base.join("user")
    }

    /// The machines as the module takes them.
    pub fn terraform(&self) -> Value {
        let [local, remote] = &self.workers;
        json!({
            local.name(): {"command": self.base.join("enter")},
            remote.name(): {"host": remote.ip(), "host_key": self.host_key},
        })
    }

    /// Gives the workers their network, and waits until they are Ready.
    pub async fn are_ready(&self, tenant: &Kubectl) -> Result<()> {
        for worker in &self.workers {
            for file in traces(worker) {
                ensure!(file.exists(), "{} is missing", file.display());
            }
            worker.complete(tenant).await?;
        }
        Ok(())
    }

    /// Ends the kubelets, as an init system does when `kubeadm reset` asks it to; the testbed has none.
    pub async fn stop_kubelets(&self) -> Result<()> {
        for worker in &self.workers {
            worker.stop_kubelet().await?;
        }
        Ok(())
    }

    /// Starts the kubelets as soon as they are configured.
    pub fn start_kubelets(&self) -> Result<()> {
        self.workers.iter().try_for_each(Worker::start_kubelet)
    }

    /// Neither machine has files of a cluster, or its containers.
    pub async fn are_clean(&self) -> Result<()> {
        for worker in &self.workers {
            for file in traces(worker) {
                ensure!(!file.exists(), "{} is left", file.display());
            }
            let list = worker.node().ctr("containers list --quiet")?;
            let containers = output(list).await?;
            let name = worker.name();
            ensure!(containers.trim().is_empty(), "{name} runs {containers}");
        }
        Ok(())
    }

    /// Ends both.
    pub async fn remove(&self) -> Result<()> {
        for worker in &self.workers {
            worker.remove().await?;
        }
        Ok(())
    }
}

/// Further arguments of `kubeadm join` for a kubelet of the testbed.
pub fn join_arguments() -> [String; 3] {
    [
        "--ignore-preflight-errors=all".to_owned(),
        format!("--cri-socket={CRI_SOCKET}"),
        format!("--patches={PATCHES}"),
    ]
}

/// Files that a machine of a cluster has, seen from this one.
fn traces(worker: &Worker) -> [PathBuf; 5] {
    [
        ("/etc/kubernetes", "kubelet.conf"),
        ("/etc/kubernetes", "kamaji-joined"),
        ("/etc/kubernetes", "pki/ca.crt"),
        ("/var/lib/kubelet", "config.yaml"),
        ("/var/lib/kubelet", "pki"),
    ]
    .map(|(folder, file)| worker.node().own(folder).join(file))
}

/// PATH of the machines, in which kubeadm does not find the init system of this one.
fn search_path(testbed: &Testbed, base: &Path) -> Result<String> {
    let own = base.join("bin");
    fs::create_dir_all(&own)?;
    write_program(&own.join("systemctl"), "exit 1")?;
    Ok(format!(
        "{}:{}",
        own.display(),
        testbed.bed.tools.search_path()
    ))
}

/// Writes a program that runs the script of its standard input on a machine.
fn write_enter(worker: &Worker, path: &str, file: &Path) -> Result<()> {
    let mut on_it = worker.node().command("/bin/sh")?;
    on_it.arg("-s");
    let (path, line) = (quoted(path), shell(&on_it));
    write_program(file, &format!("PATH={path}\nexport PATH\nexec {line}"))
}

fn write_program(file: &Path, text: &str) -> Result<()> {
    fs::write(file, format!("#!/bin/sh\n{text}\n"))?;
    Ok(fs::set_permissions(file, Permissions::from_mode(0o755))?)
}

/// Starts a server of SSH on a worker, with keys of two kinds, as machines have.
async fn ssh((testbed, worker): (&Testbed, &Worker), path: &str, base: &Path) -> Result<()> {
    let sshd = program("sshd").context("apt-get install openssh-server")?;
    for (name, kind) in [
        ("host-ed25519", "ed25519"),
        ("host-ecdsa", "ecdsa"),
        ("user", "ed25519"),
    ] {
        let file = base.join(name);
        if !file.exists() {
            let mut keygen = command("ssh-keygen", ["-q", "-t", kind, "-N", "", "-f"]);
            keygen.arg(file);
            output(keygen).await?;
        }
    }
    testbed.bed.mount_point("/run/sshd")?;
    let config = base.join("sshd_config");
    let text = format!(
        "ListenAddress {}\nHostKey {base}/host-ecdsa\nHostKey {base}/host-ed25519\nAuthorizedKeysFile {base}/user.pub\n\
         PermitRootLogin prohibit-password\nStrictModes no\nUsePAM no\nPidFile none\nSetEnv PATH={path}\n",
        worker.ip(),
        base = base.display(),
    );
    fs::write(&config, text)?;
    let mut server = worker.node().command(sshd)?;
    server.args(["-D", "-e", "-f"]).arg(&config);
    let name = worker.node().process("sshd");
    testbed.bed.processes.spawn(&name, server)?;
    let address = format!("{}:22", worker.ip());
    let limit = Duration::from_secs(20);
    until("the machine answers by SSH", limit, || async {
        let connected = tokio::net::TcpStream::connect(&address).await;
        connected.with_context(|| testbed.bed.processes.log_excerpt(&name))
    })
    .await?;
    Ok(())
}

/// The command as a line of a shell.
fn shell(command: &Command) -> String {
    let words = [command.get_program()]
        .into_iter()
        .chain(command.get_args());
    let quoted: Vec<String> = words.map(|word| quoted(&word.to_string_lossy())).collect();
    quoted.join(" ")
}

fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}
