//! Helm without a cluster.

use std::{fs, process::Output};

use kamaji_e2e::{layout::checkout, tools::Tools};
use serde_json::Value;

/// Runs `helm template` of a chart into the operator's namespace, with these values.
pub async fn helm(chart: &str, values: &str) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("values.yaml");
    fs::write(&file, values).unwrap();
    let mut helm = Tools::helm().await.unwrap().command("helm").unwrap();
    helm.args(["template", "kamaji", "--namespace=kamaji-system"])
        .arg("--kube-version=v1.33.0")
        .arg(checkout().join("config/charts").join(chart))
        .arg("--values")
        .arg(&file);
    tokio::task::spawn_blocking(move || helm.output().unwrap())
        .await
        .unwrap()
}

/// Objects that a chart renders with these values.
pub async fn rendered(chart: &str, values: &str) -> Vec<Value> {
    let made = helm(chart, values).await;
    let errors = String::from_utf8_lossy(&made.stderr);
    assert!(made.status.success(), "{values}: {errors}");
    objects(&String::from_utf8(made.stdout).unwrap())
}

/// Objects of a YAML stream.
pub fn objects(text: &str) -> Vec<Value> {
    let objects: Vec<Value> = serde_saphyr::from_multiple(text).unwrap();
    objects.into_iter().filter(Value::is_object).collect()
}
