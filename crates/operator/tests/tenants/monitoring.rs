//! Alerts and dashboards of `config/monitoring`, with Prometheus and promtool of the Debian package: each alert fires
//! and clears, and each expression has data of an operator that was scraped.

mod faults;
mod prometheus;
mod scene;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use kamaji_e2e::{
    command::{command, output},
    ports::free_port,
};
use kamaji_operator::settings::Settings;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use prometheus::Prometheus;

use crate::{
    admission,
    control_plane::report_deployment_status,
    environment::{Environment, NAMESPACE, tenant, wait_until},
};

/// Time after which every rate has enough samples: Prometheus scrapes each second.
const SCRAPES: Duration = Duration::from_secs(20);
/// Time in which the scrapes give pictures of the dashboards enough samples.
const SCRAPES_OF_PICTURES: Duration = Duration::from_mins(3);
/// Variable with the folder that pictures are written to.
const PICTURES: &str = "KAMAJI_PICTURES";
/// Folder of the alerts and dashboards.
const MONITORING: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../config/monitoring");

/// The alerts as Prometheus reads them: the groups of the PrometheusRule.
fn rules() -> Value {
    let text = std::fs::read_to_string(format!("{MONITORING}/rules.yaml")).unwrap();
    let object: Value = serde_saphyr::from_str(&text).unwrap();
    object["spec"].clone()
}

/// Writes alerts to `dir`, in a file of the name that the tests of the alerts have.
fn write_rules(dir: &Path, rules: &Value) -> PathBuf {
    let path = dir.join("rules.yaml");
    std::fs::write(&path, rules.to_string()).unwrap();
    path
}

fn alerts() -> Vec<Value> {
    let groups = rules()["groups"].as_array().unwrap().clone();
    let rules = groups.iter().filter_map(|group| group["rules"].as_array());
    rules.flatten().cloned().collect()
}

/// Title and expression of each panel of all dashboards.
fn expressions() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(format!("{MONITORING}/dashboards")).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let dashboard: Value = serde_json::from_str(&text).unwrap();
        let title = dashboard["title"].as_str().unwrap();
        for panel in dashboard["panels"].as_array().unwrap() {
            for target in panel["targets"].as_array().into_iter().flatten() {
                let panel = panel["title"].as_str().unwrap();
                let expression = target["expr"].as_str().unwrap().to_owned();
                found.push((format!("{title}: {panel}"), expression));
            }
        }
    }
    found
}

#[tokio::test]
async fn alerts_fire_after_their_fault_and_clear_after_it() {
    let dir = tempfile::tempdir().unwrap();
    write_rules(dir.path(), &rules());
    let tests = dir.path().join("tests.yaml");
    std::fs::copy(format!("{MONITORING}/tests/rules.yaml"), &tests).unwrap();
    let text = std::fs::read_to_string(&tests).unwrap();
    for alert in alerts() {
        let name = alert["alert"].as_str().unwrap();
        let tested = text.contains(&format!("  - name: {name}\n"));
        assert!(tested, "{name} has no test in config/monitoring/tests");
        let page = alert["annotations"]["runbook"].as_str().unwrap();
        let page = format!("{MONITORING}/../../{page}");
        let page = std::fs::read_to_string(&page).unwrap_or_else(|e| panic!("{page}: {e}"));
        assert!(page.starts_with(&format!("# {name}\n")), "{name}");
    }
    let words = ["test", "rules", tests.to_str().unwrap()];
    output(command("promtool", words)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn every_expression_of_alerts_and_dashboards_has_data_of_a_scraped_operator() {
    let metrics = format!("127.0.0.1:{}", free_port().unwrap());
    let settings = Settings {
        metrics: Some(metrics.parse().unwrap()),
        leader_elect: true,
        tenant_usage: Duration::from_secs(3),
        ..Environment::settings()
    };
    let (environment, _operator) = admission::start_with_webhooks_and(settings).await;
    for name in ["well", "waits"] {
        environment.tenant(name, json!({})).await;
    }
    let available = json!([{"type": "Available", "status": "True"}]);
    report_deployment_status(&environment, "well", 1, available.clone()).await;
    let pictures = std::env::var_os(PICTURES);
    if pictures.is_some() {
        for name in ["blue", "green", "red"] {
            environment.tenant(name, json!({})).await;
            report_deployment_status(&environment, name, 1, available.clone()).await;
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let rules = write_rules(dir.path(), &rules());
    let prometheus = Prometheus::start(dir.path(), &metrics, &rules);
    wait_until("the ready tenant to be scraped", async || {
        let ready = "kamaji_tenant_control_plane_status{tcp_name=\"well\",ready=\"true\"}";
        prometheus.query(ready).await.ok()?.first().cloned()
    })
    .await;
    // Rates need something that happens between two scrapes.
    let scrapes = match pictures {
        Some(_) => SCRAPES_OF_PICTURES,
        None => SCRAPES,
    };
    let end = tokio::time::Instant::now() + scrapes;
    let tenants = environment.tenants();
    let mut number = 0;
    while tokio::time::Instant::now() < end {
        let labels = json!({"metadata": {"labels": {"number": number.to_string()}}});
        let params = PatchParams::default();
        let patched = tenants.patch("waits", &params, &Patch::Merge(labels)).await;
        patched.unwrap();
        let reviewed = admission::create(&environment, &tenant("dry-run", &json!({})), true).await;
        reviewed.unwrap();
        number += 1;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    for (panel, expression) in expressions() {
        let expression = expression
            .replace("$namespace", NAMESPACE)
            .replace("$tenant", "well")
            .replace("$datastore", "default");
        prometheus.assert_has_data(&panel, &expression).await;
    }
    for alert in alerts() {
        let expression = alert["expr"].as_str().unwrap();
        prometheus.query(expression).await.unwrap();
    }
    if let Some(folder) = pictures {
        prometheus
            .draw(SCRAPES_OF_PICTURES.as_secs(), &folder)
            .await;
    }
}
