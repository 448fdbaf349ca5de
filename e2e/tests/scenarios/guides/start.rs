//! First tenants on a cluster with a load balancer: by the README, by the page for any cluster, by that of the command line.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures::try_join;
use kamaji_e2e::kubectl::Kubectl;
use kamaji_e2e::pages::Block;
use kamaji_e2e::tenant::Tenant;
use kamaji_e2e::testbed::Testbed;
use kamaji_e2e::worker::Worker;
use serde_json::json;
use tokio::task::JoinSet;

use super::shell::{Guides, Shell};

/// Namespaces, one for each page.
const NAMESPACES: [&str; 3] = ["readme", "any", "cli"];
/// Begin of a tenant's spec, in place of one that leaves the replicas to the default.
const ONE_REPLICA: &str = "  controlPlane:\n    deployment: { replicas: 1 }\n";
/// Number of the first address that the load balancer gives.
const FIRST: u8 = 40;

impl Guides {
    /// Follows the three pages, each in a namespace of its own and with one replica, which two cores carry; a worker
    /// joins by the line that the README's commands print.
    pub async fn start(&self) -> Result<()> {
        let mut balancer = JoinSet::new();
        balancer.spawn(balance(self.testbed.clone()));
        let [doctor] = self.of("docs/start/choose.md")?;
        self.run(doctor).await?;
        try_join!(self.readme(), async {
            self.any_cluster().await?;
            self.command_line().await
        })?;
        let kubectl = self.testbed.kubectl()?;
        for namespace in NAMESPACES {
            kubectl
                .run(&format!("delete tcp --all -n {namespace} --timeout=120s"))
                .await?;
        }
        Ok(())
    }

    /// A tenant and the worker that joins it, by two commands.
    async fn readme(&self) -> Result<()> {
        let [_, block] = self.of("docs/../README.md")?;
        let shell = self.shell_in(NAMESPACES[0]).await?;
        let worker = Worker::numbered(&self.testbed.bed, 2)?;
        let (said, ()) = try_join!(self.create(&shell, block), worker.open())?;
        let line = said.lines().last().unwrap_or_default();
        ensure!(line.starts_with("kubeadm join "), "{said}");
        let tenant = Tenant::named(&self.testbed, NAMESPACES[0], "demo")?;
        let joined = worker.join_by(line, &tenant.kubectl().await?).await;
        joined.with_context(|| block.to_string())?;
        worker.remove().await
    }

    /// The page's manifest, and its commands.
    async fn any_cluster(&self) -> Result<()> {
        const PAGE: &str = "docs/start/any-cluster.md";
        let [create, look] = self.of(PAGE)?;
        let manifest = self
            .manifests(PAGE)
            .next()
            .context("the page has a manifest")?;
        let shell = self.shell_in(NAMESPACES[1]).await?;
        let manifest = manifest
            .body
            .replace("namespace: default", "namespace: any")
            .replace("  controlPlane:\n", ONE_REPLICA);
        fs::write(shell.file("demo.yaml"), manifest)?;
        self.run_in(&shell, create).await?;
        self.run_in(&shell, look).await.map(drop)
    }

    /// The first commands of the page of the command line.
    async fn command_line(&self) -> Result<()> {
        let [block, _] = self.of("docs/cli.md")?;
        let shell = self.shell_in(NAMESPACES[2]).await?;
        let said = self.create(&shell, block).await?;
        ensure!(said.contains("kubeadm join "), "{said}");
        self.merged(&shell).await
    }

    /// Types a block with `kamaji create`.
    async fn create(&self, shell: &Shell, block: &Block) -> Result<String> {
        let text = self.text(shell, block);
        let text = text.replace("--version", "--replicas 1 --version");
        let said = self.script(shell, &text).await;
        said.with_context(|| block.to_string())
    }

    /// The merged kubeconfig has an entry for the tenant, which works.
    async fn merged(&self, shell: &Shell) -> Result<()> {
        let line = "kubectl --context cli/blue get --raw /readyz";
        let said = self.script(shell, line).await?;
        ensure!(said == "ok", "{said}");
        Ok(())
    }
}

/// Stands in for the load balancer of a cluster: gives each Service of that type an address, until it is aborted.
async fn balance(testbed: Testbed) {
    let Ok(kubectl) = testbed.kubectl() else {
        return;
    };
    let mut next = FIRST;
    loop {
        // What fails is tried again; a tenant without an address fails the step, with its reason.
        if let Ok(given) = give(&testbed, &kubectl, next).await {
            next += given;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// Gives addresses from this number on to Services that have none; returns how many.
async fn give(testbed: &Testbed, kubectl: &Kubectl, first: u8) -> Result<u8> {
    let services = kubectl.json("get services -A").await?;
    let mut given = 0;
    for service in services["items"].as_array().into_iter().flatten() {
        let balancer = &service["status"]["loadBalancer"]["ingress"];
        if service["spec"]["type"] != "LoadBalancer" || !balancer.is_null() {
            continue;
        }
        let text = |field: &str| {
            service["metadata"][field]
                .as_str()
                .unwrap_or_default()
                .to_owned()
        };
        let address = testbed.bed.layout.vip(first + given);
        let patch = json!({"status": {"loadBalancer": {"ingress": [{"ip": address}]}}}).to_string();
        let words = format!("patch service {} -n {}", text("name"), text("namespace"));
        let words = format!("{words} --subresource=status --type=merge -p");
        kubectl
            .args(words.split(' ').chain([patch.as_str()]))
            .await?;
        given += 1;
    }
    Ok(given)
}
