//! The pages for one machine: `make up`, what can be done with its tenant, and `make down`.

use anyhow::{Context, Result, ensure};
use kamaji_e2e::step::step;
use kamaji_e2e::tenant::Tenant;
use kamaji_e2e::testbed::Testbed;

use super::shell::Guides;

const README: &str = "docs/../README.md";
const PAGE: &str = "docs/start/one-machine.md";

impl Guides {
    /// Types `make up` twice, as the README and the page have it, then what the page does with the tenant.
    pub async fn up(&self) -> Result<Tenant> {
        let [both, _] = self.of(README)?;
        let [up, usage, join, _] = self.of(PAGE)?;
        let text = self.text(&self.main, both);
        let line = text.lines().find(|line| line.starts_with("make up "));
        let line = line.context("the README has no line `make up`")?;
        step("make up", self.script(&self.main, line)).await?;
        let said = step("make up again", self.run(up)).await?;
        ensure!(said.contains("`make down` removes it all"), "{said}");

        let (_, rest) = said
            .split_once("--kubeconfig ")
            .context("no kubeconfig is printed")?;
        let printed = rest.split_whitespace().next().unwrap_or_default();
        let usage = self
            .text(&self.main, usage)
            .replace("…/management.kubeconfig", printed);
        let said = self.script(&self.main, &usage).await?;
        ensure!(said.contains("hello from web"), "{said}");
        step("another worker", self.run(join)).await?;
        Tenant::named(&self.testbed, "default", "demo")
    }

    /// Types `make down`, after which nothing of the testbed is left, unless it is to be kept.
    pub async fn down(&self) -> Result<()> {
        let [.., down] = self.of::<4>(PAGE)?;
        let text = self.text(&self.main, down);
        if Testbed::is_kept() {
            return Ok(());
        }
        let [both, _] = self.of(README)?;
        let line = text.trim();
        ensure!(
            both.body.lines().any(|found| found.starts_with(line)),
            "the README does not say `{line}`"
        );
        self.script(&self.main, line).await?;
        let layout = &self.testbed.bed.layout;
        let left = layout.state.exists() || Testbed::is_up(layout);
        ensure!(!left, "{} is left", layout.state.display());
        Ok(())
    }
}
