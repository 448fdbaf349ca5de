//! Velero in the management cluster, as `velero install` puts it there, and a shell in which pages' commands run.

use std::fs;

use anyhow::{Result, ensure};
use kamaji_e2e::catalogue::velero::images;
use kamaji_e2e::command::{command, output, without_proxy};
use kamaji_e2e::kubectl::Kubectl;
use kamaji_e2e::management::archives;
use kamaji_e2e::object_store::ObjectStore;
use kamaji_e2e::pages::{Block, blocks, manifests, marked};
use kamaji_e2e::testbed::Testbed;
use kamaji_e2e::tools::Tools;
use kamaji_e2e::wait::until;
use tempfile::TempDir;

use super::LIMIT;

const PAGE: &str = "docs/guides/backup.md";
const BUCKET: &str = "backups";

/// Velero's server, its object store, and the page that its commands are on.
pub struct Velero {
    kubectl: Kubectl,
    store: ObjectStore,
    folder: TempDir,
    path: String,
    pages: Vec<Block>,
}

impl Velero {
    /// Starts an object store, and installs Velero for it.
    pub async fn install(testbed: &Testbed) -> Result<Self> {
        let tools = Tools::velero().await?;
        let images = images(&tools)?;
        let names = images.each_ref().map(|image| image.name().to_owned());
        let archives = archives(images.into()).await?;
        testbed.node()?.import(&archives).await?;
        let velero = Self {
            kubectl: testbed.kubectl()?,
            store: ObjectStore::start(&testbed.bed, &[BUCKET]).await?,
            folder: tempfile::tempdir()?,
            path: format!(
                "{}:{}",
                tools.search_path(),
                testbed.bed.tools.search_path()
            ),
            pages: blocks()?,
        };
        velero.deploy(testbed, &names).await?;
        Ok(velero)
    }

    async fn deploy(&self, testbed: &Testbed, [server, plugin]: &[String; 2]) -> Result<()> {
        fs::write(
            self.folder.path().join("credentials"),
            ObjectStore::credentials(),
        )?;
        let url = ObjectStore::url(&testbed.bed);
        let line = format!(
            "velero install --wait --provider aws --image {server} --plugins {plugin} --bucket {BUCKET} \
             --secret-file credentials --use-volume-snapshots=false \
             --backup-location-config region=us-east-1,s3ForcePathStyle=true,s3Url={url}"
        );
        self.shell(&line).await?;
        until("Velero reaches the object store", LIMIT, || async {
            let location = "get backupstoragelocation default -n velero";
            let found = self.kubectl.json(location).await?;
            let status = &found["status"];
            ensure!(status["phase"] == "Available", "{status}");
            Ok(())
        })
        .await?;
        for manifest in manifests(&self.pages, PAGE) {
            self.kubectl.apply(&manifest.body).await?;
        }
        Ok(())
    }

    /// Blocks of the page that have the mark.
    pub fn page<const N: usize>(&self) -> Result<[&Block; N]> {
        marked(&self.pages, PAGE, "velero")
    }

    /// Runs a script in a shell that ends at the first error, and returns what it prints.
    pub async fn shell(&self, script: &str) -> Result<String> {
        let mut bash = command("timeout", ["240", "bash", "-euo", "pipefail", "-c", script]);
        bash.current_dir(self.folder.path())
            .env("HOME", self.folder.path())
            .env("KUBECONFIG", self.kubectl.kubeconfig())
            .env("PATH", &self.path);
        without_proxy(&mut bash);
        output(bash).await
    }

    /// Runs a script with one backup or restore, which has to end as `phase` says.
    pub async fn ends(&self, script: &str, phase: &str) -> Result<()> {
        let said = self.shell(script).await?;
        let ended = said.contains(&format!(" completed with status: {phase}."));
        ensure!(ended, "it is not {phase}: {said}");
        Ok(())
    }

    /// Removes Velero and the object store with all backups.
    pub async fn uninstall(self) -> Result<()> {
        self.shell("velero uninstall --force --wait").await?;
        self.store.stop().await
    }
}
