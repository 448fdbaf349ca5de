//! Monitoring, and what runbooks ask.

use anyhow::{Context, Result, ensure};
use kamaji_e2e::audit::OPERATOR_NAMESPACE;
use kamaji_e2e::wait::until;
use serde_json::{Value, json};

use super::LIMIT;
use super::shell::Guides;

/// Kinds of the Prometheus operator, whose definitions no registry of this project's tools has: name, plural, version.
const KINDS: [(&str, &str); 3] = [
    ("ServiceMonitor", "servicemonitors"),
    ("PodMonitor", "podmonitors"),
    ("PrometheusRule", "prometheusrules"),
];
const PAGE: &str = "docs/monitoring.md";
const GROUP: &str = "monitoring.coreos.com";

impl Guides {
    /// Applies what the monitoring page has, and types what runbooks ask: it may find nothing, but fails at nothing.
    pub async fn operation(&self) -> Result<()> {
        let kubectl = self.testbed.kubectl()?;
        kubectl.apply(&definitions().to_string()).await?;
        let established = "wait --for=condition=Established crd --all --timeout=30s";
        kubectl.run(established).await?;
        let [apply, allow, scrape] = self.of(PAGE)?;
        self.run(apply).await?;
        for manifest in self.manifests(PAGE) {
            kubectl.apply(&manifest.body).await?;
        }
        self.run(allow).await?;
        // kube-proxy routes to the page's Service a moment after it is made.
        let said = until("the tenant is scraped", LIMIT, || self.run(scrape)).await?;
        let families = said.lines().filter_map(|line| line.parse::<u32>().ok());
        ensure!(
            families.filter(|number| *number > 20).count() == 3,
            "metrics of API server, controller manager and scheduler: {said}"
        );
        kubectl.run("delete service demo-metrics").await?;
        let there = format!(
            "get servicemonitors,podmonitors,prometheusrules -n {OPERATOR_NAMESPACE} -o name"
        );
        let there = kubectl.run(&there).await?;
        ensure!(there.lines().count() >= KINDS.len(), "{there}");

        let mut number = 0;
        for block in self.below("docs/runbooks/") {
            number += 1;
            // Of several pods kubectl says which one it takes.
            let script = format!(
                "exec 3>&2 2>errors\n{}\nexec 2>&3\nif grep -v '^Found ' errors >&2; then exit 1; fi",
                self.text(&self.main, block)
            );
            let said = self
                .bash(&self.main, &["-uo", "pipefail", "-c", &script])
                .await;
            said.with_context(|| block.to_string())?;
        }
        ensure!(number >= 10, "only {number} blocks of runbooks are marked");
        let names = KINDS.map(|(_, plural)| format!("{plural}.{GROUP}"));
        kubectl
            .run(&format!("delete crd {} --timeout=60s", names.join(" ")))
            .await
            .map(drop)
    }
}

/// Definitions that stand in for those of the Prometheus operator: they take every field.
fn definitions() -> Value {
    let items = KINDS.map(|(kind, plural)| {
        json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": format!("{plural}.{GROUP}")},
            "spec": {
                "group": GROUP, "scope": "Namespaced",
                "names": {"kind": kind, "plural": plural, "singular": kind.to_lowercase()},
                "versions": [{"name": "v1", "served": true, "storage": true, "schema": {
                    "openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
                }}],
            },
        })
    });
    json!({"apiVersion": "v1", "kind": "List", "items": items})
}
