//! Parser of `#cloud-config`: the part of cloud-init that the kubeadm bootstrap provider writes,
//! files and then commands, with the machine's metadata filled in.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

/// Files and commands of a machine's first start.
#[derive(Debug, Deserialize, PartialEq, Eq)]
pub struct CloudConfig {
    /// Files that are written before the commands run.
    #[serde(default)]
    pub write_files: Vec<WriteFile>,
    /// Lines for a shell, run one after another.
    #[serde(default, rename = "runcmd")]
    pub commands: Vec<String>,
}

/// One file of the bootstrap data.
#[derive(Debug, Deserialize, PartialEq, Eq)]
pub struct WriteFile {
    /// Path of the file.
    pub path: String,
    /// Mode of the file, as octal digits for chmod.
    #[serde(default = "usual")]
    pub permissions: String,
    /// Content of the file.
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
mod tests;
