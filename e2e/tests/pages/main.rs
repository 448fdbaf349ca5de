//! Pages of the documentation: an API server with our definitions accepts their manifests, and the command blocks that
//! have the mark `run=pages` run against it, page by page and in their order.
//!
//! No operator runs here: tenants, their Secrets and a status are made beforehand (`setting.rs`).

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests, their helpers included"
)]

mod setting;

use kamaji_e2e::pages::{Block, blocks};
use serde_json::Value;

use setting::Setting;

/// Groups whose objects are sent to the API server.
const OURS: [&str; 2] = ["kamaji.clastix.io", "controlplane.cluster.x-k8s.io"];

/// Objects of ours in a manifest.
fn ours(block: &Block) -> Vec<Value> {
    let documents: Vec<Value> =
        serde_saphyr::from_multiple(&block.body).unwrap_or_else(|error| panic!("{block}: {error}"));
    let is_ours = |object: &Value| {
        let version = object["apiVersion"].as_str().unwrap_or_default();
        OURS.iter().any(|group| version.starts_with(group))
    };
    documents.into_iter().filter(is_ours).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn manifests_of_pages_pass_the_strict_validation_of_an_api_server() {
    let setting = Setting::start().await;
    let mut seen = 0;
    let mut refused = Vec::new();
    for block in blocks().unwrap().iter().filter(|block| block.is_manifest()) {
        for object in ours(block) {
            seen += 1;
            if let Err(error) = setting.kubectl().dry_run(&object.to_string()).await {
                refused.push(format!("{block}: {error:#}"));
            }
        }
    }
    assert!(refused.is_empty(), "{}", refused.join("\n"));
    assert!(seen >= 20, "only {seen} manifests of our kinds were found");
}

#[tokio::test(flavor = "multi_thread")]
async fn command_blocks_of_pages_end_without_an_error() {
    let setting = Setting::start().await;
    let mut failed = Vec::new();
    let all = blocks().unwrap();
    let marked: Vec<&Block> = all
        .iter()
        .filter(|block| block.is_run_by("pages"))
        .collect();
    let mut page = "";
    for block in &marked {
        if block.page != page {
            page = &block.page;
            setting.reset().await;
        }
        if let Err(error) = setting.run(&block.body).await {
            failed.push(format!("{block}: {error:#}"));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    assert!(marked.len() > 20, "only {} blocks are marked", marked.len());
}
