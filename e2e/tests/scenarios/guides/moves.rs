//! Migrations of a tenant by the page of the command line and by that of migrations.

use anyhow::{Result, ensure};
use kamaji_e2e::tenant::Tenant;
use kamaji_e2e::wait::until;
use serde_json::json;

use super::LIMIT;
use super::shell::Guides;

impl Guides {
    /// Moves the tenant `copy` from PostgreSQL to etcd, releases what it left, and moves it back.
    pub async fn moves(&self) -> Result<()> {
        let copy = Tenant::named(&self.testbed, "default", "copy")?;
        let [_, by_command] = self.of("docs/cli.md")?;
        let [by_spec, release, jobs] = self.of("docs/migration.md")?;
        let text = self.text(&self.main, by_command);
        let text = text.replace("demo", "copy").replace("fast", "default");
        let said = self.script(&self.main, &text).await?;
        ensure!(said.contains("is in default"), "{said}");
        has_moved(&copy, "default").await?;

        let text = self.text(&self.main, release).replace("demo", "copy");
        self.script(&self.main, &text).await?;
        until("the source is released", LIMIT, || async {
            let former = copy.get().await?["status"]["storage"]["former"].take();
            ensure!(former.as_array().is_none_or(Vec::is_empty), "{former}");
            Ok(())
        })
        .await?;

        let text = self.text(&self.main, by_spec).replace("demo", "copy");
        self.script(&self.main, &text).await?;
        until("the tenant has moved back", LIMIT, || {
            has_moved(&copy, "postgresql")
        })
        .await?;

        let kubectl = self.testbed.kubectl()?;
        kubectl.apply(&upstreams_job().to_string()).await?;
        self.run(jobs).await?;
        let left = kubectl.run("get jobs -n kamaji-system -o name").await?;
        ensure!(!left.contains("migrate-"), "{left}");
        Ok(())
    }
}

async fn has_moved(tenant: &Tenant, target: &str) -> Result<()> {
    let storage = tenant.get().await?["status"]["storage"].take();
    let named = storage["dataStoreName"] == target;
    ensure!(named && storage["migration"].is_null(), "{storage}");
    Ok(())
}

/// A Job as a migration of upstream leaves it; it starts no pod.
fn upstreams_job() -> serde_json::Value {
    json!({
        "apiVersion": "batch/v1", "kind": "Job",
        "metadata": {
            "name": "migrate-0123", "namespace": "kamaji-system",
            "labels": {"kamaji.clastix.io/component": "migrate"},
        },
        "spec": {"suspend": true, "template": {"spec": {
            "restartPolicy": "Never", "containers": [{"name": "migrate", "image": "none"}],
        }}},
    })
}
