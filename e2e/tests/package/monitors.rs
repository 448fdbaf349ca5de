//! Monitors of the Prometheus operator: each selects what it is meant to scrape, and nothing else.

use std::collections::BTreeSet;

use serde_json::Value;

use super::helm::{kustomized, objects, rendered_with_monitors};

/// Values by which every chart's monitor and all pods are made.
const EVERYTHING: &str = "{serviceMonitor: {enabled: true}, kubeconfigGenerator: {enabled: true},
    kamaji-etcd: {serviceMonitor: {enabled: true}, backup: {enabled: true, plain: true, persistentVolumeClaim: backups}}}";

/// True if `labels` have all of `selector`.
fn selects(selector: &Value, labels: &Value) -> bool {
    let mut wanted = selector.as_object().unwrap().iter();
    wanted.all(|(key, value)| labels.get(key) == Some(value))
}

fn of_kind<'a>(objects: &'a [Value], kind: &'a str) -> impl Iterator<Item = &'a Value> {
    objects.iter().filter(move |object| object["kind"] == kind)
}

/// Workloads with a pod that `selector` selects and that has the port `port`.
fn pods(objects: &[Value], selector: &Value, port: &Value) -> BTreeSet<String> {
    let workloads = ["Deployment", "StatefulSet"];
    let all = workloads.iter().flat_map(|kind| of_kind(objects, kind));
    let found = all.filter(|workload| {
        let pod = &workload["spec"]["template"];
        let containers = pod["spec"]["containers"].as_array().unwrap();
        let mut ports = containers
            .iter()
            .flat_map(|container| container["ports"].as_array().into_iter().flatten());
        selects(selector, &pod["metadata"]["labels"]) && ports.any(|found| found["name"] == *port)
    });
    found
        .map(|workload| workload["metadata"]["name"].as_str().unwrap().to_owned())
        .collect()
}

/// Each monitor with the workloads that it scrapes, as `MONITOR: WORKLOAD`.
fn scraped(objects: &[Value]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for monitor in of_kind(objects, "ServiceMonitor") {
        let port = &monitor["spec"]["endpoints"][0]["port"];
        for service in of_kind(objects, "Service") {
            let labels = &service["metadata"]["labels"];
            if !selects(&monitor["spec"]["selector"]["matchLabels"], labels) {
                continue;
            }
            let ports = service["spec"]["ports"].as_array().unwrap();
            let target = ports.iter().find(|found| found["name"] == *port).unwrap();
            let target = target.get("targetPort").filter(|target| target.is_string());
            let pods = pods(
                objects,
                &service["spec"]["selector"],
                target.unwrap_or(port),
            );
            found.extend(pods.iter().map(|pod| line(monitor, pod)));
        }
    }
    for monitor in of_kind(objects, "PodMonitor") {
        let port = &monitor["spec"]["podMetricsEndpoints"][0]["port"];
        let pods = pods(objects, &monitor["spec"]["selector"]["matchLabels"], port);
        found.extend(pods.iter().map(|pod| line(monitor, pod)));
    }
    found
}

fn line(monitor: &Value, pod: &str) -> String {
    format!("{}: {pod}", monitor["metadata"]["name"].as_str().unwrap())
}

fn lines<const N: usize>(lines: [&str; N]) -> BTreeSet<String> {
    lines.map(str::to_owned).into()
}

#[tokio::test]
async fn monitors_of_the_chart_scrape_each_process_once() {
    let objects = rendered_with_monitors("kamaji", EVERYTHING).await;
    assert_eq!(
        scraped(&objects),
        lines([
            "kamaji: kamaji",
            "kamaji-etcd: kamaji-etcd",
            "kamaji-kubeconfiggenerator: kamaji-kubeconfiggenerator",
        ])
    );
    let objects = rendered_with_monitors("kamaji", "{kubeconfigGenerator: {enabled: true}}").await;
    assert_eq!(scraped(&objects), lines([]));
}

#[tokio::test]
async fn monitors_of_the_kustomization_scrape_what_it_and_the_chart_install() {
    let monitors = objects(&kustomized("monitoring").await);
    let expected = |operator: &str| {
        lines([
            format!("kamaji: {operator}").as_str(),
            "kamaji-kubeconfig-generator: kamaji-kubeconfiggenerator",
        ])
    };
    let mut kustomize = monitors.clone();
    for folder in ["default", "kubeconfig-generator"] {
        kustomize.extend(objects(&kustomized(folder).await));
    }
    assert_eq!(scraped(&kustomize), expected("kamaji-controller-manager"));
    let mut chart = monitors;
    let values = "{kubeconfigGenerator: {enabled: true}}";
    chart.extend(rendered_with_monitors("kamaji", values).await);
    assert_eq!(scraped(&chart), expected("kamaji"));
}
