//! Helm without a cluster.

use std::{fs, process::Output};

use kamaji_e2e::{layout::checkout, tools::Tools};
use serde_json::Value;

/// Kinds of the Prometheus operator, for `--api-versions`.
const MONITORING: &str = "monitoring.coreos.com/v1/ServiceMonitor,monitoring.coreos.com/v1/PodMonitor,\
    monitoring.coreos.com/v1/PrometheusRule";

/// Runs `helm template` of a chart into the operator's namespace, with these values.
pub async fn helm(chart: &str, values: &str) -> Output {
    template(chart, values, "").await
}

/// Objects that a chart renders with these values.
pub async fn rendered(chart: &str, values: &str) -> Vec<Value> {
    made(values, helm(chart, values).await)
}

/// Objects that a chart renders with these values in a cluster with the Prometheus operator.
pub async fn rendered_with_monitors(chart: &str, values: &str) -> Vec<Value> {
    made(values, template(chart, values, MONITORING).await)
}

async fn template(chart: &str, values: &str, versions: &str) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("values.yaml");
    fs::write(&file, values).unwrap();
    let mut helm = Tools::helm().await.unwrap().command("helm").unwrap();
    helm.args(["template", "kamaji", "--namespace=kamaji-system"])
        .arg("--kube-version=v1.33.0")
        .arg(format!("--api-versions={versions}"))
        .arg(checkout().join("config/charts").join(chart))
        .arg("--values")
        .arg(&file);
    tokio::task::spawn_blocking(move || helm.output().unwrap())
        .await
        .unwrap()
}

fn made(values: &str, made: Output) -> Vec<Value> {
    let errors = String::from_utf8_lossy(&made.stderr);
    assert!(made.status.success(), "{values}: {errors}");
    objects(&String::from_utf8(made.stdout).unwrap())
}

/// Objects that kustomize makes of a folder of `config`.
pub async fn kustomized(folder: &str) -> String {
    let mut kubectl = Tools::all().await.unwrap().command("kubectl").unwrap();
    kubectl
        .arg("kustomize")
        .arg(checkout().join("config").join(folder));
    let made = tokio::task::spawn_blocking(move || kubectl.output().unwrap());
    let made = made.await.unwrap();
    assert!(made.status.success(), "{made:?}");
    String::from_utf8(made.stdout).unwrap()
}

/// Objects of a YAML stream.
pub fn objects(text: &str) -> Vec<Value> {
    let objects: Vec<Value> = serde_saphyr::from_multiple(text).unwrap();
    objects.into_iter().filter(Value::is_object).collect()
}
