//! The kubeconfig generator: switched on, used, and switched off.

use std::fs;

use anyhow::{Result, ensure};
use kamaji_e2e::audit::OPERATOR_NAMESPACE;
use kamaji_e2e::tenant::Tenant;
use kamaji_e2e::wait::until;

use super::LIMIT;
use super::shell::Guides;

impl Guides {
    /// Switches the generator on, reads the kubeconfig that it gives, and asks a tenant for a certificate.
    pub async fn generator(&self, tenant: &Tenant) -> Result<()> {
        let page = "docs/guides/kubeconfig-generator.md";
        let [switch_on, read, sign] = self.of(page)?;
        self.run(switch_on).await?;
        let kubectl = self.testbed.kubectl()?;
        // What the page's generator selects.
        let stage = "label namespace default --overwrite stage";
        kubectl.run(&format!("{stage}=production")).await?;
        kubectl.run("label tcp demo team=platform").await?;
        let rollout = format!("-n {OPERATOR_NAMESPACE} deployment/kamaji-kubeconfiggenerator");
        kubectl
            .run(&format!("rollout status {rollout} --timeout=90s"))
            .await?;
        for manifest in self.manifests(page) {
            kubectl.apply(&manifest.body).await?;
        }
        until("the generator has a result", LIMIT, || async {
            let found = kubectl.json("get kubeconfiggenerator auditors").await?;
            let status = &found["status"];
            ensure!(
                status["availableResources"] == 1 && status["resources"] == 1,
                "{status}"
            );
            Ok(())
        })
        .await?;
        let said = self.run(read).await?;
        ensure!(
            said.contains("demo") && said.contains("audit:readers"),
            "the tenant knows the user as {said}"
        );
        self.run(sign).await?;
        let signed = fs::read_to_string(self.main.file("auditor.crt"))?;
        ensure!(
            signed.starts_with("-----BEGIN CERTIFICATE-----"),
            "{signed:?}"
        );

        kubectl.run("delete kubeconfiggenerator auditors").await?;
        until("its Secret is gone", LIMIT, || async {
            let left = kubectl.run("get secret demo-auditors -o name").await;
            ensure!(left.is_err(), "it is there");
            Ok(())
        })
        .await?;
        let remove = "kubectl delete -k config/kubeconfig-generator --timeout=60s";
        self.script(&self.main, remove).await?;
        kubectl.run("label namespace default stage-").await?;
        tenant.kubectl().await?.run("get --raw /readyz").await?;
        Ok(())
    }
}
