//! Workers: real kubelets in namespaces of their own, joined to a cluster as a user joins them.

use std::fs;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::bed::Bed;
use crate::catalogue;
use crate::command::{output, words};
use crate::control_plane::KUBELET_ESSENTIALS;
use crate::kubectl::Kubectl;
use crate::management::{archives, wait_node_ready};
use crate::network::{Netns, connect_worker};
use crate::node::{CRI_SOCKET, Node};
use crate::step::step;
use crate::wait::until;

/// File name of the patch in the folder that `kubeadm join` is given.
pub const KUBELET_PATCH: &str = "kubeletconfiguration0+merge.yaml";

/// Shell loop that starts the kubelet each time kubeadm has written its configuration, as an init
/// system would.
const KUBELET_LOOP: &str = r#"cd /
while :; do
  if [ -f /var/lib/kubelet/config.yaml ] && [ -f /var/lib/kubelet/kubeadm-flags.env ]; then
    . /var/lib/kubelet/kubeadm-flags.env
    "$0" --bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf \
      --kubeconfig=/etc/kubernetes/kubelet.conf \
      --config=/var/lib/kubelet/config.yaml $KUBELET_KUBEADM_ARGS
  fi
  sleep 0.2
done"#;

/// A worker of some cluster.
#[derive(Debug, Clone)]
pub struct Worker {
    bed: Bed,
    index: u8,
    node: Node,
}

/// Arguments of `kubeadm join`, as commands print them.
#[derive(Debug, PartialEq, Eq)]
struct Invitation {
    endpoint: String,
    token: String,
    ca_hash: String,
}

impl Worker {
    /// The worker of this number, running or not.
    pub fn numbered(bed: &Bed, index: u8) -> Result<Self> {
        let node = Node::named(bed, &format!("worker{index}"))?;
        Ok(Self {
            bed: bed.clone(),
            index,
            node,
        })
    }

    /// Brings a worker up and joins it to the cluster of this kubeconfig; it is Ready when this returns.
    pub async fn join(bed: &Bed, index: u8, cluster: &Kubectl) -> Result<Self> {
        let worker = Self::numbered(bed, index)?;
        let title = format!("{}: namespaces, containerd and images", worker.name());
        step(&title, worker.open()).await?;
        worker.join_opened(cluster).await?;
        Ok(worker)
    }

    /// Joins a worker that is open already.
    pub async fn join_opened(&self, cluster: &Kubectl) -> Result<()> {
        let name = self.name();
        step(&format!("{name}: kubeadm join"), self.kubeadm_join(cluster)).await?;
        step(
            &format!("{name}: network, until it is Ready"),
            self.complete(cluster),
        )
        .await
    }

    /// Joins a worker that is open already by the line that `kubeadm token create --print-join-command` or `kamaji join`
    /// printed.
    pub async fn join_by(&self, line: &str, cluster: &Kubectl) -> Result<()> {
        self.accept(&Invitation::parse(line)?, cluster).await?;
        self.complete(cluster).await
    }

    /// Name of the worker's Node.
    pub fn name(&self) -> &str {
        self.node.name()
    }

    /// Address of the worker on the network of the nodes.
    pub fn ip(&self) -> Ipv4Addr {
        self.bed.layout.worker_ip(self.index)
    }

    /// True if the worker's containerd and kubelet run.
    pub fn is_up(&self) -> bool {
        let processes = &self.bed.processes;
        ["containerd", "kubelet"]
            .iter()
            .all(|what| processes.is_alive(&self.node.process(what)))
    }

    /// Namespaces and containerd of the worker.
    pub fn node(&self) -> &Node {
        &self.node
    }

    /// Starts namespaces and containerd and loads images, without a kubelet.
    pub async fn open(&self) -> Result<()> {
        self.node.announce()?;
        connect_worker(&self.bed.layout, self.name(), self.index).await?;
        self.node.open().await?;
        let images = archives(catalogue::worker(&self.bed.tools)?);
        let (images, ()) = futures::try_join!(images, self.node.start_containerd())?;
        self.node.import(&images).await
    }

    /// Starts the loop that runs the kubelet as soon as it is configured.
    pub fn start_kubelet(&self) -> Result<()> {
        let mut kubelet = self.node.command("/bin/sh")?;
        kubelet
            .args(["-c", KUBELET_LOOP])
            .arg(self.bed.tools.path("kubelet")?);
        self.bed
            .processes
            .spawn(&self.node.process("kubelet"), kubelet)?;
        Ok(())
    }

    /// Ends the kubelet and the loop that starts it; its pods go on.
    pub async fn stop_kubelet(&self) -> Result<()> {
        let name = self.node.process("kubelet");
        self.bed.processes.stop_group(&name).await
    }

    async fn kubeadm_join(&self, cluster: &Kubectl) -> Result<()> {
        let mut invite = self.bed.tools.command("kubeadm")?;
        invite.args(["token", "create", "--print-join-command", "--kubeconfig"]);
        let invitation = Invitation::parse(
            &output({
                invite.arg(cluster.kubeconfig());
                invite
            })
            .await?,
        )?;
        self.accept(&invitation, cluster).await
    }

    async fn accept(&self, invitation: &Invitation, cluster: &Kubectl) -> Result<()> {
        let config = self.write_config(invitation)?;
        wait_signed(cluster, invitation).await?;
        self.start_kubelet()?;
        let mut join = self.node.command(self.bed.tools.path("kubeadm")?)?;
        join.args(["join", "--ignore-preflight-errors=all", "--config"])
            .arg(config);
        let joined = output(join).await;
        joined.with_context(|| {
            self.bed
                .processes
                .log_excerpt(&self.node.process("kubelet"))
        })?;
        Ok(())
    }

    /// Settings that a kubelet of the testbed needs beyond its cluster's configuration, for
    /// [`KUBELET_PATCH`].
    pub fn kubelet_patch(&self) -> String {
        format!(
            "{KUBELET_ESSENTIALS}resolvConf: {}\n",
            self.node.resolv_conf().display()
        )
    }

    fn write_config(&self, invitation: &Invitation) -> Result<PathBuf> {
        let patches = self.node.dir().join("patches");
        fs::create_dir_all(&patches)?;
        fs::create_dir_all(self.node.own("/etc/kubernetes").join("manifests"))?;
        fs::write(patches.join(KUBELET_PATCH), self.kubelet_patch())?;
        let config = self.node.dir().join("join.yaml");
        let text = format!(
            "apiVersion: kubeadm.k8s.io/v1beta4
kind: JoinConfiguration
discovery:
  bootstrapToken: {{token: {token}, apiServerEndpoint: '{endpoint}', caCertHashes: ['{hash}']}}
nodeRegistration:
  name: {name}
  criSocket: {CRI_SOCKET}
  kubeletExtraArgs:
  - {{name: node-ip, value: {ip}}}
  - {{name: cgroup-root, value: {cgroup}}}
patches: {{directory: {patches}}}
",
            token = invitation.token,
            endpoint = invitation.endpoint,
            hash = invitation.ca_hash,
            name = self.name(),
            ip = self.bed.layout.worker_ip(self.index),
            cgroup = self.node.cgroup_root(),
            patches = patches.display(),
        );
        fs::write(&config, text)?;
        Ok(config)
    }

    /// Sets up the network of the worker's pods from the range that the cluster has assigned, and
    /// waits until the Node is Ready.
    pub async fn complete(&self, cluster: &Kubectl) -> Result<()> {
        let line = format!("get node {} -o jsonpath={{.spec.podCIDR}}", self.name());
        let cidr = until(
            "the node has addresses for pods",
            Duration::from_mins(1),
            || async {
                let cidr = cluster.run(&line).await?;
                if cidr.is_empty() {
                    bail!("spec.podCIDR of node {} is empty", self.name());
                }
                Ok(cidr)
            },
        )
        .await?;
        self.node.write_cni(&cidr)?;
        self.route_pods(cluster, &cidr).await?;
        let ready = wait_node_ready(cluster, self.name()).await;
        ready.with_context(|| {
            self.bed
                .processes
                .log_excerpt(&self.node.process("kubelet"))
        })
    }

    /// Routes between this worker's pods and those of the cluster's other workers, as a network
    /// add-on does in a user's cluster.
    async fn route_pods(&self, cluster: &Kubectl, cidr: &str) -> Result<()> {
        let nodes = cluster.json("get nodes").await?;
        let layout = &self.bed.layout;
        let own = Netns::of(layout, self.name());
        let ip = layout.worker_ip(self.index);
        for node in nodes["items"].as_array().into_iter().flatten() {
            let name = node["metadata"]["name"].as_str().unwrap_or_default();
            let Some(theirs) = node["spec"]["podCIDR"].as_str() else {
                continue;
            };
            let addresses = node["status"]["addresses"].as_array();
            let address = addresses
                .into_iter()
                .flatten()
                .find(|address| address["type"] == "InternalIP");
            let other = Netns::of(layout, name);
            let Some(address) = address.and_then(|a| a["address"].as_str()) else {
                continue;
            };
            if name == self.name() || !other.path().exists() {
                continue;
            }
            own.lines(&format!("ip route replace {theirs} via {address}"))
                .await?;
            other
                .lines(&format!("ip route replace {cidr} via {ip}"))
                .await?;
        }
        Ok(())
    }

    /// Ends the worker as if its plug had been pulled, and removes everything of it. The Node
    /// object stays in its cluster.
    pub async fn remove(&self) -> Result<()> {
        self.node.close().await?;
        match fs::remove_dir_all(self.node.dir()) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Runs a line, split at blanks, in the worker's namespaces, as a login on that machine would.
    pub async fn run(&self, line: &str) -> Result<String> {
        let line = words(line);
        let mut command = self.node.command(line.get_program())?;
        command.args(line.get_args());
        output(command).await
    }
}

/// Waits until the cluster's controllers have signed cluster-info with the token; without a signature
/// kubeadm would retry only after several seconds.
async fn wait_signed(cluster: &Kubectl, invitation: &Invitation) -> Result<()> {
    let id = invitation.token.split('.').next().unwrap_or_default();
    let key = format!("jws-kubeconfig-{id}");
    until(
        "cluster-info is signed for the token",
        Duration::from_mins(1),
        || async {
            let info = cluster
                .json("-n kube-public get configmap cluster-info")
                .await?;
            ensure!(
                info["data"][&key].is_string(),
                "kube-public/cluster-info has no {key}"
            );
            Ok(())
        },
    )
    .await
}

impl Invitation {
    fn parse(line: &str) -> Result<Self> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let after = |word: &str| {
            let at = words.iter().position(|candidate| *candidate == word);
            let found = at.and_then(|at| words.get(at + 1)).map(ToString::to_string);
            found.with_context(|| format!("kubeadm's join command has no {word}: {line}"))
        };
        Ok(Self {
            endpoint: after("join")?,
            token: after("--token")?,
            ca_hash: after("--discovery-token-ca-cert-hash")?,
        })
    }
}

#[cfg(test)]
mod tests;
