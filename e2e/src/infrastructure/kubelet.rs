//! Machines that are real kubelets: a worker of the testbed runs the bootstrap data it is given.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use kube::ResourceExt;
use kube::api::DynamicObject;
use kube::runtime::controller::Action;
use tokio::sync::Mutex;

use super::cloud_config::{self, CloudConfig};
use super::machine::{MachineInput, MachineProvider};
use crate::bed::Bed;
use crate::command::{feed, output};
use crate::kubectl::Kubectl;
use crate::worker::{KUBELET_PATCH, Worker};

/// Numbers of the workers that are machines; lower ones belong to `testbed join`.
const NUMBERS: std::ops::Range<u8> = 8..16;

/// File in a worker's folder with the machine that it is.
const MACHINE: &str = "machine";
/// File that marks that the bootstrap data has been run.
const BOOTSTRAPPED: &str = "bootstrapped";
/// File that marks that the machine's pods have a network.
const COMPLETED: &str = "completed";

/// Folder in the machine's image with the patches that a kubelet of the testbed needs.
pub const PATCHES: &str = "/etc/kubernetes/patches";

/// Writes standard input to a file with these permissions.
const WRITE: &str = r#"mkdir -p "$(dirname "$1")" && cat > "$1" && chmod "$2" "$1""#;

/// Machines that are workers of the testbed.
pub struct Kubelets {
    bed: Bed,
    // One number is given to one machine.
    numbers: Mutex<()>,
}

impl Kubelets {
    /// Machines on this testbed.
    pub fn new(bed: &Bed) -> Self {
        Self {
            bed: bed.clone(),
            numbers: Mutex::default(),
        }
    }

    /// The testbed with the kubelet and the kubeadm that a Machine asks for, as if its image had them.
    async fn bed_of(&self, machine: &DynamicObject) -> Result<Bed> {
        let mut bed = self.bed.clone();
        if let Some(version) = machine.data["spec"]["version"].as_str() {
            bed.tools = bed.tools.of_version(version).await?;
        }
        Ok(bed)
    }

    async fn find_or_take(&self, bed: &Bed, key: &str) -> Result<Worker> {
        let _guard = self.numbers.lock().await;
        if let Some(worker) = find(bed, key)? {
            return Ok(worker);
        }
        for number in NUMBERS {
            let worker = Worker::numbered(bed, number)?;
            let dir = worker.node().dir();
            if !dir.exists() {
                fs::create_dir_all(&dir)?;
                fs::write(dir.join(MACHINE), key)?;
                return Ok(worker);
            }
        }
        anyhow::bail!("all workers of the testbed are taken")
    }

    /// Starts the machine as if its image had been booted, and runs the bootstrap data.
    async fn boot(&self, worker: &Worker, input: &MachineInput<'_>) -> Result<()> {
        let config = cloud_config::parse(input.bootstrap, &known(worker, input))?;
        worker.open().await?;
        let file = format!("{PATCHES}/{KUBELET_PATCH}");
        write(worker, &file, "0644", &worker.kubelet_patch()).await?;
        worker.start_kubelet()?;
        run(worker, &config).await
    }

    fn kubectl(&self, worker: &Worker, kubeconfig: &str) -> Result<Kubectl> {
        let path = worker.node().dir().join("tenant.kubeconfig");
        fs::write(&path, kubeconfig)?;
        Kubectl::new(&self.bed.tools, &path)
    }
}

impl MachineProvider for Kubelets {
    const KIND: &'static str = "KubeletMachine";

    async fn ensure(&self, input: &MachineInput<'_>) -> Result<String> {
        let bed = self.bed_of(input.owner).await?;
        let worker = self.find_or_take(&bed, &key(input.machine)).await?;
        let dir = worker.node().dir();
        if !dir.join(BOOTSTRAPPED).exists() {
            // An interrupted bootstrap is removed and starts again.
            worker.node().close().await?;
            self.boot(&worker, input).await?;
            mark(&dir, BOOTSTRAPPED)?;
        }
        if !dir.join(COMPLETED).exists() {
            let tenant = self.kubectl(&worker, input.kubeconfig)?;
            worker.complete(&tenant).await?;
            mark(&dir, COMPLETED)?;
        }
        Ok(worker.ip().to_string())
    }

    async fn remove(&self, machine: &DynamicObject) -> Result<()> {
        match find(&self.bed, &key(machine))? {
            Some(worker) => worker.remove().await,
            None => Ok(()),
        }
    }

    fn next(&self) -> Action {
        Action::await_change()
    }
}

/// Worker that is this machine, if any.
fn find(bed: &Bed, key: &str) -> Result<Option<Worker>> {
    for number in NUMBERS {
        let worker = Worker::numbered(bed, number)?;
        let note = fs::read_to_string(worker.node().dir().join(MACHINE));
        if note.is_ok_and(|note| note == key) {
            return Ok(Some(worker));
        }
    }
    Ok(None)
}

/// Metadata of the machine, as cloud-init would read it from the provider's metadata service.
fn known(worker: &Worker, input: &MachineInput<'_>) -> BTreeMap<&'static str, String> {
    BTreeMap::from([
        ("local_hostname", worker.name().to_owned()),
        ("local_ipv4", worker.ip().to_string()),
        ("cgroup_root", worker.node().cgroup_root()),
        ("provider_id", input.provider_id.to_owned()),
    ])
}

fn key(machine: &DynamicObject) -> String {
    let namespace = machine.namespace().unwrap_or_default();
    format!("{namespace}/{}", machine.name_any())
}

fn mark(dir: &Path, what: &str) -> Result<()> {
    fs::write(dir.join(what), "").with_context(|| format!("mark as {what}"))
}

async fn run(worker: &Worker, config: &CloudConfig) -> Result<()> {
    for file in &config.write_files {
        write(worker, &file.path, &file.permissions, &file.content).await?;
    }
    for line in &config.commands {
        let mut shell = worker.node().command("/bin/sh")?;
        shell.args(["-c", line]);
        let ended = tokio::time::timeout(Duration::from_mins(3), output(shell)).await;
        ended.with_context(|| format!("`{line}` takes longer than 3 minutes"))??;
    }
    Ok(())
}

async fn write(worker: &Worker, path: &str, mode: &str, text: &str) -> Result<()> {
    let mut shell = worker.node().command("/bin/sh")?;
    shell.args(["-c", WRITE, "sh", path, mode]);
    feed(shell, text).await?;
    Ok(())
}
