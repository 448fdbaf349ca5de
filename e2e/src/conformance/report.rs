//! Result of a run: ginkgo's report, read, counted and written to the page of the documentation.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use super::exclusions::Exclusion;
use crate::command::{output, words};
use crate::layout::checkout;
use crate::tools::kubernetes_version;

/// Part of the name of every conformance spec.
const MARK: &str = "[Conformance]";
const PAGE: &str = "docs/reference/conformance.md";
/// Lines of the page around what is written.
const BEGIN: &str = "<!-- result -->\n";
const END: &str = "<!-- end of the result -->\n";

/// Suite of ginkgo's report.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Suite {
    run_time: u64,
    #[serde(default)]
    spec_reports: Vec<Spec>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Spec {
    #[serde(default)]
    container_hierarchy_texts: Option<Vec<String>>,
    leaf_node_text: String,
    leaf_node_type: String,
    state: String,
    #[serde(default)]
    failure: Failure,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Failure {
    message: String,
}

/// Conformance specs of one run, by their outcome.
#[derive(Debug, Default)]
pub(super) struct Report {
    passed: usize,
    failed: Vec<String>,
    /// Specs that a run skipped by itself, with what they said.
    skipped: Vec<String>,
    excluded: Vec<(String, String)>,
    seconds: u64,
}

impl Report {
    /// Conformance specs of ginkgo's JSON report; a run without any, or with a failed preparation, is an error.
    pub(super) fn read(path: &Path, exclusions: Vec<Exclusion>) -> Result<Self> {
        let text = fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
        let suites: Vec<Suite> = serde_json::from_str(&text).context("parse ginkgo's report")?;
        Self::of(&suites, &exclusions)
    }

    fn of(suites: &[Suite], exclusions: &[Exclusion]) -> Result<Self> {
        let mut report = Self::default();
        for suite in suites {
            report.seconds += suite.run_time / 1_000_000_000;
            for spec in &suite.spec_reports {
                report.add(spec, exclusions)?;
            }
        }
        ensure!(
            report.passed + report.failed.len() > 0,
            "no conformance spec ran"
        );
        Ok(report)
    }

    fn add(&mut self, spec: &Spec, exclusions: &[Exclusion]) -> Result<()> {
        let name = spec.name();
        if spec.leaf_node_type != "It" {
            // A failure of the suite's own preparation.
            ensure!(
                spec.state == "passed" || spec.state == "skipped",
                "{} failed: {}",
                spec.leaf_node_type,
                spec.failure.message
            );
            return Ok(());
        }
        if !name.contains(MARK) {
            return Ok(());
        }
        let excluded = exclusions.iter().find(|one| name.contains(&one.name));
        match (spec.state.as_str(), excluded) {
            ("passed", _) => self.passed += 1,
            ("skipped" | "pending", Some(one)) => self.excluded.push((name, one.reason.clone())),
            // Without a message it is out of focus.
            ("skipped" | "pending", None) if spec.failure.message.is_empty() => {}
            ("skipped" | "pending", None) => {
                self.skipped
                    .push(format!("{name}: {}", spec.failure.message));
            }
            _ => self.failed.push(name),
        }
        Ok(())
    }

    /// Names of the specs that failed.
    pub(super) fn failed(&self) -> &[String] {
        &self.failed
    }

    /// Numbers, and the names of specs that failed or skipped themselves.
    pub(super) fn summary(&self) -> String {
        let mut text = format!(
            "{} conformance specs ran in {} min: {} passed, {} failed; {} skipped themselves, {} excluded",
            self.passed + self.failed.len(),
            self.seconds / 60,
            self.passed,
            self.failed.len(),
            self.skipped.len(),
            self.excluded.len()
        );
        for name in &self.failed {
            let _ = write!(text, "\nFAILED {name}");
        }
        for name in &self.skipped {
            let _ = write!(text, "\nSKIPPED {name}");
        }
        text
    }

    /// Writes the result to the page of the documentation.
    pub(super) async fn write(&self) -> Result<()> {
        let path = checkout().join(PAGE);
        let page = fs::read_to_string(&path).with_context(|| format!("read {PAGE}"))?;
        let (before, rest) = page
            .split_once(BEGIN)
            .with_context(|| format!("{PAGE} has no line {BEGIN:?}"))?;
        let (_, after) = rest
            .split_once(END)
            .with_context(|| format!("{PAGE} has no line {END:?}"))?;
        let date = output(words("date -u +%F")).await?;
        let facts = format!(
            "Measured on {}, commit {}, Kubernetes {}.",
            date.trim(),
            commit().await?,
            kubernetes_version()?
        );
        let text = format!("{before}{BEGIN}{}{END}{after}", self.markdown(&facts));
        fs::write(&path, text).with_context(|| format!("write {PAGE}"))
    }

    fn markdown(&self, facts: &str) -> String {
        let ran = self.passed + self.failed.len();
        let all = ran + self.skipped.len() + self.excluded.len();
        let mut text = format!(
            "{facts}\n\n| conformance specs | number |\n|---|---|\n| of this version | {all} |\n| ran | {ran}, in {} min |\n\
             | passed | {} |\n| failed | {} |\n| skipped by themselves | {} |\n| excluded | {} |\n",
            self.seconds / 60,
            self.passed,
            self.failed.len(),
            self.skipped.len(),
            self.excluded.len()
        );
        let lists = [("Failed", &self.failed), ("Skipped", &self.skipped)];
        for (title, names) in lists.iter().filter(|(_, names)| !names.is_empty()) {
            let _ = write!(text, "\n{title}:\n\n");
            for name in *names {
                let _ = writeln!(text, "- {}", code(name));
            }
        }
        if !self.excluded.is_empty() {
            text += "\n| excluded spec | reason |\n|---|---|\n";
            for (name, reason) in &self.excluded {
                let _ = writeln!(text, "| {} | {reason} |", code(name));
            }
        }
        text
    }
}

/// Commit of the checkout, with a plus if files differ from it.
async fn commit() -> Result<String> {
    let mut git = words("git describe --always --dirty=+ --exclude=*");
    git.current_dir(checkout());
    Ok(output(git).await?.trim().to_owned())
}

/// A name as code of Markdown, also in a table.
fn code(name: &str) -> String {
    let name = name.replace(&format!(" {MARK}"), "").replace('|', "/");
    format!("`{}`", name.replace('`', "'"))
}

impl Spec {
    /// Full name, as ginkgo's filters see it.
    fn name(&self) -> String {
        let above = self.container_hierarchy_texts.iter().flatten();
        let words: Vec<&str> = above
            .map(String::as_str)
            .chain([self.leaf_node_text.as_str()])
            .collect();
        words.join(" ")
    }
}

#[cfg(test)]
mod tests;
