//! Pages about another cluster, typed at one: the account of a remote provider, and what upstream's objects would become.

use std::fs;

use anyhow::{Result, ensure};

use super::shell::Guides;

impl Guides {
    /// Makes the account and a kubeconfig for it, which reads tenants; then renders and checks all tenants.
    pub async fn clusters(&self) -> Result<()> {
        let [account, kubeconfig, secret] = self.of("docs/guides/external-clusters.md")?;
        for block in [account, kubeconfig, secret] {
            self.run(block).await?;
        }
        let refused = "kubectl --kubeconfig other.conf get tcp -n default";
        let refused = self.script(&self.main, refused).await;
        ensure!(refused.is_err(), "the account reads other namespaces");
        let kubectl = self.testbed.kubectl()?;
        kubectl.run("delete secret other -n default").await?;
        kubectl.run("delete namespace tenants --wait=false").await?;

        let [render] = self.of("docs/guides/from-upstream.md")?;
        let said = self.run(render).await?;
        ensure!(
            said.contains("tenantcontrolplane.kamaji.clastix.io/demo"),
            "{said}"
        );
        let planned = fs::read_to_string(self.main.file("planned.yaml"))?;
        ensure!(planned.contains("kind: Deployment"), "{planned}");
        Ok(())
    }
}
