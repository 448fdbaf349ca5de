//! Surroundings of a kubelet, so that many of them run on one machine.
//!
//! A node has a network namespace, a control group and a mount namespace in which the usual folders
//! (`/var/lib/kubelet`, `/etc/kubernetes` and so on) are its own. All its mounts end with it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use futures::future::try_join_all;

use crate::bed::Bed;
use crate::cgroup::Cgroup;
use crate::command::{command, output};
use crate::network::Netns;
use crate::wait::until;

/// Folders that each node has for itself.
pub const OWN_FOLDERS: [&str; 11] = [
    "/etc/cni",
    "/etc/kubernetes",
    "/run/cluster-api",
    "/run/containerd",
    "/run/kubeadm",
    "/var/lib/cni",
    "/var/lib/containerd",
    "/var/lib/kubelet",
    "/var/log/containers",
    "/var/log/pods",
    "/usr/libexec/kubernetes",
];

/// File by which a node's folder is known.
const NOTE: &str = "node";

/// Socket of each node's containerd, as seen by the node.
pub const CRI_SOCKET: &str = "unix:///run/containerd/containerd.sock";

/// One node: the management node `mgmt`, or a worker.
#[derive(Debug, Clone)]
pub struct Node {
    bed: Bed,
    name: String,
    cgroup: Cgroup,
}

impl Node {
    /// The node of this name, running or not.
    pub fn named(bed: &Bed, name: &str) -> Result<Self> {
        let cgroup = Cgroup::named(&bed.layout.named(name))?;
        Ok(Self {
            bed: bed.clone(),
            name: name.into(),
            cgroup,
        })
    }

    /// Name of the node, which its cluster uses, too.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Network namespace of the node.
    pub fn netns(&self) -> Netns {
        Netns::of(&self.bed.layout, &self.name)
    }

    /// Folder with everything the node owns.
    pub fn dir(&self) -> PathBuf {
        self.bed.layout.dir(&self.name)
    }

    /// Path of one of [`OWN_FOLDERS`] outside the node's mount namespace.
    pub fn own(&self, folder: &str) -> PathBuf {
        self.dir()
            .join(folder.trim_start_matches('/').replace('/', "-"))
    }

    /// Control group of the node as a kubelet's `cgroup-root`.
    pub fn cgroup_root(&self) -> String {
        self.cgroup.path()
    }

    /// Name of a process of the node among all of the testbed.
    pub fn process(&self, what: &str) -> String {
        format!("{}-{what}", self.name)
    }

    /// A command in all namespaces and the control group of the node; the caller adds arguments.
    pub fn command(&self, program: impl AsRef<Path>) -> Result<Command> {
        let home = self.process("home");
        let Some(holder) = self
            .bed
            .processes
            .identity(&home)
            .filter(|found| found.is_alive())
        else {
            bail!("node {} is not up: no process {home}", self.name);
        };
        let mut command = command("sh", ["-c", "echo $$ > \"$0\" && exec \"$@\""]);
        command.arg(self.cgroup.entry()?).arg("nsenter");
        command.arg(format!("--net={}", self.netns().path().display()));
        command
            .arg(format!("--mount=/proc/{}/ns/mnt", holder.pid))
            .arg("--");
        command
            .arg(program.as_ref())
            .env("PATH", self.bed.tools.search_path());
        Ok(command)
    }

    /// Records the node before anything of it exists, so that it can be removed however far it
    /// gets.
    pub fn announce(&self) -> Result<()> {
        fs::create_dir_all(self.dir())?;
        Ok(fs::write(self.dir().join(NOTE), &self.name)?)
    }

    /// Names of the nodes that were announced below a state folder.
    pub fn announced(state: &Path) -> Result<Vec<String>> {
        let entries = fs::read_dir(state)?.filter_map(Result::ok);
        Ok(entries
            .filter_map(|entry| fs::read_to_string(entry.path().join(NOTE)).ok())
            .collect())
    }

    /// Makes the control group and the mount namespace. The network namespace must exist.
    pub async fn open(&self) -> Result<()> {
        self.cgroup.create()?;
        let dir = self.dir();
        let resolv = format!(
            "nameserver {}\noptions ndots:1\n",
            self.bed.layout.management_ip()
        );
        fs::write(self.resolv_conf(), resolv)?;
        fs::write(
            dir.join("hosts"),
            format!("127.0.0.1 localhost {}\n", self.name),
        )?;
        let mut script = String::from("set -e\nmount --make-rshared /\n");
        for folder in OWN_FOLDERS {
            fs::create_dir_all(self.own(folder))?;
            self.bed.mount_point(folder)?;
            script += &bind(&self.own(folder), Path::new(folder));
        }
        for (file, name) in [("/etc/resolv.conf", "resolv.conf"), ("/etc/hosts", "hosts")] {
            if let Ok(path) = fs::canonicalize(file) {
                script += &bind(&dir.join(name), &path);
            }
        }
        script += "touch \"$1\"\nexec sleep infinity\n";
        let ready = dir.join("home.ready");
        let mut home = self
            .netns()
            .command("unshare --mount --propagation private sh -c");
        home.arg(script).arg("sh").arg(&ready);
        let name = self.process("home");
        self.bed.processes.spawn(&name, home)?;
        until(
            &format!("{name} has its folders"),
            Duration::from_secs(10),
            || async {
                if !ready.exists() {
                    bail!(self.bed.processes.log_excerpt(&name));
                }
                Ok(())
            },
        )
        .await
    }

    /// Path of the node's resolv.conf, which names the DNS of the management cluster.
    pub fn resolv_conf(&self) -> PathBuf {
        self.dir().join("resolv.conf")
    }

    /// Starts containerd and waits until it answers.
    pub async fn start_containerd(&self) -> Result<()> {
        let config = self.dir().join("containerd.toml");
        fs::write(&config, containerd_config(&cni_plugins()?))?;
        let mut containerd = self.command(self.bed.tools.path("containerd")?)?;
        containerd.arg("--config").arg(&config);
        let name = self.process("containerd");
        self.bed.processes.spawn(&name, containerd)?;
        until("containerd answers", Duration::from_secs(30), || async {
            output(self.ctr("version")?)
                .await
                .with_context(|| self.bed.processes.log_excerpt(&name))
        })
        .await?;
        Ok(())
    }

    /// A command of containerd's own client.
    pub fn ctr(&self, line: &str) -> Result<Command> {
        let mut ctr = self.command(self.bed.tools.path("ctr")?)?;
        ctr.args(["--namespace", "k8s.io"])
            .args(line.split_whitespace());
        Ok(ctr)
    }

    /// Loads image archives into containerd.
    pub async fn import(&self, archives: &[PathBuf]) -> Result<()> {
        try_join_all(archives.iter().map(async |archive| {
            let mut import = self.ctr("images import --platform linux/amd64")?;
            import.arg(archive);
            output(import).await
        }))
        .await?;
        Ok(())
    }

    /// Writes the CNI configuration of the node: one link to the node for each pod, so that every
    /// packet passes the node's own rules.
    pub fn write_cni(&self, pod_cidr: &str) -> Result<()> {
        let dir = self.own("/etc/cni").join("net.d");
        fs::create_dir_all(&dir)?;
        let conflist = serde_json::json!({
            "cniVersion": "1.0.0",
            "name": "testbed",
            "plugins": [
                {"type": "ptp", "ipMasq": false, "ipam": {
                    "type": "host-local", "ranges": [[{"subnet": pod_cidr}]],
                    "routes": [{"dst": "0.0.0.0/0"}]}},
                {"type": "portmap", "capabilities": {"portMappings": true}},
            ],
        });
        fs::write(dir.join("10-testbed.conflist"), conflist.to_string())?;
        Ok(())
    }

    /// Ends everything the node runs and removes its namespaces and its control group.
    pub async fn close(&self) -> Result<()> {
        for what in ["kubelet", "containerd"] {
            self.bed
                .processes
                .stop(&self.process(what), Duration::ZERO)
                .await?;
        }
        self.cgroup.remove().await?;
        self.bed
            .processes
            .stop(&self.process("home"), Duration::ZERO)
            .await?;
        self.netns().remove().await?;
        Ok(())
    }
}

fn bind(from: &Path, to: &Path) -> String {
    let (from, to) = (from.display(), to.display());
    format!("mount --bind '{from}' '{to}'\nmount --make-rshared '{to}'\n")
}

/// Folder of the CNI plugins of this machine.
pub fn cni_plugins() -> Result<PathBuf> {
    let known = ["/opt/cni/bin", "/usr/lib/cni", "/usr/libexec/cni"].map(PathBuf::from);
    let found = known.into_iter().find(|dir| dir.join("ptp").exists());
    found.context("no CNI plugins: apt-get install containernetworking-plugins")
}

fn containerd_config(plugins: &Path) -> String {
    let pause = crate::catalogue::PAUSE;
    format!(
        "version = 3
root = '/var/lib/containerd'
state = '/run/containerd'
disabled_plugins = ['io.containerd.nri.v1.nri']
[plugins.'io.containerd.metadata.v1.bolt']
  no_sync = true
[plugins.'io.containerd.internal.v1.opt']
  path = '/var/lib/containerd/opt'
[plugins.'io.containerd.cri.v1.images'.pinned_images]
  sandbox = '{pause}'
[plugins.'io.containerd.cri.v1.runtime']
  # Without this a machine that withholds CAP_SYS_RESOURCE starts no container.
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  [plugins.'io.containerd.cri.v1.runtime'.cni]
    bin_dirs = ['{}']
",
        plugins.display()
    )
}
