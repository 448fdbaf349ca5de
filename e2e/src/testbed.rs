//! The testbed as a whole: up, down, and access to its parts.

use std::env;
use std::fmt::Write as _;
use std::fs;

use anyhow::{Context, Result};
use kube::Client;

use crate::audit::{Audit, OPERATOR_NAMESPACE};
use crate::bed::Bed;
use crate::cgroup::Cgroup;
use crate::command::tail;
use crate::kubeconfig::client;
use crate::kubectl::Kubectl;
use crate::layout::{Layout, checkout};
use crate::network::{Netns, disconnect_management};
use crate::node::Node;
use crate::process::Processes;
use crate::step::step;
use crate::tools::Tools;
use crate::{catalogue, datastore, management, prerequisites, sysctl};

/// A testbed that runs.
#[derive(Debug, Clone)]
pub struct Testbed {
    /// Names, binaries and processes of the testbed.
    pub bed: Bed,
}

impl Testbed {
    /// Brings up the management cluster and the etcd of the DataStore `default`. Remains of an
    /// earlier testbed of the same layout are removed first.
    pub async fn up(layout: Layout) -> Result<Self> {
        prerequisites::check()?;
        let tools = step("binaries", Tools::all()).await?;
        Self::down(&layout).await?;
        fs::create_dir_all(&layout.state)
            .with_context(|| format!("create {}", layout.state.display()))?;
        sysctl::raise(&layout.state)?;
        let bed = Bed::new(layout, tools);
        management::start(&bed).await?;
        step("etcd of the tenants", datastore::start(&bed)).await?;
        Ok(Self { bed })
    }

    /// The running testbed of this layout, else a new one.
    pub async fn running_or_up(layout: Layout) -> Result<Self> {
        prerequisites::check()?;
        match Self::running(layout.clone()).await? {
            Some(testbed) => Ok(testbed),
            None => Self::up(layout).await,
        }
    }

    /// The running testbed of this layout, if any.
    pub async fn running(layout: Layout) -> Result<Option<Self>> {
        if !Self::is_up(&layout) {
            return Ok(None);
        }
        Ok(Some(Self {
            bed: Bed::new(layout, Tools::all().await?),
        }))
    }

    /// True if the first and the last process that [`Testbed::up`] starts are alive.
    pub fn is_up(layout: &Layout) -> bool {
        let processes = Processes::below(&layout.state);
        processes.is_alive(datastore::PROCESS) && processes.is_alive("mgmt-containerd")
    }

    /// Ends every process of a testbed and removes everything it made. Does nothing if there is
    /// none.
    pub async fn down(layout: &Layout) -> Result<()> {
        if !layout.state.exists() {
            return Ok(());
        }
        let bed = Bed::new(layout.clone(), Tools::default());
        bed.processes.stop_all().await?;
        for node in Node::announced(&layout.state)? {
            Cgroup::named(&layout.named(&node))?.remove().await?;
            Netns::of(layout, &node).remove().await?;
        }
        disconnect_management(layout).await?;
        sysctl::restore(&layout.state)?;
        bed.remove_mount_points();
        fs::remove_dir_all(&layout.state)
            .with_context(|| format!("remove {}", layout.state.display()))
    }

    /// Copies the logs of all processes into the checkout's build folder, where they outlive the testbed.
    pub fn save_logs(layout: &Layout) -> Result<()> {
        let Ok(logs) = fs::read_dir(layout.dir("logs")) else {
            return Ok(());
        };
        let folder = checkout().join("target/testbed-logs");
        fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
        for log in logs {
            let log = log?;
            fs::copy(log.path(), folder.join(log.file_name()))?;
        }
        println!("logs of all processes: {}", folder.display());
        Ok(())
    }

    /// True if `KAMAJI_E2E_KEEP=1` asks to leave the testbed up, even after a failure.
    pub fn is_kept() -> bool {
        env::var_os("KAMAJI_E2E_KEEP").is_some_and(|value| value == "1")
    }

    /// Pods, warnings, tenants and the operator's log, printed after a failure.
    pub async fn diagnostics(&self) -> String {
        let Ok(kubectl) = self.kubectl() else {
            return String::new();
        };
        let mut text = String::new();
        for line in [
            "get pods -A -o wide".to_string(),
            "get events -A --sort-by=.lastTimestamp --field-selector type=Warning".to_string(),
            "get tcp,datastore -A".to_string(),
            format!("logs -n {OPERATOR_NAMESPACE} --tail=40 deployment/kamaji-controller-manager"),
        ] {
            let answer = kubectl
                .run(&line)
                .await
                .unwrap_or_else(|error| format!("{error:#}"));
            let _ = writeln!(text, "--- kubectl {line}\n{}", tail(&answer, 40));
        }
        text
    }

    /// Client of an administrator of the management cluster.
    pub async fn client(&self) -> Result<Client> {
        client(&self.bed.layout.kubeconfig()).await
    }

    /// kubectl for the management cluster.
    pub fn kubectl(&self) -> Result<Kubectl> {
        Kubectl::new(&self.bed.tools, &self.bed.layout.kubeconfig())
    }

    /// Audit log of the management API server.
    pub fn audit(&self) -> Audit {
        Audit::at(self.bed.layout.audit_log())
    }

    /// Loads the images of control planes of the previous minor version into the management node;
    /// they are built if need be.
    pub async fn load_previous(&self) -> Result<()> {
        let images = catalogue::previous(&Tools::previous().await?)?;
        let archives = management::archives(images).await?;
        self.node()?.import(&archives).await
    }

    /// The management node, for instance to load further images.
    pub fn node(&self) -> Result<Node> {
        Node::named(&self.bed, management::NODE)
    }
}
