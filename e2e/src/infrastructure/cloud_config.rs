//! What does bootstrap data ask of a machine? The part of cloud-init's `#cloud-config` that the kubeadm
//! bootstrap provider writes: files, then commands, with what a machine knows of itself filled in.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

/// What is done at the first start of a machine.
#[derive(Debug, Deserialize, PartialEq, Eq)]
pub struct CloudConfig {
    /// Files that are written first.
    #[serde(default)]
    pub write_files: Vec<WriteFile>,
    /// Lines for a shell, run one after another.
    #[serde(default, rename = "runcmd")]
    pub commands: Vec<String>,
}

/// One file.
#[derive(Debug, Deserialize, PartialEq, Eq)]
pub struct WriteFile {
    /// Where.
    pub path: String,
    /// Octal digits for chmod.
    #[serde(default = "usual")]
    pub permissions: String,
    /// What is in it.
    #[serde(default)]
    pub content: String,
}

fn usual() -> String {
    "0644".into()
}

/// Reads bootstrap data; `{{ ds.meta_data.KEY }}` becomes what `known` has for `KEY`.
pub fn parse(text: &str, known: &BTreeMap<&str, String>) -> Result<CloudConfig> {
    let body = text.strip_prefix("## template: jinja\n").unwrap_or(text);
    ensure!(
        body.starts_with("#cloud-config"),
        "bootstrap data is no cloud-config: {:?}",
        body.lines().next()
    );
    serde_saphyr::from_str(&filled(body, known)?).context("parse bootstrap data")
}

fn filled(text: &str, known: &BTreeMap<&str, String>) -> Result<String> {
    let (mut filled, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once("{{") {
        let (word, end) = after.split_once("}}").context("a {{ without }}")?;
        let key = word.trim().strip_prefix("ds.meta_data.");
        let Some(value) = key.and_then(|key| known.get(key)) else {
            bail!("the machine does not know {{{{{word}}}}}, only {known:?}");
        };
        filled += before;
        filled += value;
        rest = end;
    }
    Ok(filled + rest)
}

#[cfg(test)]
#[path = "cloud_config_tests.rs"]
mod tests;
