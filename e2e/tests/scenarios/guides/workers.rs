//! Workers of the tenant `demo`: upgraded, and taken out of the cluster.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use anyhow::{Context, Result, ensure};
use kamaji_e2e::command::output;
use kamaji_e2e::pages::Block;
use kamaji_e2e::tenant::Tenant;
use kamaji_e2e::wait::until;
use kamaji_e2e::worker::Worker;

use super::LIMIT;
use super::shell::Guides;

/// Number of the worker, which `make up` does not make.
const WORKER: u8 = 1;

/// Command that checks the machine, whose control groups are of version 1.
const UPGRADE: &str = "kubeadm upgrade node";

/// Stand-in for an init system: ends the kubelet, which the process PID starts again.
const SYSTEMCTL: &str = "#!/bin/sh
case \"$*\" in
'restart kubelet') exec pkill -P PID ;;
*) exit 1 ;;
esac
";

impl Guides {
    /// Upgrades a worker to the version that it has, and takes it out; then both are removed.
    pub async fn workers(&self, tenant: &Tenant) -> Result<()> {
        let [wait, drain, upgrade, uncordon] = self.of("docs/guides/upgrade.md")?;
        let kubectl = tenant.kubectl().await?;
        let worker = Worker::numbered(&self.testbed.bed, WORKER)?;
        self.run(wait).await?;
        self.run(drain).await?;
        let before = self.kubelet(&worker).await?;
        self.on(&worker, upgrade).await?;
        until("the kubelet is another process", LIMIT, || async {
            let now = self.kubelet(&worker).await?;
            ensure!(now != before, "it is {now}");
            Ok(())
        })
        .await?;
        self.run(uncordon).await?;
        let node = worker.name();
        let line = format!("wait --for=condition=Ready node/{node} --timeout=60s");
        kubectl.run(&line).await?;

        let [leave, reset] = self.of("docs/guides/workers.md")?;
        self.run(leave).await?;
        // The testbed's init system: `kubeadm reset` asks it to end the kubelet.
        worker.stop_kubelet().await?;
        self.on(&worker, reset).await?;
        for file in ["kubelet.conf", "pki/ca.crt"] {
            let file = worker.node().own("/etc/kubernetes").join(file);
            ensure!(!file.exists(), "{} is left", file.display());
        }
        let left = kubectl.run("get nodes -o name").await?;
        ensure!(!left.contains(node), "{left}");
        // A kubelet that watches holds the API server's pod for its whole grace period.
        for number in [0, WORKER] {
            let worker = Worker::numbered(&self.testbed.bed, number)?;
            worker.remove().await?;
        }
        Ok(())
    }

    /// Types a block on a worker.
    async fn on(&self, worker: &Worker, block: &Block) -> Result<()> {
        let bin = self.main.file("init");
        fs::create_dir_all(&bin)?;
        let systemctl = bin.join("systemctl");
        let pid = self.kubelet_loop(worker).unwrap_or_default();
        fs::write(&systemctl, SYSTEMCTL.replace("PID", &pid))?;
        fs::set_permissions(&systemctl, Permissions::from_mode(0o755))?;
        let script = self.text(&self.main, block);
        let script = script.replace(
            UPGRADE,
            &format!("{UPGRADE} --ignore-preflight-errors=SystemVerification"),
        );
        let mut bash = worker.node().command("/bin/bash")?;
        let path = self.testbed.bed.tools.search_path();
        bash.args(["-euo", "pipefail", "-c", &script])
            .env("PATH", format!("{}:{path}", bin.display()));
        output(bash)
            .await
            .with_context(|| block.to_string())
            .map(drop)
    }

    /// Process that starts the worker's kubelet each time.
    fn kubelet_loop(&self, worker: &Worker) -> Option<String> {
        let name = worker.node().process("kubelet");
        let found = self.testbed.bed.processes.identity(&name);
        found.map(|identity| identity.pid.to_string())
    }

    /// Process of the worker's kubelet.
    async fn kubelet(&self, worker: &Worker) -> Result<String> {
        let parent = self
            .kubelet_loop(worker)
            .context("the kubelet was never started")?;
        let line = format!("pgrep -P {parent} kubelet");
        self.script(&self.main, &line).await
    }
}
